// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import Testing

/// Rows of the guide for users of WebSocket-Node that no other test proves.
@Suite struct `What users of WebSocket-Node know` {
    @Test func `events come in the order that they know`() throws {
        try inWorker {
            let world = World()
            var events: [String] = []
            world.server.onConnect { [unowned server = world.server] connection in
                #expect(server.connections.contains { $0 === connection })
                #expect(server.pendingRequests.isEmpty)
                events.append("server connect")
            }
            world.server.onClose { _, code, reason in
                events.append("server close \(code.rawValue) \(reason)")
            }
            world.server.onRequest { request in
                events.append("request")
                let connection = try request.accept()
                #expect(connection.connected)
                #expect(connection.closeReasonCode == nil && connection.closeDescription == nil)
                events.append("accepted")
                connection.onMessage { events.append("message \($0.utf8Data ?? "")") }
                connection.onPing { events.append("ping \($0)") }
                connection.onPong { events.append("pong \($0)") }
                connection.onClose { [unowned connection] code, reason in
                    #expect(connection.closeReasonCode == code)
                    #expect(connection.closeDescription == reason)
                    events.append("close \(code.rawValue) \(reason)")
                }
            }
            let peer = world.connect()
            peer.requestUpgrade()
            peer.sendText("one")
            peer.send(9, [1])
            peer.send(10, [2])
            peer.sendText("two")
            peer.send(8, [0x0F, 0xA0] + Array("bye".utf8))
            try world.run { peer.isOver }
            try world.drain()
            #expect(
                events == [
                    "request", "server connect", "accepted", "message one", "ping [1]", "pong [2]",
                    "message two", "close 4000 bye", "server close 4000 bye",
                ]
            )
            world.expectIdle()
        }
    }

    @Test func `of several handlers the last one is called`() throws {
        try inWorker {
            let world = World()
            var calls: [String] = []
            world.server.onConnect { _ in calls.append("first connect") }
            world.server.onConnect { _ in calls.append("connect") }
            world.server.onRequest { request in
                let connection = try request.accept()
                connection.onMessage { _ in calls.append("first message") }
                connection.onMessage { _ in calls.append("message") }
            }
            let peer = try world.open()
            peer.sendText("a")
            try world.run { calls.count >= 2 }
            try world.drain()
            #expect(calls == ["connect", "message"])
            world.expectIdle()
        }
    }

    @Test func `request is rejected with 403 and a body unless another status is given`() throws {
        try inWorker {
            let world = World()
            world.server.onRequest { request in
                #expect(throws: WebSocketError.self) { try request.reject(status: 101) }
                #expect(request.isPending)
                try request.reject()
            }
            let peer = world.connect()
            peer.requestUpgrade()
            try world.run { peer.isOver }
            #expect(peer.head?.hasPrefix("HTTP/1.1 403 Forbidden\r\n") == true)
            #expect(peer.head?.contains("\r\nConnection: close\r\n") == true)
            #expect(peer.body == Array("forbidden".utf8))
            try world.drain()
            world.expectIdle()
        }
    }

    /// The message waits when the violation comes, and so does its Close behind it.
    @Test func `what was sent before a violation goes out before its Close`() throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection()
            peer.socket.outboundByteCountMax = 1000
            peer.isReading = false
            connection.sendBytes(Array(repeating: 7, count: 20_000))
            connection.sendUTF("last")
            try world.run(milliseconds: 1)
            peer.send(3, [])
            try world.run(milliseconds: 1)
            #expect(connection.closeReasonCode == .protocolError)
            peer.isReading = true
            try world.run { peer.isOver }
            #expect(peer.messages.map(\.count) == [20_000, 4])
            #expect(peer.closeCode == 1002)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `client sends and receives as its worker is configured`() throws {
        try inWorker {
            let world = World {
                $0.assembleFragments = false
                $0.fragmentOutgoingMessages = true
                $0.fragmentationThreshold = 10
            }
            var server: VirtualServer?
            world.ring.answerConnect = { [unowned ring = world.ring] address, socket in
                server = VirtualServer(ring: ring, socket: socket, address: address)
                server?.greeting =
                    VirtualServer.frame(1, [0x61], isFinal: false) + VirtualServer.frame(0, [0x62])
                return .connected(after: 0)
            }
            let client = WebSocketClient(dialer: world.driver)
            var parts: [[UInt8]] = []
            client.onConnect { connection in
                connection.onMessage { _ in Issue.record("a message was put together") }
                connection.onFrame { parts.append($0.bytes) }
                connection.sendUTF("one frame and another")
            }
            try client.connect("ws://10.0.0.1/")
            try world.run { parts.count == 2 && server?.frames.count == 3 }
            #expect(server?.frames.map(\.opcode) == [1, 0, 0])
            #expect(server?.frames.map(\.isFinal) == [false, false, true])
            #expect(parts == [[0x61], [0x62]])
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `server that cannot serve does not start`() throws {
        let unreachable = WebSocketServer(httpServers: [])
        let nowhere = try #require(throws: ServerError.self) { try unreachable.run(workers: 1) }
        #expect(nowhere.code == .configuration)
        #expect(nowhere.message == "no HTTP server is mounted: nothing to listen on")

        let server = WebSocketServer(httpServer: HTTPServer(port: 0))
        var configuration = server.configuration
        configuration.closeTimeout = .seconds(0)
        #expect(server.configuration.closeTimeout == .seconds(5), "a copy is a copy")
        server.configuration = configuration
        let senseless = try #require(throws: ServerError.self) { try server.run(workers: 1) }
        #expect(senseless.code == .configuration)
        #expect(senseless.message.hasPrefix("closeTimeout is 0"))
    }

    @Test func `servers have the defaults of the guide`() {
        let server = ServerConfiguration()
        #expect(server.maxReceivedFrameSize == 1 << 20)
        #expect(server.maxReceivedMessageSize == 1 << 20)
        #expect(server.maxFragments == 16384)
        #expect(server.assembleFragments)
        #expect(!server.fragmentOutgoingMessages)
        #expect(server.fragmentationThreshold == 16 << 10)
        #expect(server.maxSendQueue == 4 << 20)
        #expect(server.slowConsumerPolicy == .close)
        #expect(server.maxConnections == 0)
        #expect(server.handshakeTimeout == .seconds(10))
        #expect(server.keepaliveInterval == .seconds(20))
        #expect(server.keepaliveGracePeriod == .seconds(10))
        #expect(server.closeTimeout == .seconds(5))
        #expect(server.drainTimeout == .seconds(10))
        #expect(server.originPolicy == nil)
        #expect(server.trustedProxies.isEmpty)
        #expect(server.forwardedField == .ignored)
        #expect(server.proxyProtocol == .off)
    }

    @Test func `clients have the defaults of the guide`() {
        let client = ClientConfiguration()
        #expect(client.maxReceivedFrameSize == 1 << 20)
        #expect(client.maxReceivedMessageSize == 8 << 20)
        #expect(client.maxFragments == 16384)
        #expect(client.handshakeTimeout == .seconds(10))
        #expect(client.keepaliveInterval == nil)
        #expect(client.keepaliveGracePeriod == .seconds(10))
        #expect(client.closeTimeout == .seconds(5))
        #expect(client.route == .direct)
    }
}
