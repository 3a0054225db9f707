// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

@Suite(.rfc6455("10.4")) struct `Limits` {
    @Test(arguments: [0, 1, 9, 125, 126, 300], bothRoles)
    func `endpoint takes a frame at the limit and refuses one above it`(limit: Int, role: Role) {
        let peer = WireBytes(to: role)
        let feeder = ByteFeeder(role: role, configuration: .limits(frame: UInt64(limit)))
        let payload = [UInt8](repeating: 0x61, count: limit)
        feeder.expect(.binary(payload), from: peer.binary(payload))
        let header = peer.header(firstByte: 0x82, length: WireBytes.length(limit + 1))
        feeder.expect(.fail(.frameTooBig), from: header)
        #expect(feeder.byteCountBeforeFailure(in: header + [1, 2, 3]) == header.count)
    }

    @Test(arguments: bothRoles)
    func `endpoint refuses a continuation above the limit of frames`(role: Role) {
        let peer = WireBytes(to: role)
        ByteFeeder(role: role, configuration: .limits(frame: 3)).expect(
            .fail(.frameTooBig),
            from: peer.binary([1, 2, 3], isFinal: false) + peer.continuation([1, 2, 3, 4])
        )
    }

    @Test(arguments: bothRoles)
    func `endpoint takes a message at the limit and refuses one above it`(role: Role) {
        let peer = WireBytes(to: role)
        let feeder = ByteFeeder(role: role, configuration: .limits(message: 10))
        let payload: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
        let start =
            peer.binary(Array(payload[..<4]), isFinal: false)
            + peer.continuation(Array(payload[4..<8]), isFinal: false)
        feeder.expect(
            .binary(payload),
            .binary(payload),
            from: peer.binary(payload) + start + peer.continuation([9, 10])
        )
        feeder.expect(.fail(.messageTooBig), from: peer.binary(payload + [11]))
        let header = peer.header(firstByte: 0x80, length: [3])
        feeder.expect(.fail(.messageTooBig), from: start + header)
        #expect(
            feeder.byteCountBeforeFailure(in: start + header + [1]) == start.count + header.count
        )
        feeder.expect(
            .fail(.messageTooBig),
            from: peer.binary(payload, isFinal: false) + peer.continuation([], isFinal: false)
                + peer.continuation([11])
        )
    }

    @Test(arguments: [1, 2, 3, 8], bothRoles)
    func `endpoint takes as many fragments as allowed and not one more`(limit: Int, role: Role) {
        let peer = WireBytes(to: role)
        let feeder = ByteFeeder(role: role, configuration: .limits(fragments: UInt32(limit)))
        for size in 0...1 {
            let one = [UInt8](repeating: 7, count: size)
            let all = [UInt8](repeating: 7, count: size * limit)
            let later = (1..<limit).flatMap { index in
                peer.continuation(one, isFinal: index == limit - 1)
            }
            let allowed = peer.binary(one, isFinal: limit == 1) + later
            feeder.expect(.binary(all), .binary(all), from: allowed + allowed)

            let endless =
                peer.binary(one, isFinal: false)
                + (1..<limit).flatMap { _ in peer.continuation(one, isFinal: false) }
            let header = peer.header(firstByte: 0x00, length: [UInt8(size)])
            feeder.expect(.fail(.tooManyFragments), from: endless + header)
            #expect(
                feeder.byteCountBeforeFailure(in: endless + header + [1])
                    == endless.count + header.count
            )
        }
    }

    @Test func `server refuses endless fragments at the default limit`() {
        let peer = WireBytes(to: .server)
        for size in 0...1 {
            let one = [UInt8](repeating: 7, count: size)
            let endpoint = Endpoint(.server)
            endpoint.feed(peer.binary(one, isFinal: false))
            let fragment = peer.continuation(one, isFinal: false)
            var count = 1
            while endpoint.isOpen, count < 100_000 {
                endpoint.feed(fragment)
                count += 1
            }
            #expect(count == 16385)
            #expect(endpoint.events == [.fail(.tooManyFragments)])
        }
    }

    @Test(arguments: bothRoles)
    func `control frames count toward no limit of messages`(role: Role) {
        let peer = WireBytes(to: role)
        let payload = [UInt8](repeating: 1, count: 125)
        ByteFeeder(role: role, configuration: .limits(frame: 1, message: 2, fragments: 2)).expect(
            .ping(payload),
            .pong(payload),
            .text("ab"),
            from: peer.text("a", isFinal: false) + peer.ping(payload) + peer.pong(payload)
                + peer.continuation([0x62])
        )
    }
}
