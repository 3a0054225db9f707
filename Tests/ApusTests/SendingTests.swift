// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import Testing

@Suite struct Sending {
    /// Forgets what was sent for the handshakes.
    @WorkerActor
    private func forget(_ world: World) throws {
        try world.run(milliseconds: 1)
        world.ring.sentNow = []
        world.ring.sentNowAddresses = []
        world.ring.sentByRing = []
    }

    @Test(arguments: [1, 10]) func `replies of one read ride with the wait as one send`(
        count: Int
    ) throws {
        try inWorker {
            let world = World()
            world.serveEcho()
            let peer = try world.open()
            try forget(world)
            for _ in 0..<count { peer.sendText("hello") }
            try world.run { peer.messages.count == count }
            #expect(world.ring.sentNow == [])
            #expect(world.ring.sentByRing == [7 * count])
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `output to other connections rides with the wait, one send each`() throws {
        try inWorker {
            let world = World()
            world.server.onRequest { [server = world.server] request in
                try request.accept().onMessage { message in
                    for connection in server.connections {
                        connection.send(message)
                        connection.sendUTF("too")
                    }
                }
            }
            let peers = try (0..<5).map { _ in try world.open() }
            try forget(world)
            peers[0].sendText("all")
            try world.run { peers.allSatisfy { $0.messages.count == 2 } }
            #expect(world.ring.sentNow == [])
            #expect(world.ring.sentByRing == [10, 10, 10, 10, 10])
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `large payload goes out from where it lies, behind what was queued`() throws {
        try inWorker {
            let world = World()
            var connection: WebSocketConnection?
            world.server.onRequest { connection = try $0.accept() }
            let peer = try world.open()
            try forget(world)
            let sender = try #require(connection)
            let payload = [UInt8](repeating: 9, count: 10_000)
            sender.sendUTF("first")
            sender.sendBytes(payload.span)
            let address = unsafe payload.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
            #expect(world.ring.sentNow == [[7, 4, 10_000]])
            #expect(world.ring.sentNowAddresses.first?.last == address)
            sender.sendBytes([UInt8](repeating: 9, count: 8192))
            #expect(world.ring.sentNow.count == 1)
            try world.run { peer.messages.count == 3 }
            #expect(peer.messages.map(\.count) == [5, 10_000, 8192])
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(arguments: [1, 3, 4, 5, 100, 4000, 9999, 10_000, 10_004])
    func `large message that is taken in part goes on where it stopped`(room: Int) throws {
        try inWorker {
            let world = World()
            var connection: WebSocketConnection?
            world.server.onRequest { connection = try $0.accept() }
            let peer = try world.open()
            peer.socket.outboundByteCountMax = room
            let sender = try #require(connection)
            let payload = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            sender.sendUTF("before")
            let result = sender.sendBytes(payload)
            #expect(result == .queued)
            sender.sendUTF("after")
            try world.run { peer.messages.count == 3 }
            #expect(peer.messages == [Array("before".utf8), payload, Array("after".utf8)])
            #expect(peer.complaint == nil)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `message to a peer that has reset is lost, and the connection with it`() throws {
        try inWorker {
            let world = World()
            var connection: WebSocketConnection?
            world.server.onRequest { connection = try $0.accept() }
            let peer = try world.open()
            let sender = try #require(connection)
            peer.reset()
            #expect(sender.sendBytes([UInt8](repeating: 0, count: 10_000)) == .closed)
            #expect(!sender.connected)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `who learns of a send that failed may drop one that was carried out in part`() throws
    {
        try inWorker {
            let world = World()
            var connections: [WebSocketConnection] = []
            world.server.onRequest { connections.append(try $0.accept()) }
            let peers = try (0..<2).map { _ in try world.open() }
            try world.run(milliseconds: 1)
            for (one, other) in [(0, 1), (1, 0)] {
                connections[one].onClose { _, _ in connections[other].drop() }
            }
            peers[1].socket.outboundByteCountMax = 10
            connections[0].sendUTF("to a peer that has reset")
            connections[1].sendUTF("to a peer that takes ten bytes")
            // Both are known to the driver only when the wait is over.
            peers[0].reset()
            try world.run { !connections[0].connected && !connections[1].connected }
            try world.drain()
            world.expectIdle()
        }
    }
}
