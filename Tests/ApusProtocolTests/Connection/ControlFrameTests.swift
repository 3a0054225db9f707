// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

@Suite(.rfc6455("5.5")) struct `Control frames` {
    @Test(arguments: [0x08, 0x09, 0x0A] as [UInt8], bothRoles)
    func `endpoint refuses a fragmented control frame`(firstByte: UInt8, role: Role) {
        let peer = WireBytes(to: role)
        let wire = peer.header(firstByte: firstByte, length: [0])
        ByteFeeder(role: role).expect(.fail(.fragmentedControlFrame), from: wire)
        ByteFeeder(role: role).expect(
            .fail(.fragmentedControlFrame),
            from: peer.text("a", isFinal: false) + wire
        )
    }

    @Test(
        arguments: [
            [126, 0, 126], [126, 0, 5], [126, 255, 255], [127, 0, 0, 0, 0, 0, 1, 0, 0],
            [127, 255, 255, 255, 255, 255, 255, 255, 255],
        ] as [[UInt8]],
        bothRoles
    )
    func `endpoint refuses a control frame of over 125 bytes`(length: [UInt8], role: Role) {
        for firstByte: UInt8 in [0x88, 0x89, 0x8A] {
            let wire = WireBytes(to: role).header(firstByte: firstByte, length: length)
            ByteFeeder(role: role).expect(.fail(.oversizedControlFrame), from: wire)
        }
    }

    @Test(.rfc6455("5.5.2"), arguments: [0, 1, 2, 3, 4, 5, 64, 124, 125], bothRoles)
    func `endpoint hands out the payload of a ping for its pong`(count: Int, role: Role) {
        let payload = (0..<count).map { UInt8(255 - $0) }
        ByteFeeder(role: role).expect(.ping(payload), from: WireBytes(to: role).ping(payload))
    }

    @Test(.rfc6455("5.5.3"), arguments: [0, 1, 2, 3, 4, 5, 64, 124, 125], bothRoles)
    func `endpoint takes pongs that nobody asked for`(count: Int, role: Role) {
        let payload = (0..<count).map { UInt8($0) }
        let peer = WireBytes(to: role)
        ByteFeeder(role: role).expect(
            .pong(payload),
            .text("a"),
            from: peer.pong(payload) + peer.text("a")
        )
    }

    @Test(.rfc6455("5.5.2"), arguments: bothRoles)
    func `endpoint forgets a longer payload before a shorter one`(role: Role) {
        let peer = WireBytes(to: role)
        ByteFeeder(role: role).expect(
            .ping([1, 2, 3, 4, 5]),
            .ping([6]),
            .pong([]),
            .ping([7, 8]),
            from: peer.ping([1, 2, 3, 4, 5]) + peer.ping([6]) + peer.pong() + peer.ping([7, 8])
        )
    }

    @Test(arguments: bothRoles)
    func `endpoint takes payloads of any bytes in pings`(role: Role) {
        let payload: [UInt8] = [0xFF, 0xC0, 0x80, 0xED, 0xA0, 0x80]
        ByteFeeder(role: role).expect(.ping(payload), from: WireBytes(to: role).ping(payload))
    }
}
