// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

/// After our Close, RFC 6455 §7.1.2 to §7.1.4.
@Suite(.rfc6455("7.1.2")) struct `A closing connection` {
    private func feeder(_ role: Role) -> ByteFeeder {
        ByteFeeder(role: role, configuration: .limits(frame: 4, fragments: 2), isClosing: true)
    }

    @Test(arguments: bothRoles)
    func `ends with the peer's code and reason`(role: Role) {
        let peer = WireBytes(to: role)
        feeder(role).expect(
            .peerClosed(CloseCode(rawValue: 4001), reason: "so be it", reply: false),
            from: peer.close(4001, Array("so be it".utf8)) + peer.close(1000) + peer.text("a")
        )
        feeder(role).expect(
            .peerClosed(.noStatusReceived, reason: "", reply: false),
            from: peer.close()
        )
    }

    @Test(arguments: bothRoles)
    func `skips messages and pings until the peer's Close`(role: Role) {
        let peer = WireBytes(to: role)
        let skipped = [
            peer.text("a"), peer.text("a", isFinal: false), peer.binary([1, 2, 3, 4]),
            peer.text([0xFF]), peer.text(""), peer.continuation([1]),
            peer.binary([UInt8](repeating: 1, count: 130)), peer.ping(), peer.ping([1, 2, 3]),
            peer.pong([UInt8](repeating: 1, count: 125)),
        ]
        let close = peer.close(1000, [0x61])
        for wire in skipped {
            feeder(role).expect(from: wire)
            feeder(role).expect(
                .peerClosed(.normalClosure, reason: "a", reply: false),
                from: wire + close
            )
        }
        feeder(role).expect(
            .peerClosed(.normalClosure, reason: "a", reply: false),
            from: skipped.flatMap { $0 } + close
        )
    }

    @Test(arguments: bothRoles)
    func `sends no second Close for a violation`(role: Role) {
        let peer = WireBytes(to: role)
        feeder(role).expect(
            .fail(.reservedOpcode, sendClose: false),
            from: peer.text("a") + peer.header(firstByte: 0x83, length: [0]) + peer.close(1000)
        )
        feeder(role).expect(
            .fail(.invalidCloseCode, sendClose: false),
            from: peer.close(1005)
        )
        feeder(role).expect(
            .fail(.invalidUTF8, sendClose: false),
            from: peer.close(1000, [0xFF])
        )
    }

    /// Our Close may overtake the peer's stream at any of its bytes, up to 119 for a server.
    @Test(arguments: bothRoles, 0...119)
    func `meets the peer's Close wherever it began`(role: Role, cut: Int) {
        let peer = WireBytes(to: role)
        let stream =
            peer.text("aé", isFinal: false) + peer.ping([1, 2, 3]) + peer.continuation([0x62])
            + peer.binary([UInt8](repeating: 9, count: 81)) + peer.pong([4])
        let wire = stream + peer.close(4999, Array("last".utf8))
        let cut = min(cut, stream.count)

        for rest in [[cut..<wire.count], Array(cut..<wire.count).map { $0..<$0 + 1 }] {
            let endpoint = Endpoint(role)
            endpoint.feed(wire[..<cut])
            let parts = endpoint.parts
            var events = endpoint.events
            if case .unfinished = events.last { events.removeLast() }

            let isFirst = endpoint.machine.close(at: .zero)
            #expect(isFirst)
            #expect(!endpoint.isOpen)
            for piece in rest {
                endpoint.feed(wire[piece])
            }
            let code = CloseCode(rawValue: 4999)
            #expect(
                endpoint.events == events + [.peerClosed(code, reason: "last", reply: false)]
            )
            #expect(endpoint.parts == parts)
            #expect(endpoint.machine.closeOutcome?.code == code)
        }
    }

    @Test(arguments: bothRoles)
    func `skips the largest frame without an end`(role: Role) {
        let header = WireBytes(to: role).header(
            firstByte: 0x82,
            length: [127] + WireBytes.bigEndian(UInt64(Int64.max), byteCount: 8)
        )
        ByteFeeder(role: role, isClosing: true)
            .expect(from: header + [UInt8](repeating: 0x88, count: 40))
    }

    @Test(arguments: bothRoles)
    func `is lost with 1006 where the peer's Close does not come`(role: Role) {
        let peer = WireBytes(to: role)
        let endpoint = Endpoint(role)
        _ = endpoint.machine.close(at: .zero)
        endpoint.feed(peer.text("a") + peer.close(1000).dropLast())
        let lost = ConnectionOutcome(code: .abnormalClosure, reason: "connection lost")
        #expect(endpoint.machine.transportClosed(at: .zero) == lost)
        #expect(endpoint.machine.closeOutcome == lost)
        #expect(endpoint.events.isEmpty)
    }
}
