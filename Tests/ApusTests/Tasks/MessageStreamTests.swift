// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

extension Tasks {
    /// What the task of a connection has read, and how that ended.
    @WorkerActor
    final class Reader {
        var connection: WebSocketConnection?
        var texts: [String] = []
        var end: Result<Void, any Error>?

        var closed: WebSocketClosed? {
            guard case .failure(let error) = end else { return nil }
            return error as? WebSocketClosed
        }

        func serve(_ world: World) {
            world.server.onRequest { [self] request async throws in
                let connection = try request.accept()
                self.connection = connection
                await read(connection)
            }
        }

        func read(_ connection: WebSocketConnection) async {
            do {
                for try await message in connection.messages {
                    texts.append(message.utf8Data ?? "")
                }
                end = .success(())
            } catch {
                end = .failure(error)
            }
        }
    }

    @Suite struct `Messages of a connection` {
        @Test func `are read once, in order, and echoed with their type`() throws {
            try inLoop {
                let world = World.withTasks()
                world.server.onRequest { request async throws in
                    let connection = try request.accept()
                    for try await message in connection.messages { connection.send(message) }
                }
                let peer = try world.open()
                for number in 0..<100 {
                    peer.send(number % 2 == 0 ? 1 : 2, Array("\(number)".utf8))
                }
                try world.run { peer.messages.count == 100 }
                peer.sendClose()
                try world.run { peer.sawEnd }
                #expect(peer.messages == (0..<100).map { Array("\($0)".utf8) })
                #expect(
                    peer.frames.prefix(100).map(\.opcode) == (0..<100).map { $0 % 2 == 0 ? 1 : 2 }
                )
                try world.drain()
                world.expectIdle()
            }
        }

        @Test(arguments: 1...150 as ClosedRange<UInt64>)
        func `are all read whatever the kernel does`(seed: UInt64) throws {
            try inLoop {
                var faults = Faults.all
                faults.resets = 0
                faults.deafPeers = 0
                faults.descriptorShortages = 0
                faults.failedAccepts = 0
                let world = World.withTasks(seed: seed, faults: faults)
                let reader = Reader()
                reader.serve(world)
                let peer = world.connect()
                var random = SplitMix(seed: seed)
                peer.requestUpgrade()
                var sent: [String] = []
                for number in 0..<random.upTo(60) {
                    let text = "\(number) " + String(repeating: "é", count: random.upTo(9000))
                    sent.append(text)
                    peer.sendText(text)
                }
                peer.sendClose(4001)
                if random.chance(50) { peer.end() }
                try world.run { reader.end != nil || peer.sawEnd }
                #expect(reader.texts == sent, "seed \(seed)")
                #expect(reader.closed?.code.rawValue == 4001, "seed \(seed)")
                try world.drain()
                world.expectIdle()
            }
        }

        @Test(arguments: [nil, 1000, 1001] as [UInt16?])
        func `end with a proper close`(code: UInt16?) throws {
            try inLoop {
                let world = World.withTasks()
                let reader = Reader()
                reader.serve(world)
                let peer = try world.open()
                peer.sendText("last")
                if let code { peer.sendClose(code) } else { peer.send(8, []) }
                try world.run { reader.end != nil }
                #expect(reader.texts == ["last"])
                #expect(throws: Never.self) { try reader.end?.get() }
            }
        }

        @Test func `throw after the last one where the connection is lost or fails`() throws {
            try inLoop {
                let world = World.withTasks()
                let (lost, broken) = (Reader(), Reader())
                lost.serve(world)
                let gone = try world.open()
                broken.serve(world)
                let wrong = try world.open()
                gone.sendText("a")
                gone.end()
                wrong.sendText("b")
                wrong.send(3, [])
                try world.run { lost.end != nil && broken.end != nil }
                #expect(lost.texts == ["a"])
                #expect(lost.closed?.code == .abnormalClosure)
                #expect(broken.texts == ["b"])
                #expect(broken.closed?.code == .protocolError)
                #expect(world.driver.counters.handlerErrors == 0)
            }
        }

        @Test func `are left to the next reader by a task that is canceled`() throws {
            try inLoop {
                let world = World.withTasks()
                let gate = Gate()
                world.server.onRequest { request async throws in
                    _ = try request.accept()
                    await gate.wait()
                }
                let peer = try world.open()
                let connection = try #require(world.server.connections.first)
                let first = Reader()
                let second = Reader()
                let task = Task { @WorkerActor in await first.read(connection) }
                peer.sendText("1")
                try world.run { first.texts == ["1"] }
                peer.sendText("2")
                task.cancel()
                try world.run { first.end != nil }
                peer.sendText("3")
                try world.run(milliseconds: 50)
                let next = Task { @WorkerActor in await second.read(connection) }
                peer.sendClose()
                try world.run { second.end != nil }
                #expect(first.texts + second.texts == ["1", "2", "3"])
                guard case .failure(let error) = first.end else {
                    Issue.record("the canceled reader came to the end")
                    return
                }
                #expect(error is CancellationError)
                gate.open()
                try world.drain()
                world.expectIdle()
                _ = next
            }
        }

