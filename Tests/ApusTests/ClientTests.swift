// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import ApusTestSupport
import Glibc
import HTTPTypes
import Testing

@Suite struct Clients {
    @Test(.rfc6455("4.1")) func `client opens a connection and talks`() throws {
        try inWorker {
            let test = ClientWorld()
            test.prepare = { $0.echoes = true }
            let origin = try #require(HTTPField.Name("X-Test"))
            try test.client.connect(
                "ws://10.1.2.3:8080/chat?a=b",
                protocols: ["chat", "other"],
                origin: "http://here",
                fields: [origin: "yes"]
            )
            #expect(test.servers.isEmpty)
            try test.world.run { test.connections.count == 1 }
            let connection = test.connections[0]
            let server = test.servers[0]
            #expect(server.request?.hasPrefix("GET /chat?a=b HTTP/1.1\r\n") == true)
            #expect(server.field("Host") == "10.1.2.3:8080")
            #expect(server.field("Origin") == "http://here")
            #expect(server.field("X-Test") == "yes")
            #expect(connection.protocol == "chat")
            #expect(connection.remoteAddress == "10.1.2.3")
            #expect(connection.connected)

            #expect(connection.sendUTF("hello") == .sent)
            connection.sendBytes([0, 255])
            try test.world.run { test.messages.count == 2 }
            #expect(server.messages == [Array("hello".utf8), [0, 255]])
            #expect(test.messages == server.messages)
            #expect(server.frames.map(\.opcode) == [1, 2])

            connection.close()
            try test.world.run { test.closes == [.normalClosure] }
            #expect(server.closeCode == 1000)
            #expect(server.complaint == nil)
            #expect(test.failures.isEmpty)
            try test.expectIdle()
        }
    }

    /// Those of WebSocket-Node come from `Math.random()`.
    @Test(.rfc6455("5.3"), arguments: [0, 1, 125, 126, 4095, 4096, 70_000, 300_000])
    func `client masks every frame with a key of its own`(byteCount: Int) throws {
        try inWorker {
            let test = ClientWorld()
            let (connection, server) = try test.open()
            let bytes = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            for _ in 0..<3 { connection.sendBytes(bytes) }
            connection.ping([1, 2, 3])
            connection.pong([4])
            server.send(9, [5, 6])
            try test.world.run {
                server.frames.contains { $0.opcode == 10 && $0.payload == [5, 6] }
            }
            connection.close()
            try test.world.run { server.closeCode == 1000 }
            #expect(server.complaint == nil)
            #expect(server.messages == [bytes, bytes, bytes])
            #expect(server.frames.contains { $0.opcode == 9 && $0.payload == [1, 2, 3] })
            #expect(server.keys.count == 7)
            #expect(Set(server.keys).count == 7)
            try test.expectIdle()
        }
    }

    @Test(.rfc6455("5.1")) func `client refuses masked frames`() throws {
        try inWorker {
            let test = ClientWorld()
            let (_, server) = try test.open()
            server.write([0x81, 0x81, 1, 2, 3, 4, 0x60])
            try test.world.run { test.closes == [.protocolError] }
            try test.world.run { server.closeCode == 1002 }
            #expect(test.messages.isEmpty)
            try test.expectIdle()
        }
    }

    @Test(.rfc6455("4.1")) func `client reads frames that came with the response`() throws {
        try inWorker {
            let test = ClientWorld()
            test.prepare = { $0.greeting = VirtualServer.frame(1, [0x68, 0x69]) }
            _ = try test.open()
            try test.world.run { test.messages == [[0x68, 0x69]] }
        }
    }

    @Test func `client reads a response and messages byte by byte`() throws {
        try inWorker {
            let test = ClientWorld(faults: Faults(splitReceives: 100, splitByteCountMax: 1))
            test.prepare = { $0.greeting = VirtualServer.frame(2, [1, 2, 3]) }
            let (connection, server) = try test.open(protocols: ["a"])
            #expect(connection.protocol == "a")
            server.send(2, [4], isFinal: false)
            server.send(0, [5])
            try test.world.run { test.messages == [[1, 2, 3], [4, 5]] }
            server.send(8, [3, 233])
            try test.world.run { test.closes == [.goingAway] }
            try test.world.run { server.closeCode == 1001 }
            try test.expectIdle()
        }
    }

    @Test(arguments: [false, true])
    func `client takes messages up to its limits and no larger ones`(isFragmented: Bool) throws {
        try inWorker {
            let test = ClientWorld {
                $0.maxReceivedFrameSize = 1000
                $0.maxReceivedMessageSize = 1500
            }
            let (_, server) = try test.open()
            let part = [UInt8](repeating: 1, count: 750)
            server.send(2, part, isFinal: false)
            server.send(0, part)
            if isFragmented {
                server.send(2, part, isFinal: false)
                server.send(0, part + [1])
            } else {
                server.send(2, [UInt8](repeating: 1, count: 1001))
            }
            try test.world.run { test.closes == [.messageTooBig] }
            #expect(test.messages == [part + part])
            try test.expectIdle()
        }
    }

