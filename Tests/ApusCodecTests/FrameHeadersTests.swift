// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import CApusCodec
import Testing

@Suite("Headers of many frames") struct FrameHeadersTests {
    /// Frames of all kinds with payloads that are there, then `tail`.
    static func stream(for role: Role, tail: [UInt8] = []) -> [UInt8] {
        FrameHeaderTests.legal
            .filter { FrameHeaderTests.role(reading: $0) == role && $0.payloadByteCount < 200 }
            .flatMap { header in
                FrameHeaderTests.bytes(of: header)
                    + [UInt8](repeating: 0x83, count: Int(header.payloadByteCount))
            } + tail
    }

    /// What decoding one by one gives.
    static func expected(
        _ bytes: [UInt8],
        as role: Role,
        capacity: Int
    ) -> (result: apus_result, headers: [FrameHeader], used: Int) {
        var headers: [FrameHeader] = []
        var used = 0
        while used < bytes.count, headers.count < capacity {
            switch FrameHeader.decode(bytes, from: used, as: role) {
            case .header(let header):
                let left = bytes.count - used - header.headerByteCount
                guard header.payloadByteCount <= UInt64(left) else {
                    return (APUS_INCOMPLETE, headers, used)
                }
                headers.append(header)
                used += header.headerByteCount + Int(header.payloadByteCount)
            case .incomplete: return (APUS_INCOMPLETE, headers, used)
            case .violation: return (APUS_RESERVED_OPCODE, headers, used)
            }
        }
        return (APUS_OK, headers, used)
    }

    static func check(_ bytes: [UInt8], as role: Role, capacity: Int) {
        var headers = [apus_frame_header](repeating: apus_frame_header(), count: capacity)
        var (count, used) = (-1, -1)
        let cRole = role == .server ? APUS_SERVER : APUS_CLIENT
        let result = unsafe apus_frame_headers_decode(
            bytes,
            bytes.count,
            cRole,
            0,
            &headers,
            capacity,
            &count,
            &used
        )
        let expected = expected(bytes, as: role, capacity: capacity)
        #expect(result == expected.result, "\(bytes.count) bytes, room for \(capacity)")
        #expect(used == expected.used, "\(bytes.count) bytes, room for \(capacity)")
        #expect(
            headers.prefix(count).map(\.payload_size) == expected.headers.map(\.payloadByteCount)
        )
        #expect(headers.prefix(count).map(\.opcode) == expected.headers.map(\.opcode.rawValue))
    }

    @Test(arguments: [Role.server, .client])
    func `as many as lie whole in the bytes, wherever these end`(role: Role) {
        let bytes = Self.stream(for: role)
        for count in 0...bytes.count {
            Self.check(Array(bytes[..<count]), as: role, capacity: 100)
        }
    }

    /// Also where the low half of its length is that of a frame which is there.
    @Test(arguments: [1 << 16, 1 << 32, 1 << 40, (1 << 40) + 1, UInt64(Int64.max)] as [UInt64])
    func `a frame of a huge length is not whole`(length: UInt64) {
        for role in [Role.server, .client] {
            let header = FrameHeader(
                opcode: .binary,
                payloadByteCount: length,
                maskingKey: role == .server ? MaskingKey(1, 2, 3, 4) : nil
            )
            let bytes =
                Self.stream(for: role) + FrameHeaderTests.bytes(of: header)
                + [UInt8](repeating: 0, count: 20)
            Self.check(bytes, as: role, capacity: 100)
        }
    }

    @Test(arguments: [Role.server, .client])
    func `not more than there is room for, and what follows is not judged`(role: Role) {
        let bytes = Self.stream(for: role, tail: [0x83])
        let count = Self.expected(bytes, as: role, capacity: .max).headers.count
        for capacity in 0...count + 1 {
            Self.check(bytes, as: role, capacity: capacity)
        }
    }
}
