// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusTestSupport
import Testing

@Suite("Frame header") struct FrameHeaderTests {
    static let lengths: [UInt64] = [
        0, 1, 125, 126, 127, 128, 255, 256, 65_535, 65_536, 65_537, 1 << 31 - 1, 1 << 31,
        1 << 31 + 1, 1 << 32 - 1, 1 << 32, 1 << 32 + 1, 1 << 48, 1 << 63 - 1,
    ]
    static let key = MaskingKey(0xA1, 0x00, 0xC3, 0xD4)

    /// Every kind of frame with every length it may have, for both roles.
    static let legal: [FrameHeader] = [nil, key].flatMap { maskingKey in
        [Opcode.continuation, .text, .binary, .close, .ping, .pong].flatMap { opcode in
            [true, false].flatMap { isFinal in
                lengths.compactMap { length in
                    if opcode.isControl, !isFinal || length > 125 { return nil }
                    return FrameHeader(
                        isFinal: isFinal,
                        opcode: opcode,
                        payloadByteCount: length,
                        maskingKey: maskingKey
                    )
                }
            }
        }
    }

    /// The bytes of a header, written down from the figure in §5.2.
    static func bytes(of header: FrameHeader) -> [UInt8] {
        let mask: UInt8 = header.maskingKey == nil ? 0 : 0x80
        var bytes = [(header.isFinal ? 0x80 : 0) | header.reservedBits | header.opcode.rawValue]
        let length = header.payloadByteCount
        let lengthBytes = (0..<8).reversed().map { UInt8(truncatingIfNeeded: length >> (8 * $0)) }
        switch length {
        case 0...125: bytes += [mask | lengthBytes[7]]
        case 126...65_535: bytes += [mask | 126] + lengthBytes[6...]
        default: bytes += [mask | 127] + lengthBytes
        }
        return header.maskingKey == nil ? bytes : bytes + [0xA1, 0x00, 0xC3, 0xD4]
    }

    static func role(reading header: FrameHeader) -> Role {
        header.maskingKey == nil ? .client : .server
    }

    @Test(arguments: legal)
    func `a header is complete with its last byte and not before`(header: FrameHeader) {
        let bytes = Self.bytes(of: header)
        let role = Self.role(reading: header)
        for count in 0..<bytes.count {
            #expect(FrameHeader.decode(Array(bytes[..<count]), as: role) == .incomplete)
        }
        #expect(FrameHeader.decode(bytes, as: role) == .header(header))
        #expect(header.headerByteCount == bytes.count)
        let behindOthers = [0xFF, 0xFF, 0xFF] + bytes + [0xFF]
        #expect(FrameHeader.decode(behindOthers, from: 3, as: role) == .header(header))
    }

    @Test(arguments: legal)
    func `encoding gives the bytes that decode and touches nothing behind`(header: FrameHeader) {
        var output = [UInt8](repeating: 0xEE, count: FrameHeader.byteCountMax + 1)
        let count = header.encode(into: &output)
        let bytes = Self.bytes(of: header)
        #expect(count == bytes.count)
        #expect(output == bytes + [UInt8](repeating: 0xEE, count: output.count - count))
    }

    @Test func `a header fits where there is just room for it`() {
        var output = [UInt8](repeating: 0, count: 2)
        #expect(FrameHeader(opcode: .text, payloadByteCount: 5).encode(into: &output) == 2)
        #expect(output == [0x81, 0x05])
    }

