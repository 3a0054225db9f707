// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Testing

/// Headers of version 2, written anew.
private enum Block {
    static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10]

    static func bytes(
        command: UInt8 = 0x21,
        family: UInt8,
        _ payload: [UInt8],
        length: Int? = nil
    ) -> [UInt8] {
        let length = length ?? payload.count
        return signature + [command, family, UInt8(length >> 8), UInt8(length & 255)] + payload
    }

    static let ip4: [UInt8] = [192, 0, 2, 1, 198, 51, 100, 2, 0x30, 0x39, 0x01, 0xBB]
    static let ip6: [UInt8] =
        [0x20, 0x01, 0x0D, 0xB8] + Array(repeating: 0, count: 11) + [1]
        + [0x20, 0x01, 0x0D, 0xB8] + Array(repeating: 0, count: 11) + [2] + [0, 80, 0x1F, 0x90]
    static let unix = Array("/run/a".utf8) + Array(repeating: UInt8(0), count: 210)
    /// Two of the lists that proxies append: an authority and noise.
    static let lists: [UInt8] = [2, 0, 3, 97, 46, 98] + [0xEA, 0, 2, 13, 10]
}

/// What a machine makes of pieces, with `consumed` counted from the first of them.
private func send(_ pieces: [ArraySlice<UInt8>]) -> ProxyHeaderAction {
    var machine = ProxyHeaderStateMachine()
    var sent = 0
    for piece in pieces {
        switch machine.received(piece.span) {
        case .needMoreBytes: sent += piece.count
        case .complete(let source, let consumed):
            return .complete(source, consumed: sent + consumed)
        case .refuse(let violation): return .refuse(violation)
        }
    }
    return .needMoreBytes
}

/// Sends whole, byte by byte and cut at every place, and expects the same each time.
private func sendInEveryWay(_ bytes: [UInt8]) -> ProxyHeaderAction {
    let whole = send([bytes[...]])
    #expect(send(EverySplit.byteByByte(bytes.count).map { bytes[$0] }) == whole)
    for cuts in EverySplit.inTwo(bytes.count) {
        #expect(send(cuts.map { bytes[$0] }) == whole, "cut at \(cuts[0].upperBound)")
    }
    return whole
}

@Suite struct `PROXY headers` {
    @Test(
        arguments: [
            ("PROXY TCP4 192.0.2.1 198.51.100.2 12345 443", .address("192.0.2.1", port: 12345)),
            ("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535", .address("0.0.0.0", port: 0)),
            ("PROXY TCP6 2001:DB8::1 ::1 1 2", .address("2001:db8::1", port: 1)),
            ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2", .address("192.0.2.1", port: 1)),
            ("PROXY UNKNOWN", .unknown), ("PROXY UNKNOWN ", .unknown),
            ("PROXY UNKNOWN whatever 1 2 3 4 5 6", .unknown),
            (
                "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                    + "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535", .unknown
            ),
        ] as [(String, ProxySource)]
    )
    func `of version 1 name the source`(line: String, source: ProxySource) {
        let bytes = Array((line + "\r\nGET / HTTP/1.1\r\n").utf8)
        #expect(sendInEveryWay(bytes) == .complete(source, consumed: line.utf8.count + 2))
    }

