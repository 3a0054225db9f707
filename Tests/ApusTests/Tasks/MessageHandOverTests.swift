// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusProtocol
import Testing

extension Tasks {
    @Suite struct `Messages that are handed over` {
        /// What a task of the connection has done when the gate is open.
        @WorkerActor
        private static func withKept(
            _ texts: [String],
            _ receive: @escaping @WorkerActor (WebSocketConnection) -> Void
        ) throws -> (world: World, connection: WebSocketConnection, peer: VirtualPeer) {
            let world = World.withTasks()
            let (gate, end) = (Gate(), Gate())
            world.server.onRequest { request async throws in
                let connection = try request.accept()
                await gate.wait()
                receive(connection)
                await end.wait()
            }
            let peer = try world.open()
            let connection = try #require(world.server.connections.first)
            connection.onClose { _, _ in end.open() }
            for text in texts { peer.sendText(text) }
            try world.run(milliseconds: 20)
            gate.open()
            try world.run(milliseconds: 20)
            return (world, connection, peer)
        }

        @Test func `wait for a handler that pauses, and so does what comes behind them`() throws {
            try inLoop {
                var texts: [String] = []
                let (world, connection, peer) = try Self.withKept((0..<5).map(String.init)) {
                    connection in
                    connection.onMessage { [unowned connection] message in
                        texts.append(message.utf8Data ?? "")
                        connection.pause()
                    }
                }
                #expect(texts == ["0"])
                for number in 5..<8 { peer.sendText("\(number)") }
                for count in 2...8 {
                    try world.run(milliseconds: 10)
                    connection.resume()
                    #expect(texts.count == count - 1, "not within the call")
                    try world.run(milliseconds: 10)
                    #expect(texts == (0..<count).map(String.init))
                    #expect(connection.isPaused)
                }
                connection.resume()
                try world.run(milliseconds: 10)
                #expect(peer.socket.receiving != nil)
                try world.drain()
                world.expectIdle()
            }
        }

        @Test func `are not received any more once the handler closes`() throws {
            try inLoop {
                var texts: [String] = []
                let (world, _, peer) = try Self.withKept(["0", "1", "2"]) { connection in
                    connection.onMessage { [unowned connection] message in
                        texts.append(message.utf8Data ?? "")
                        connection.close()
                    }
                }
                try world.run { peer.sawEnd }
                #expect(texts == ["0"])
                #expect(peer.closeCode == 1000)
                try world.drain()
                world.expectIdle()
            }
        }

        @Test func `go to the reader that the handler hands the rest to`() throws {
            try inLoop {
                var first: [String] = []
                let reader = Reader()
                let (world, _, peer) = try Self.withKept(["0", "1", "2"]) { connection in
                    connection.onMessage { message in
                        first.append(message.utf8Data ?? "")
                        let messages = connection.messages
                        Task { @WorkerActor in
                            for try await message in messages {
                                reader.texts.append(message.utf8Data ?? "")
                            }
                        }
                    }
                }
                peer.sendText("3")
                try world.run { reader.texts.count == 3 }
                #expect(first == ["0"])
                #expect(reader.texts == ["1", "2", "3"])
                try world.drain()
                world.expectIdle()
            }
        }

        @Test func `are kept on by a handler of parts, which nobody calls`() throws {
            try inLoop {
                let reader = Reader()
                let (world, _, _) = try Self.withKept(["0", "1"]) { connection in
                    connection.onFrame { _ in Issue.record("messages are put together") }
                    Task { @WorkerActor in await reader.read(connection) }
                }
                try world.run { reader.texts.count == 2 }
                #expect(reader.texts == ["0", "1"])
                try world.drain()
                world.expectIdle()
            }
        }

        @Test func `are those behind the first ones, which a task has read`() throws {
            try inLoop {
                let world = World.withTasks()
                var texts: [String] = []
                let end = Gate()
                world.server.onRequest { request async throws in
                    let connection = try request.accept()
                    var iterator = connection.messages.makeAsyncIterator()
                    texts.append(try await iterator.next()?.utf8Data ?? "")
                    connection.onMessage { texts.append($0.utf8Data ?? "") }
                    await end.wait()
                }
                let peer = try world.open()
                let sent = (0..<100).map { "\($0) " + String(repeating: "x", count: 10_000) }
                for text in sent { peer.sendText(text) }
                try world.run { texts.count == sent.count }
                #expect(texts == sent)
                end.open()
                try world.drain()
                world.expectIdle()
            }
        }
    }
}
