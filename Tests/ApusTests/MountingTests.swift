// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import HTTPTypes
import Testing

@Suite struct Mounting {
    @WorkerActor
    private static func ask(
        _ world: World,
        at listener: Int32 = World.listener
    ) throws -> VirtualPeer {
        let peer = world.connect(to: listener)
        peer.requestUpgrade()
        try world.run { peer.isOpen || peer.isOver }
        return peer
    }

    @Test func `one server serves the requests of several HTTP servers`() throws {
        try inWorker {
            let secondHTTP = HTTPServer(port: 0)
            let world = World(secondHTTP: secondHTTP)
            world.serveEcho()
            #expect(try Self.ask(world, at: World.secondListener).status == 404)
            world.server.mount(secondHTTP)
            let peers = [
                try Self.ask(world), try Self.ask(world, at: World.secondListener),
            ]
            for peer in peers {
                peer.sendText("here")
                try world.run { peer.messages == [Array("here".utf8)] }
            }
            #expect(world.server.connections.count == 2)
            world.server.closeAllConnections()
            try world.run { peers.allSatisfy(\.isOver) }
            #expect(peers.map(\.closeCode) == [1000, 1000])
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `unmounting keeps connections and ends with new requests`() throws {
        try inWorker {
            let world = World()
            world.serveEcho()
            world.http.onRequest { _ in HTTPAnswer(status: .ok, text: "page") }
            let before = try Self.ask(world)
            world.server.unmount(world.http)
            let after = try Self.ask(world)
            #expect(after.status == 404)
            before.sendText("still here")
            try world.run { before.messages == [Array("still here".utf8)] }
            #expect(world.server.connections.count == 1)
            let browser = world.connect()
            browser.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".utf8)
            try world.run { browser.isOver }
            #expect(browser.status == 200)
            world.server.mount(world.http)
            #expect(try Self.ask(world).status == 101)
            try world.drain()
            #expect(before.closeCode == 1001)
            world.expectIdle()
        }
    }

    @Test func `request that waits is its server's, whoever is mounted meanwhile`() throws {
        try inWorker {
            let world = World()
            var kept: [WebSocketRequest] = []
            var closed: [String] = []
            world.server.onRequest { kept.append($0) }
            world.server.onConnect { _ in closed.append("opened") }
            world.server.onClose { _, code, _ in closed.append("closed \(code.rawValue)") }
            let peers = (0..<2).map { _ in world.connect() }
            for peer in peers { peer.requestUpgrade() }
            try world.run { kept.count == 2 }
            world.server.unmount(world.http)
            try kept[0].accept()
            let other = WebSocketServer(httpServer: world.http)
            other.onRequest { try $0.accept() }
            try kept[1].accept()
            try world.run { peers.allSatisfy(\.isOpen) }
            let third = try Self.ask(world)
            #expect(third.isOpen)
            #expect(world.server.connections.count == 2)
            #expect(other.connections.count == 1)
            for peer in peers { peer.sendClose(4000) }
            try world.run { peers.allSatisfy(\.isOver) }
            #expect(closed == ["opened", "opened", "closed 4000", "closed 4000"])
            try world.drain()
            #expect(third.closeCode == 1001)
            #expect(other.connections.isEmpty)
            world.expectIdle()
        }
    }

    @Test func `mounting again what is mounted changes nothing`() throws {
        try inWorker {
            let world = World()
            world.serveEcho()
            world.server.mount(world.http)
            #expect(world.server.httpServers.count == 1)
            #expect(try Self.ask(world).status == 101)
            world.server.unmount(HTTPServer(port: 0))
            #expect(try Self.ask(world).status == 101)
            try world.drain()
            world.expectIdle()
        }
    }
}
