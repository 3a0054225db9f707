// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

@Suite(.rfc6455("8.1")) struct `Text` {
    @Test(
        .rfc6455("5.6"),
        arguments: [
            "", "\u{0}", "\u{7F}", "\u{80}\u{7FF}", "\u{800}\u{D7FF}", "\u{E000}\u{FFFF}",
            "\u{10000}", "\u{10FFFF}", "κόσμε", "aé€😀", "\u{FEFF}",
        ],
        bothRoles
    )
    func `endpoint takes characters cut at every byte`(text: String, role: Role) {
        let peer = WireBytes(to: role)
        let bytes = Array(text.utf8)
        ByteFeeder(role: role).expect(.text(text), from: peer.text(bytes))
        for cut in 0...bytes.count {
            ByteFeeder(role: role).expect(
                .ping([]),
                .text(text),
                from: peer.text(Array(bytes[..<cut]), isFinal: false) + peer.ping()
                    + peer.continuation(Array(bytes[cut...]))
            )
        }
    }

    @Test func `server takes a text of one-byte fragments`() {
        let peer = WireBytes(to: .server)
        let bytes = Array("aé€😀".utf8)
        let last = bytes.count - 1
        ByteFeeder(role: .server).expect(
            .text("aé€😀"),
            from: peer.text([bytes[0]], isFinal: false)
                + bytes.indices.dropFirst().flatMap { index in
                    peer.continuation([bytes[index]], isFinal: index == last)
                }
        )
    }

    /// Bytes, and how many of them it takes to see that no text starts like this.
    static let impossible: [([UInt8], Int)] = [
        ([0x80], 1), ([0xBF, 0x61], 1), ([0xC0, 0xAF], 1), ([0xC1, 0xBF], 1),
        ([0xE0, 0x80, 0xAF], 2), ([0xE0, 0x9F, 0xBF], 2), ([0xF0, 0x80, 0x80, 0xAF], 2),
        ([0xF0, 0x8F, 0xBF, 0xBF], 2), ([0xED, 0xA0, 0x80], 2), ([0xED, 0xBF, 0xBF], 2),
        ([0xF4, 0x90, 0x80, 0x80], 2), ([0xF5, 0x80, 0x80, 0x80], 1), ([0xF8, 0x88], 1),
        ([0xFE], 1), ([0xFF], 1), ([0xC3, 0x28], 2), ([0xE2, 0x82, 0x28], 3),
        ([0xF0, 0x9F, 0x98, 0x28], 4), ([0x61, 0x62, 0xC3, 0xC3, 0xA9], 4),
        (Array("κόσμε".utf8) + [0xED, 0xA0, 0x80, 0x65], 12),
    ]

    @Test(arguments: impossible, bothRoles)
    func `endpoint refuses text that is not UTF-8`(input: ([UInt8], Int), role: Role) {
        let peer = WireBytes(to: role)
        let (bytes, _) = input
        let feeder = ByteFeeder(role: role)
        feeder.expect(.fail(.invalidUTF8), from: peer.text(bytes))
        for cut in 0...bytes.count {
            feeder.expect(
                .fail(.invalidUTF8),
                from: peer.text(Array(bytes[..<cut]), isFinal: false)
                    + peer.continuation(Array(bytes[cut...]), isFinal: false)
            )
        }
    }

    @Test(arguments: impossible)
    func `server refuses text at the first impossible byte`(bytes: [UInt8], count: Int) {
        let peer = WireBytes(to: .server)
        let feeder = ByteFeeder(role: .server)
        // The frame announces more than ever comes.
        let header = peer.header(firstByte: 0x81, length: [126, 0xFF, 0xFF])
        #expect(
            feeder.byteCountBeforeFailure(in: header + peer.masked(bytes)) == header.count + count
        )
        let start = peer.text(Array(bytes[..<(count - 1)]), isFinal: false)
        let rest = peer.continuation(Array(bytes[(count - 1)...]))
        let restHeaderByteCount = rest.count - (bytes.count - count + 1)
        #expect(
            feeder.byteCountBeforeFailure(in: start + rest)
                == start.count + restHeaderByteCount + 1
        )
    }

    @Test(
        arguments: [[0xC3], [0xE2], [0xE2, 0x82], [0xF0, 0x9F, 0x98], [0x61, 0xF0]] as [[UInt8]],
        bothRoles
    )
    func `endpoint refuses a message that ends within a character`(bytes: [UInt8], role: Role) {
        let peer = WireBytes(to: role)
        let feeder = ByteFeeder(role: role)
        feeder.expect(.fail(.invalidUTF8), from: peer.text(bytes))
        feeder.expect(
            .fail(.invalidUTF8),
            from: peer.text(bytes, isFinal: false) + peer.continuation([])
        )
        feeder.expect(
            .unfinished(.text, bytes),
            from: peer.text(bytes, isFinal: false) + peer.continuation([], isFinal: false)
        )
    }

    @Test(arguments: bothRoles)
    func `endpoint starts every text anew`(role: Role) {
        let peer = WireBytes(to: role)
        ByteFeeder(role: role).expect(
            .text("é"),
            .binary([0xC3]),
            .fail(.invalidUTF8),
            from: peer.text("é") + peer.binary([0xC3]) + peer.text([0xA9])
        )
    }

    @Test(.rfc6455("5.6"), arguments: bothRoles)
    func `endpoint takes any bytes as binary`(role: Role) {
        let peer = WireBytes(to: role)
        let bytes = (0...255).map { UInt8($0) }
        ByteFeeder(role: role).expect(
            .binary(bytes),
            from: peer.binary(Array(bytes[..<200]), isFinal: false)
                + peer.continuation(Array(bytes[200...]))
        )
    }
}