    @Test(
        arguments: [
            ("PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n", .lineMalformed),
            ("PROXY tcp4 1.1.1.1 2.2.2.2 1 2\r\n", .lineMalformed),
            ("PROXY TCP4 ::1 ::2 1 2\r\n", .lineMalformed),
            ("PROXY TCP4 1.1.1.1 ::2 1 2\r\n", .lineMalformed),
            ("PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n", .lineMalformed),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", .lineMalformed),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n", .lineMalformed),
            ("PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n", .lineMalformed),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n", .lineMalformed),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n", .lineMalformed),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n", .lineMalformed),
            ("PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n", .lineMalformed),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n", .lineMalformed),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\rX", .lineMalformed),
            ("PROXY TCP4 1.1.1.1\t2.2.2.2 1 2\r\n", .lineMalformed),
            ("PROXY UNKNOWNS\r\n", .lineMalformed), ("PROXY \r\n", .lineMalformed),
            ("PROXY UNKNOWN é\r\n", .lineMalformed), ("PROXY\r\n", .signatureMissing),
            ("PROXY UNKNOWN " + String(repeating: "a", count: 92) + "\r\n", .lineTooLong),
            ("PROXY " + String(repeating: "a", count: 200), .lineTooLong),
            ("proxy UNKNOWN\r\n", .signatureMissing), ("GET / HTTP/1.1\r\n", .signatureMissing),
            ("POST / HTTP/1.1\r\n", .signatureMissing), ("\r\n\r\n\r\n", .signatureMissing),
            (" PROXY UNKNOWN\r\n", .signatureMissing), ("\u{16}\u{3}\u{1}", .signatureMissing),
        ] as [(String, ProxyHeaderViolation)]
    )
    func `that are malformed are refused`(text: String, violation: ProxyHeaderViolation) {
        #expect(sendInEveryWay(Array(text.utf8)) == .refuse(violation))
    }

    @Test func `of version 1 have at most 107 bytes`() {
        let line = "PROXY UNKNOWN " + String(repeating: "a", count: 91) + "\r\n"
        #expect(sendInEveryWay(Array(line.utf8)) == .complete(.unknown, consumed: 107))
    }

    @Test(
        arguments: [
            (Block.bytes(family: 0x11, Block.ip4), .address("192.0.2.1", port: 12345)),
            (Block.bytes(family: 0x12, Block.ip4), .address("192.0.2.1", port: 12345)),
            (
                Block.bytes(family: 0x11, Block.ip4 + Block.lists),
                .address("192.0.2.1", port: 12345)
            ),
            (Block.bytes(family: 0x21, Block.ip6), .address("2001:db8::1", port: 80)),
            (Block.bytes(family: 0x22, Block.ip6 + Block.lists), .address("2001:db8::1", port: 80)),
            (Block.bytes(family: 0x31, Block.unix), .unixSocket),
            (Block.bytes(family: 0x32, Block.unix + Block.lists), .unixSocket),
            (Block.bytes(family: 0x00, []), .unknown),
            (Block.bytes(family: 0x00, Block.lists), .unknown),
            (Block.bytes(command: 0x20, family: 0x00, []), .unknown),
            (Block.bytes(command: 0x20, family: 0xFF, Block.lists), .unknown),
            (Block.bytes(command: 0x20, family: 0x11, Block.ip4), .unknown),
            (Block.bytes(command: 0x20, family: 0x21, [1]), .unknown),
        ] as [([UInt8], ProxySource)]
    )
    func `of version 2 name the source`(bytes: [UInt8], source: ProxySource) {
        #expect(
            sendInEveryWay(bytes + Array("GET /".utf8)) == .complete(source, consumed: bytes.count)
        )
        #expect(send([bytes.dropLast()]) == .needMoreBytes)
    }

    @Test(
        arguments: [
            (Block.bytes(command: 0x11, family: 0x11, Block.ip4), .versionUnknown),
            (Block.bytes(command: 0x31, family: 0x11, Block.ip4), .versionUnknown),
            (Block.bytes(command: 0x22, family: 0x11, Block.ip4), .commandUnknown),
            (Block.bytes(command: 0x2F, family: 0x11, Block.ip4), .commandUnknown),
            (Block.bytes(family: 0x10, Block.ip4), .familyUnknown),
            (Block.bytes(family: 0x01, Block.ip4), .familyUnknown),
            (Block.bytes(family: 0x13, Block.ip4), .familyUnknown),
            (Block.bytes(family: 0x41, Block.ip4), .familyUnknown),
            (Block.bytes(family: 0x11, Block.ip4.dropLast()), .blockTooShort),
            (Block.bytes(family: 0x11, []), .blockTooShort),
            (Block.bytes(family: 0x21, Block.ip6.dropLast()), .blockTooShort),
            (Block.bytes(family: 0x31, Block.unix.dropLast()), .blockTooShort),
            (Block.bytes(family: 0x11, [], length: 4_097), .blockTooLong),
            (Block.bytes(command: 0x20, family: 0, [], length: 65_535), .blockTooLong),
        ] as [([UInt8], ProxyHeaderViolation)]
    )
    func `of version 2 that are malformed are refused`(
        bytes: [UInt8],
        violation: ProxyHeaderViolation
    ) {
        #expect(sendInEveryWay(bytes) == .refuse(violation))
    }

    @Test func `of version 2 may be as long as the limit`() {
        let lists = Array(repeating: UInt8(7), count: ProxyHeaderStateMachine.lengthMax - 12)
        let bytes = Block.bytes(family: 0x11, Block.ip4 + lists)
        let expected = ProxyHeaderAction.complete(
            .address("192.0.2.1", port: 12345),
            consumed: 4_112
        )
        #expect(send([bytes[...]]) == expected)
        #expect(send(EverySplit.byteByByte(bytes.count).map { bytes[$0] }) == expected)
    }

    /// What is a header here is no request there, so a peer that may not send one is known by it.
    @Test(arguments: [
        ("PROXY ", true), ("PROXY", false), ("\r\n\r", true), ("\r\n", false), ("POST / ", false),
        ("\r\nGET ", false), ("PROXY TCP9 ", true), ("\r\n\rX", true),
    ])
    func `are known by their first bytes`(text: String, isHeader: Bool) {
        for pieces in EverySplit.inTwo(text.utf8.count) {
            var machine = ProxyHeaderStateMachine()
            for piece in pieces { _ = machine.received(Array(text.utf8)[piece].span) }
            #expect(machine.isHeader == isHeader)
        }
        if isHeader {
            guard case .refuse = sendHead(Array((text + "UNKNOWN 1 2\r\n\r\n").utf8)) else {
                Issue.record("a header is a request")
                return
            }
        }
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `are decided the same whatever the pieces`(seed: UInt64) {
        var random = SplitMix(seed: seed)
        let good = [
            Array("PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\r\nGET /".utf8),
            Array("PROXY TCP6 2001:db8::1 ::1 1 2\r\n".utf8), Array("PROXY UNKNOWN\r\n".utf8),
            Block.bytes(family: 0x11, Block.ip4 + Block.lists),
            Block.bytes(family: 0x21, Block.ip6), Block.bytes(family: 0x31, Block.unix),
            Block.bytes(command: 0x20, family: 0, Block.lists),
        ]
        for round in 0..<300 {
            var bytes = good[Int.random(in: good.indices, using: &random)]
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                let place = Int.random(in: bytes.indices, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = UInt8.random(in: .min ... .max, using: &random)
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(UInt8.random(in: .min ... .max, using: &random), at: place)
                default: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                }
            }
            let whole = send([bytes[...]])
            let single = send(EverySplit.byteByByte(bytes.count).map { bytes[$0] })
            #expect(single == whole, "seed \(seed), round \(round): \(bytes)")
            var cuts = (0..<3).map { _ in Int.random(in: 0...bytes.count, using: &random) }
            cuts = [0] + cuts.sorted() + [bytes.count]
            let pieces = zip(cuts, cuts.dropFirst()).map { bytes[$0..<$1] }
            #expect(send(pieces) == whole, "seed \(seed), round \(round), cuts \(cuts)")
            if case .complete(let source, let consumed) = whole {
                #expect(send([bytes[..<consumed]]) == .complete(source, consumed: consumed))
            }
        }
    }
}
