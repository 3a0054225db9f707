// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

@Suite struct `Frame headers` {
    // MARK: Masks

    @Test(.rfc6455("5.1"), arguments: [Opcode.text, .binary, .close, .ping, .pong])
    func `server refuses an unmasked frame`(opcode: Opcode) {
        let wire = WireBytes(maskingKey: nil).frame(opcode, [])
        ByteFeeder(role: .server).expect(.fail(.missingMask), from: wire)
    }

    @Test(.rfc6455("5.1")) func `server refuses an unmasked frame after good ones`() {
        let wire = WireBytes(to: .server).text("a") + WireBytes(to: .client).text("b")
        ByteFeeder(role: .server).expect(.text("a"), .fail(.missingMask), from: wire)
    }

    @Test(.rfc6455("5.1"), arguments: [Opcode.text, .binary, .close, .ping, .pong])
    func `client refuses a masked frame`(opcode: Opcode) {
        let wire = WireBytes(maskingKey: [1, 2, 3, 4]).frame(opcode, [])
        ByteFeeder(role: .client).expect(.fail(.unexpectedMask), from: wire)
    }

    @Test(.rfc6455("5.3"), arguments: [[0, 0, 0, 0], [255, 255, 255, 255], [0, 0, 0, 1]])
    func `server accepts any masking key`(key: [UInt8]) {
        let wire = WireBytes(maskingKey: key)
        ByteFeeder(role: .server)
            .expect(.text("Hello"), .ping([1]), from: wire.text("Hello") + wire.ping([1]))
    }

    @Test(.rfc6455("5.3")) func `server unmasks each fragment with its own key`() {
        let wire =
            WireBytes(maskingKey: [1, 2, 3, 4]).text("Hel", isFinal: false)
            + WireBytes(maskingKey: [5, 6, 7, 8]).continuation([], isFinal: false)
            + WireBytes(maskingKey: [9, 8, 7, 6]).continuation(Array("lo".utf8))
        ByteFeeder(role: .server).expect(.text("Hello"), from: wire)
    }

    // MARK: The examples

    @Test(.rfc6455("5.7")) func `server understands the masked examples of the RFC`() {
        ByteFeeder(role: .server).expect(
            .text("Hello"),
            .pong(Array("Hello".utf8)),
            from: [
                0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58,
                0x8A, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58,
            ]
        )
    }

    @Test(.rfc6455("5.7")) func `client understands the unmasked examples of the RFC`() {
        ByteFeeder(role: .client).expect(
            .text("Hello"),
            .text("Hello"),
            .ping(Array("Hello".utf8)),
            from: [
                0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F,
                0x01, 0x03, 0x48, 0x65, 0x6C, 0x80, 0x02, 0x6C, 0x6F,
                0x89, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F,
            ]
        )
    }

    // MARK: First byte

    @Test(.rfc6455("5.2"), arguments: [0x40, 0x20, 0x10, 0x70] as [UInt8], bothRoles)
    func `endpoint refuses reserved bits`(bits: UInt8, role: Role) {
        for firstByte: UInt8 in [0x81, 0x82, 0x01, 0x80, 0x88, 0x89, 0x8A] {
            let wire = WireBytes(to: role).header(firstByte: firstByte | bits, length: [0])
            ByteFeeder(role: role).expect(.fail(.reservedBits), from: wire)
        }
    }

    @Test(.rfc6455("5.2"), arguments: [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] as [UInt8], bothRoles)
    func `endpoint refuses a reserved opcode`(opcode: UInt8, role: Role) {
        for fin: UInt8 in [0x80, 0x00] {
            let wire = WireBytes(to: role).header(firstByte: fin | opcode, length: [5])
            ByteFeeder(role: role).expect(.fail(.reservedOpcode), from: wire)
        }
    }

    // MARK: Length

    @Test(
        .rfc6455("5.2"),
        arguments: [0, 1, 2, 3, 4, 5, 7, 8, 124, 125, 126, 127, 128, 65_535, 65_536],
        bothRoles
    )
    func `endpoint reads every form of length`(count: Int, role: Role) {
        let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let wire = WireBytes(to: role).binary(payload) + WireBytes(to: role).text("end")
        ByteFeeder(role: role).expect(.binary(payload), .text("end"), from: wire)
    }