    @Test func `encoding without room traps`() async {
        await #expect(processExitsWith: .failure) {
            var output: [UInt8] = [0, 0, 0]
            _ = FrameHeader(opcode: .text, payloadByteCount: 126).encode(into: &output)
        }
    }

    @Test func `a payload from 2^63 bytes on traps`() async {
        await #expect(processExitsWith: .failure) {
            _ = FrameHeader(opcode: .binary, payloadByteCount: 1 << 63)
        }
    }

    @Test(arguments: 0...15 as ClosedRange<UInt8>)
    func `opcodes are those of the RFC, reserved ones are refused`(opcode: UInt8) {
        let bytes: [UInt8] = [0x80 | opcode, 0x80, 1, 2, 3, 4]
        let isDefined = [0x0, 0x1, 0x2, 0x8, 0x9, 0xA].contains(opcode)
        let decoded = FrameHeader.decode(bytes, as: .server)
        if isDefined {
            let key = MaskingKey(1, 2, 3, 4)
            let opcode = Opcode(rawValue: opcode)
            let header = FrameHeader(opcode: opcode, payloadByteCount: 0, maskingKey: key)
            #expect(decoded == .header(header))
        } else {
            #expect(decoded == .violation(.reservedOpcode))
            #expect(FrameHeader.decode(Array(bytes[..<1]), as: .server) == decoded)
        }
    }

    @Test(arguments: 0...7 as ClosedRange<UInt8>, 0...7 as ClosedRange<UInt8>)
    func `reserved bits pass only where they are allowed`(set: UInt8, allowed: UInt8) {
        let bytes: [UInt8] = [0x81 | set << 4, 0x00]
        let decoded = FrameHeader.decode(
            bytes,
            as: .client,
            reservedBitsAllowed: allowed << 4
        )
        let header = FrameHeader(reservedBits: set << 4, opcode: .text, payloadByteCount: 0)
        #expect(decoded == (set & ~allowed == 0 ? .header(header) : .violation(.reservedBits)))
    }

    @Test func `no permission but those for reserved bits is heard`() {
        let opcode = FrameHeader.decode([0x83], as: .server, reservedBitsAllowed: 0xFF)
        #expect(opcode == .violation(.reservedOpcode))
        let fragment = FrameHeader.decode([0x09], as: .server, reservedBitsAllowed: 0xFF)
        #expect(fragment == .violation(.fragmentedControlFrame))
    }

    /// Bytes whose last one proves the violation.
    static let illegal: [(bytes: [UInt8], role: Role, violation: ProtocolViolation)] = [
        ([0xC1], .server, .reservedBits),
        ([0xA1], .server, .reservedBits),
        ([0x91], .client, .reservedBits),
        ([0x83], .server, .reservedOpcode),
        ([0x0F], .client, .reservedOpcode),
        ([0x08], .server, .fragmentedControlFrame),
        ([0x09], .server, .fragmentedControlFrame),
        ([0x0A], .client, .fragmentedControlFrame),
        ([0x81, 0x05], .server, .missingMask),
        ([0x81, 0x85], .client, .unexpectedMask),
        ([0x88, 0xFE], .server, .oversizedControlFrame),
        ([0x89, 0x7F], .client, .oversizedControlFrame),
        ([0x81, 0xFE, 0x00, 0x7D], .server, .nonMinimalLength),
        ([0x81, 0x7E, 0x00, 0x00], .client, .nonMinimalLength),
        ([0x82, 0xFF, 0, 0, 0, 0, 0, 0], .server, .nonMinimalLength),
        ([0x82, 0xFF, 0x80], .server, .lengthTopBit),
        ([0x02, 0x7F, 0xFF], .client, .lengthTopBit),
    ]

    @Test(arguments: illegal.indices)
    func `a broken rule is reported at the byte that proves it`(index: Int) {
        let (bytes, role, violation) = Self.illegal[index]
        for count in 0..<bytes.count {
            #expect(FrameHeader.decode(Array(bytes[..<count]), as: role) == .incomplete)
        }
        for tail: [UInt8] in [[], [0x00], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]] {
            let decoded = FrameHeader.decode(bytes + tail, as: role)
            #expect(decoded == .violation(violation))
        }
    }

    @Test(arguments: 1...100 as ClosedRange<UInt64>)
    func `decoding random bytes ends in what encodes to them`(seed: UInt64) {
        var random = SplitMix(seed: seed)
        for role in [Role.server, .client] {
            let bytes = random.bytes(14)
            let decoded = FrameHeader.decode(bytes, as: role, reservedBitsAllowed: 0x70)
            guard case .header(let header) = decoded else {
                #expect(decoded != .incomplete, "seed \(seed)")
                continue
            }
            var output = bytes
            let count = header.encode(into: &output)
            #expect(count == header.headerByteCount, "seed \(seed)")
            #expect(output == bytes, "seed \(seed)")
        }
    }
}