        @Test func `a task that is canceled before it reads gets none`() throws {
            try inLoop {
                let world = World.withTasks()
                world.server.onRequest { try $0.accept() }
                let peer = try world.open()
                let connection = try #require(world.server.connections.first)
                let messages = connection.messages
                let reader = Reader()
                peer.sendText("1")
                try world.run(milliseconds: 20)
                let task = Task { @WorkerActor in await reader.read(connection) }
                task.cancel()
                try world.run { reader.end != nil }
                #expect(reader.texts == [])
                var iterator = messages.makeAsyncIterator()
                var first: ReceivedMessage?
                let next = Task { @WorkerActor in first = try await iterator.next() }
                try world.run { first != nil }
                #expect(first?.utf8Data == "1")
                _ = next
            }
        }

        @Test func `that nobody reads make the peer wait, and none is lost`() throws {
            try inLoop {
                let world = World.withTasks()
                let gate = Gate()
                let reader = Reader()
                world.server.onRequest { request async throws in
                    let connection = try request.accept()
                    var iterator = connection.messages.makeAsyncIterator()
                    reader.texts.append(try await iterator.next()?.utf8Data ?? "")
                    await gate.wait()
                    await reader.read(connection)
                }
                let peer = try world.open()
                let sent = (0..<100).map { "\($0) " + String(repeating: "x", count: 10_000) }
                for text in sent { peer.sendText(text) }
                try world.run(milliseconds: 200)
                #expect(reader.texts.count == 1)
                #expect(peer.socket.receiving == nil)
                #expect(!peer.socket.inbound.isEmpty)
                let connection = try #require(world.server.connections.first)
                #expect(!connection.isPaused, "that is for the application's own pause")
                gate.open()
                peer.sendClose()
                try world.run { reader.end != nil }
                #expect(reader.texts == sent)
                try world.drain()
                world.expectIdle()
            }
        }

        @Test func `pauses of the application and of the reader are apart`() throws {
            try inLoop {
                let world = World.withTasks()
                let gate = Gate()
                let reader = Reader()
                world.server.onRequest { request async throws in
                    let connection = try request.accept()
                    reader.connection = connection
                    await gate.wait()
                    await reader.read(connection)
                }
                let peer = try world.open()
                let connection = try #require(reader.connection)
                connection.pause()
                connection.resume()
                try world.run(milliseconds: 20)
                connection.pause()
                peer.sendText("1")
                gate.open()
                try world.run(milliseconds: 20)
                #expect(reader.texts == [])
                connection.resume()
                try world.run { reader.texts == ["1"] }
            }
        }

        @Test func `of a connection that is over are still read`() throws {
            try inLoop {
                let world = World.withTasks()
                let gate = Gate()
                let reader = Reader()
                world.server.onRequest { request async throws in
                    let connection = try request.accept()
                    let messages = connection.messages
                    await gate.wait()
                    #expect(Task.isCancelled, "the connection is over")
                    await reader.read(connection)
                    _ = messages
                }
                let peer = try world.open()
                for number in 1...3 { peer.sendText("\(number)") }
                peer.sendClose()
                try world.run { peer.sawEnd && world.server.connections.isEmpty }
                gate.open()
                try world.run { reader.end != nil }
                #expect(reader.texts == ["1", "2", "3"])
                #expect(throws: Never.self) { try reader.end?.get() }
            }
        }
    }

    @Suite struct Unread {
        @Test func `messages come out as they went in, and take no room afterwards`() {
            inWorker {
                var unread = UnreadMessages()
                var (next, expected) = (0, 0)
                var random = SplitMix(seed: 7)
                for _ in 0..<500 {
                    for _ in 0..<random.upTo(200) {
                        let text = Array("\(next)".utf8)
                        unsafe text.withUnsafeBytes {
                            let message = unsafe WebSocketMessage(kind: .text, borrowing: $0)
                            unread.append(ReceivedMessage(message))
                        }
                        next += 1
                    }
                    for _ in 0..<random.upTo(250) {
                        guard let message = unread.takeFirst() else { break }
                        #expect(message.utf8Data == "\(expected)")
                        expected += 1
                    }
                }
                while unread.takeFirst() != nil { expected += 1 }
                #expect(expected == next)
                #expect(unread.byteCount == 0)
            }
        }
    }
}