    @Test(
        .rfc6455("5.2"),
        arguments: [
            (2, 0), (2, 5), (2, 125), (8, 0), (8, 5), (8, 125), (8, 126), (8, 300), (8, 65_535),
        ] as [(Int, UInt64)],
        bothRoles
    )
    func `endpoint refuses a length that is not minimal`(form: (Int, UInt64), role: Role) {
        let (byteCount, value) = form
        let length =
            [byteCount == 2 ? 126 : 127] + WireBytes.bigEndian(value, byteCount: byteCount)
        let wire = WireBytes(to: role).header(firstByte: 0x82, length: length)
        ByteFeeder(role: role).expect(.fail(.nonMinimalLength), from: wire)
    }

    @Test(
        .rfc6455("5.2"),
        arguments: [1 << 63, .max, .max - 13, .max - 14, 1 << 63 | 5] as [UInt64],
        bothRoles
    )
    func `endpoint refuses a length with its top bit set`(length: UInt64, role: Role) {
        let wire = WireBytes(to: role)
            .header(firstByte: 0x82, length: [127] + WireBytes.bigEndian(length, byteCount: 8))
        for limit: UInt64 in [1 << 20, .max] {
            ByteFeeder(role: role, configuration: .limits(frame: limit, message: limit))
                .expect(.fail(.lengthTopBit), from: wire)
        }
    }

    @Test(
        .rfc6455("10.4"),
        arguments: [1 << 20 + 1, 1 << 32, 1 << 63 - 1, 1 << 63 - 14] as [UInt64],
        bothRoles
    )
    func `endpoint refuses a huge length on the header`(length: UInt64, role: Role) {
        let wire = WireBytes(to: role)
            .header(firstByte: 0x82, length: [127] + WireBytes.bigEndian(length, byteCount: 8))
        ByteFeeder(role: role).expect(.fail(.frameTooBig), from: wire)
    }

    @Test(.rfc6455("5.2"), arguments: bothRoles)
    func `endpoint without limits takes the largest length as far as it comes`(role: Role) {
        let wire = WireBytes(to: role)
            .header(
                firstByte: 0x82,
                length: [127] + WireBytes.bigEndian(UInt64(Int64.max), byteCount: 8)
            )
        ByteFeeder(role: role, configuration: .limits(frame: .max, message: .max))
            .expect(
                .unfinished(.binary, [1, 2, 3]),
                from: wire + WireBytes(to: role).masked([1, 2, 3])
            )
    }

    // MARK: The byte that proves it

    @Test(
        .rfc6455("5.2"),
        arguments: [
            ([0xC1, 0x80], 1), ([0x83, 0x80], 1), ([0x09, 0x80], 1),
            ([0x81, 0x00], 2), ([0x89, 0xFE, 0, 0], 2), ([0x88, 0xFF, 0, 0], 2),
            ([0x82, 0xFE, 0, 125, 0, 0, 0, 0], 4),
            ([0x82, 0xFF, 0x80, 0, 0, 0], 3),
            ([0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], 8),
            ([0x82, 0xFF, 0x7F, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5], 14),
            ([0x80, 0x81, 1, 2, 3, 4, 5], 6),
        ] as [([UInt8], Int)]
    )
    func `server refuses a header at the byte that proves the fault`(wire: [UInt8], count: Int) {
        #expect(ByteFeeder(role: .server).byteCountBeforeFailure(in: wire) == count)
    }

    @Test(.rfc6455("7.1.5"), arguments: 1..<14)
    func `server waits for the rest of a header and loses it with the transport`(count: Int) {
        let header: [UInt8] = [0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4]
        ByteFeeder(role: .server).expect(from: Array(header[..<count]))

        let endpoint = Endpoint(.server)
        endpoint.feed(header[..<count])
        let lost = ConnectionOutcome(code: .abnormalClosure, reason: "connection lost")
        #expect(endpoint.machine.transportClosed(at: .zero) == lost)
        #expect(endpoint.events.isEmpty)
    }
}