    @Test func `client that throws when it is connected closes with 1011`() throws {
        try inWorker {
            struct Mistake: Error {}
            let test = ClientWorld()
            test.client.onConnect { _ in throw Mistake() }
            try test.client.connect("ws://10.0.0.1/")
            try test.world.run { test.servers.first?.closeCode == 1011 }
            try test.expectIdle()
        }
    }

    @Test func `client has as many connections as it connects`() throws {
        try inWorker {
            let test = ClientWorld()
            for _ in 0..<20 { try test.client.connect("ws://10.0.0.1/") }
            try test.world.run { test.connections.count == 20 }
            #expect(test.world.server.connections.isEmpty)
            #expect(Set(test.servers.compactMap { $0.field("Sec-WebSocket-Key") }).count == 20)
            try test.world.drain()
            #expect(test.closes == [CloseCode](repeating: .goingAway, count: 20))
            #expect(test.servers.allSatisfy { $0.closeCode == 1001 })
            test.expectNothingHeld()
        }
    }

    @Test func `servers and clients live in one worker`() throws {
        try inWorker {
            let test = ClientWorld()
            test.prepare = { $0.echoes = true }
            test.world.server.onRequest { request in
                let connection = try request.accept()
                connection.onMessage { message in
                    guard let text = message.utf8Data else { return }
                    let client = WebSocketClient(dialer: test.world.driver)
                    client.onConnect { upstream in
                        upstream.onMessage { connection.send($0) }
                        upstream.sendUTF("relayed " + text)
                    }
                    try client.connect("ws://10.0.0.9/")
                }
            }
            let peer = try test.world.open()
            peer.sendText("a")
            peer.sendText("b")
            try test.world.run { peer.messages.count == 2 }
            #expect(Set(peer.messages) == [Array("relayed a".utf8), Array("relayed b".utf8)])
            try test.world.drain()
            test.expectNothingHeld()
        }
    }
}

@Suite struct `Client's closing handshakes` {
    @Test(.rfc6455("7.1.1")) func `server ends the transport first`() throws {
        try inWorker {
            let test = ClientWorld()
            test.prepare = { $0.endsAfterClose = false }
            let (connection, server) = try test.open()
            connection.close()
            try test.world.run { test.closes == [.normalClosure] }
            try test.world.run(milliseconds: 1000)
            #expect(!server.isOver)
            server.end()
            try test.expectIdle()
            #expect(server.isOver)
        }
    }

    @Test func `server that never ends the transport is dropped after the close timeout`() throws {
        try inWorker {
            let test = ClientWorld { $0.closeTimeout = .seconds(3) }
            test.prepare = { $0.endsAfterClose = false }
            let (connection, server) = try test.open()
            let start = test.world.ring.now
            connection.close()
            try test.world.run { server.isOver }
            #expect(test.closes == [.normalClosure])
            #expect(test.world.ring.now - start == 3_000_000_000)
            try test.expectIdle()
        }
    }

    @Test func `server that does not answer a Close is dropped with 1006`() throws {
        try inWorker {
            let test = ClientWorld()
            test.prepare = {
                $0.answersClose = false
                $0.endsAfterClose = false
            }
            let (connection, server) = try test.open()
            let start = test.world.ring.now
            connection.close()
            try test.world.run { server.isOver }
            #expect(test.closes == [.abnormalClosure])
            #expect(test.world.ring.now - start == 5_000_000_000)
            try test.expectIdle()
        }
    }

    @Test(arguments: [[], [3, 232], [15, 160, 0x62, 0x79, 0x65]] as [[UInt8]])
    func `server's Close is answered with its code`(payload: [UInt8]) throws {
        try inWorker {
            let test = ClientWorld()
            let (connection, server) = try test.open()
            server.send(8, payload)
            try test.world.run { test.closes.count == 1 }
            try test.world.run { server.frames.contains { $0.opcode == 8 } }
            #expect(server.frames.last?.payload == Array(payload.prefix(2)))
            #expect(connection.closeReasonCode == test.closes[0])
            #expect(connection.sendUTF("late") == .closed)
            try test.expectIdle()
        }
    }

    @Test(arguments: [false, true])
    func `connection that breaks ends with 1006`(isReset: Bool) throws {
        try inWorker {
            let test = ClientWorld()
            let (_, server) = try test.open()
            if isReset { server.reset() } else { server.end() }
            try test.world.run { test.closes == [.abnormalClosure] }
            #expect(test.failures.isEmpty)
            try test.expectIdle()
        }
    }

    @Test func `drop ends the connection at once`() throws {
        try inWorker {
            let test = ClientWorld()
            let (connection, server) = try test.open()
            connection.drop()
            #expect(test.closes == [.abnormalClosure])
            try test.expectIdle()
            #expect(server.isOver && server.closeCode == nil)
        }
    }
}
