// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

@Suite(.rfc6455("5.4")) struct `Fragmented messages` {
    @Test(arguments: bothRoles)
    func `endpoint joins fragments`(role: Role) {
        let peer = WireBytes(to: role)
        ByteFeeder(role: role).expect(
            .text("Hello"),
            .binary([1, 2, 3]),
            from: peer.text("He", isFinal: false) + peer.continuation([0x6C], isFinal: false)
                + peer.continuation([0x6C, 0x6F]) + peer.binary([1], isFinal: false)
                + peer.continuation([2, 3])
        )
    }

    @Test(arguments: bothRoles)
    func `endpoint joins empty fragments`(role: Role) {
        let peer = WireBytes(to: role)
        let none = peer.continuation([], isFinal: false)
        ByteFeeder(role: role).expect(
            .text("a"),
            .text(""),
            .binary([7]),
            .binary([]),
            from: peer.text("", isFinal: false) + none + peer.continuation([0x61])
                + peer.text("", isFinal: false) + none + peer.continuation([])
                + peer.binary([7], isFinal: false) + none + peer.continuation([])
                + peer.binary([])
        )
    }

    @Test(arguments: bothRoles, [true, false])
    func `endpoint refuses a continuation where no message began`(role: Role, isFinal: Bool) {
        let peer = WireBytes(to: role)
        let feeder = ByteFeeder(role: role)
        let stray = peer.continuation([1], isFinal: isFinal)
        feeder.expect(.fail(.continuationWithoutStart), from: stray)
        feeder.expect(.text("a"), .fail(.continuationWithoutStart), from: peer.text("a") + stray)
        feeder.expect(
            .text("ab"),
            .fail(.continuationWithoutStart),
            from: peer.text("a", isFinal: false) + peer.continuation([0x62]) + stray
        )
    }

    @Test(arguments: bothRoles, [Opcode.text, .binary])
    func `endpoint refuses a new message inside a fragmented one`(role: Role, opcode: Opcode) {
        let peer = WireBytes(to: role)
        let feeder = ByteFeeder(role: role)
        for isFinal in [true, false] {
            let second = peer.frame(opcode, [1], isFinal: isFinal)
            let start = peer.text("a", isFinal: false)
            feeder.expect(.fail(.interleavedMessage), from: start + second)
            feeder.expect(
                .fail(.interleavedMessage),
                from: start + peer.continuation([], isFinal: false) + second
            )
            feeder.expect(
                .fail(.interleavedMessage),
                from: peer.binary([], isFinal: false) + second
            )
        }
    }

    @Test(arguments: bothRoles)
    func `endpoint handles control frames between fragments in order`(role: Role) {
        let peer = WireBytes(to: role)
        ByteFeeder(role: role).expect(
            .ping([1]),
            .pong([]),
            .ping([2, 3]),
            .text("añb"),
            .pong([4]),
            from: peer.text([0x61, 0xC3], isFinal: false) + peer.ping([1]) + peer.pong()
                + peer.continuation([0xB1], isFinal: false) + peer.ping([2, 3])
                + peer.continuation([0x62]) + peer.pong([4])
        )
    }

    @Test(arguments: bothRoles)
    func `endpoint drops the unfinished message at a Close`(role: Role) {
        let peer = WireBytes(to: role)
        ByteFeeder(role: role).expect(
            .peerClosed(.normalClosure),
            from: peer.text("never delivered", isFinal: false) + peer.close(1000)
                + peer.continuation([0x61])
        )
    }

    @Test(arguments: bothRoles)
    func `endpoint keeps what is unfinished to itself`(role: Role) {
        let peer = WireBytes(to: role)
        ByteFeeder(role: role).expect(
            .unfinished(.text, Array("ab".utf8)),
            from: peer.text("a", isFinal: false) + peer.continuation([0x62], isFinal: false)
        )
    }
}
