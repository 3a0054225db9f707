// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import Testing

/// What WebSocket-Node lacks for many connections, by the numbers of our list of its defects.
@Suite struct `Defects of others around many connections` {
    enum Ending: CaseIterable { case reset, end, close, drain }

    /// Counted, not timed: how many others each end moves.
    @Test(arguments: Ending.allCases, [10, 100])
    func `12: mass disconnect moves at most one other connection for each that ends`(
        ending: Ending,
        count: Int
    ) throws {
        try inWorker {
            let world = World()
            var all: [WebSocketConnection] = []
            world.server.onRequest { all.append(try $0.accept()) }
            let peers = try (0..<count).map { _ in try world.open() }
            var indices = all.map(\.index)
            var moveCountMax = 0
            var endCount = 0
            world.server.onClose { ended, _, _ in
                #expect(ended.index == -1)
                let now = all.map(\.index)
                moveCountMax = max(moveCountMax, zip(indices, now).count { $0 != $1 })
                indices = now
                endCount += 1
            }
            let turnCount = world.ring.turnCount
            for (number, peer) in peers.enumerated() where number % 3 != 1 {
                peer.leave(by: ending)
            }
            for (number, peer) in peers.enumerated() where number % 3 == 1 {
                peer.leave(by: ending)
            }
            if ending == .drain { world.driver.beginDrain() }
            try world.run { endCount == count }
            // The one that ended, and the last, which took its place.
            #expect(moveCountMax == 2)
            // All at once: the turns do not grow with them.
            #expect(world.ring.turnCount - turnCount < 10)
            #expect(world.server.connections.isEmpty)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `12: mass disconnect of clients that wait moves at most one other request`() throws {
        try inWorker {
            let world = World()
            var all: [WebSocketRequest] = []
            var indices: [Int] = []
            var moveCountMax = 0
            world.server.onRequest { request in
                all.append(request)
                request.onClientGone {
                    let now = all.map(\.index)
                    moveCountMax = max(moveCountMax, zip(indices, now).count { $0 != $1 })
                    indices = now
                }
            }
            let peers = (0..<200).map { _ in world.connect() }
            for peer in peers { peer.requestUpgrade() }
            try world.run { all.count == peers.count }
            indices = all.map(\.index)
            for peer in peers { peer.reset() }
            try world.run { world.server.pendingRequests.isEmpty }
            #expect(moveCountMax == 2)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `16: what a worker has done is counted, by name`() throws {
        try inWorker {
            let world = World()
            world.serveEcho()
            let peer = try world.open()
            peer.sendText("one")
            peer.sendText("two")
            try world.run { peer.messages.count == 2 }
            let bad = try world.open()
            bad.write([0x81, 0x01])
            let odd = world.connect()
            odd.write("NONSENSE\r\n\r\n".utf8)
            try world.run { bad.isOver && odd.isOver }
            let report = Dictionary(uniqueKeysWithValues: world.driver.report())
            let expected = [
                "connections_open": 1, "connections_accepted": 3, "handshakes_completed": 2,
                "handshakes_refused": 1, "messages_received": 2, "messages_sent": 2,
                "protocol_violations": 1, "handler_errors": 0, "messages_dropped": 0,
            ]
            for (name, value) in expected { #expect(report[name] == value, "\(name)") }
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `16: connections have a limit, and those over it are counted`() throws {
        try inWorker {
            let world = World { $0.maxConnections = 1 }
            world.serveEcho()
            _ = try world.open()
            let second = world.connect()
            second.requestUpgrade()
            try world.run { second.isOver }
            #expect(second.status == 503)
            #expect(world.driver.counters.connectionsRefused == 1)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `16: offers of compression are seen by the application, and declined`() throws {
        try inWorker {
            let world = World()
            var offers: [RequestedExtension] = []
            world.server.onRequest { request in
                offers = request.requestedExtensions
                try request.accept()
            }
            let peer = try world.open(
                fields: "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
            )
            #expect(offers.map(\.name) == ["permessage-deflate"])
            #expect(peer.head?.contains("Sec-WebSocket-Extensions") == false)
            // A bit of an extension that was not agreed on.
            peer.write([0xC1, 0x80, 0, 0, 0, 0])
            try world.run { peer.isOver }
            #expect(peer.closeCode == 1002)
            try world.drain()
            world.expectIdle()
        }
    }
}

extension VirtualPeer {
    fileprivate func leave(by ending: `Defects of others around many connections`.Ending) {
        switch ending {
        case .reset: reset()
        case .end: end()
        case .close: sendClose()
        case .drain: break
        }
    }
}
