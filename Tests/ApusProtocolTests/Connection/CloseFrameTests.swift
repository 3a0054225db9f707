// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

@Suite(.rfc6455("5.5.1")) struct `Close frames` {
    @Test(
        .rfc6455("7.4"),
        arguments: Array(1000...1003) + Array(1007...1014) + [3000, 3001, 3999, 4000, 4999]
            as [UInt16],
        bothRoles
    )
    func `endpoint answers a Close with its code`(code: UInt16, role: Role) {
        let peer = WireBytes(to: role)
        let feeder = ByteFeeder(role: role)
        feeder.expect(.peerClosed(CloseCode(rawValue: code)), from: peer.close(code))
        let reason = String(repeating: "é", count: 61) + "!"
        feeder.expect(
            .peerClosed(CloseCode(rawValue: code), reason),
            from: peer.close(code, Array(reason.utf8))
        )
    }

    @Test(.rfc6455("7.1.5"), arguments: bothRoles)
    func `endpoint tells of 1005 where a Close has no code`(role: Role) {
        ByteFeeder(role: role)
            .expect(.peerClosed(.noStatusReceived), from: WireBytes(to: role).close())
    }

    @Test(arguments: bothRoles)
    func `endpoint refuses a Close of one byte`(role: Role) {
        let wire = WireBytes(to: role).frame(.close, [3])
        ByteFeeder(role: role).expect(.fail(.closePayloadTooShort), from: wire)
    }

    @Test(
        .rfc6455("7.4"),
        arguments: [
            0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 65_535,
        ] as [UInt16],
        bothRoles
    )
    func `endpoint refuses a code that must not be on the wire`(code: UInt16, role: Role) {
        let peer = WireBytes(to: role)
        let feeder = ByteFeeder(role: role)
        feeder.expect(.fail(.invalidCloseCode), from: peer.close(code))
        feeder.expect(.fail(.invalidCloseCode), from: peer.close(code, [0x61]))
    }

    @Test(
        .rfc6455("7.1.6"),
        arguments: [[0xC3], [0x61, 0xE2, 0x82], [0xFF], [0xED, 0xA0, 0x80], [0xC0, 0x80]]
            as [[UInt8]],
        bothRoles
    )
    func `endpoint refuses a reason that is not UTF-8`(reason: [UInt8], role: Role) {
        let wire = WireBytes(to: role).close(1000, reason)
        ByteFeeder(role: role).expect(.fail(.invalidUTF8), from: wire)
    }

    @Test(arguments: [0, 1, 122, 123], bothRoles)
    func `endpoint takes a reason that fits the frame`(count: Int, role: Role) {
        let reason = String(repeating: "r", count: count)
        ByteFeeder(role: role).expect(
            .peerClosed(.normalClosure, reason),
            from: WireBytes(to: role).close(1000, Array(reason.utf8))
        )
    }

    @Test(arguments: bothRoles)
    func `endpoint refuses a reason of 124 bytes`(role: Role) {
        let wire = WireBytes(to: role).close(1000, [UInt8](repeating: 0x61, count: 124))
        ByteFeeder(role: role).expect(.fail(.oversizedControlFrame), from: wire)
    }

    @Test(arguments: bothRoles)
    func `endpoint takes nothing after a Close`(role: Role) {
        let peer = WireBytes(to: role)
        let later = [
            peer.text("a"), peer.ping(), peer.close(), peer.close(1001), peer.close(999),
            [0xFF, 0xFF, 0xFF],
        ]
        for wire in later {
            ByteFeeder(role: role)
                .expect(
                    .peerClosed(.normalClosure, "bye"),
                    from: peer.close(1000, [98, 121, 101]) + wire
                )
        }
    }

    @Test(arguments: bothRoles)
    func `endpoint takes nothing after a violation`(role: Role) {
        let peer = WireBytes(to: role)
        let bad = peer.header(firstByte: 0xF1, length: [0])
        for wire in [bad, peer.text("a"), peer.ping([1]), peer.close(1000)] {
            ByteFeeder(role: role).expect(.fail(.reservedBits), from: bad + wire)
        }
    }
}
