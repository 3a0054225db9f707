// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

@Suite struct Pausing {
    /// A connection that pauses at each message, and what it got.
    @WorkerActor
    private final class Reader {
        var connection: WebSocketConnection?
        var received: [String] = []
        var pings: [[UInt8]] = []
        var code: CloseCode?

        init(_ world: World, pausesAtPings: Bool = false) {
            world.server.onRequest { [unowned self] request in
                let connection = try request.accept()
                self.connection = connection
                connection.onMessage { [unowned self, unowned connection] message in
                    received.append(message.utf8Data ?? "")
                    connection.pause()
                }
                connection.onPing { [unowned self, unowned connection] payload in
                    pings.append(payload)
                    if pausesAtPings { connection.pause() }
                }
                connection.onClose { [unowned self] code, _ in self.code = code }
            }
        }
    }

    @Test func `rest of a batch is held, nothing more is read, and all comes after resume`()
        throws
    {
        try inWorker {
            let world = World()
            let reader = Reader(world)
            let peer = try world.open()
            world.ring.bufferByteCount = 20
            for number in 0..<10 { peer.sendText("\(number)") }
            try world.run(milliseconds: 50)
            let connection = try #require(reader.connection)
            #expect(reader.received == ["0"])
            #expect(connection.isPaused)
            #expect(peer.socket.receiving == nil)
            #expect(!peer.socket.inbound.isEmpty)
            for count in 2...10 {
                connection.resume()
                #expect(!connection.isPaused)
                #expect(reader.received.count == count - 1, "not within the call")
                try world.run(milliseconds: 50)
                #expect(reader.received == (0..<count).map(String.init))
                #expect(connection.isPaused)
            }
            connection.resume()
            try world.run(milliseconds: 50)
            #expect(peer.socket.receiving != nil)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(arguments: 1...200 as ClosedRange<UInt64>)
    func `whatever the kernel does, pausing loses and reorders nothing`(seed: UInt64) throws {
        try inWorker {
            var faults = Faults.all
            faults.resets = 0
            faults.deafPeers = 0
            let world = World(seed: seed, faults: faults)
            let reader = Reader(world, pausesAtPings: true)
            let peer = world.connect()
            var random = SplitMix(seed: seed)
            var sent: [String] = []
            peer.requestUpgrade()
            for number in 0..<random.upTo(30) {
                let text = "\(number) " + String(repeating: "é", count: random.upTo(200))
                sent.append(text)
                let bytes = Array(text.utf8)
                let cut = random.upTo(bytes.count)
                peer.send(1, Array(bytes[..<cut]), isFinal: cut == bytes.count)
                if random.chance(30) { peer.send(9, [UInt8(number)]) }
                if cut < bytes.count { peer.send(0, Array(bytes[cut...])) }
            }
            peer.sendClose(4001)
            if random.chance(50) { peer.end() }
            world.ring.isObserved = { reader.code != nil }
            for _ in 0..<10_000 where reader.code == nil {
                try world.turn()
                if random.chance(30) {
                    reader.connection?.resume()
                    world.ring.after(0) {}
                }
            }
            world.ring.isObserved = { false }
            #expect(reader.received == sent, "seed \(seed)")
            #expect(reader.code?.rawValue == 4001, "seed \(seed)")
            world.ring.faults.descriptorShortages = 0
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `pause and resume in one handler change nothing`() throws {
        try inWorker {
            let world = World()
            world.server.onRequest { request in
                let connection = try request.accept()
                connection.onMessage { [unowned connection] message in
                    connection.pause()
                    connection.send(message)
                    connection.resume()
                }
            }
            let peer = try world.open()
            for number in 0..<100 { peer.sendText("\(number)") }
            try world.run { peer.messages.count == 100 }
            #expect(peer.messages == (0..<100).map { Array("\($0)".utf8) })
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `connection paused when it is accepted gets what came with the request later`()
        throws
    {
        try inWorker {
            let world = World()
            var connection: WebSocketConnection?
            var received: [String] = []
            world.server.onRequest { request in
                connection = try request.accept()
                connection?.onMessage { received.append($0.utf8Data ?? "") }
                connection?.pause()
            }
            let peer = world.connect()
            peer.requestUpgrade()
            peer.sendText("early")
            try world.run { peer.isOpen }
            peer.sendText("late")
            try world.run(milliseconds: 10)
            #expect(received == [])
            try #require(connection).resume()
            try world.run(milliseconds: 10)
            #expect(received == ["early", "late"])
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `keepalive does not drop a paused connection, and begins anew with resume`()
        throws
    {
        try inWorker {
            let world = World()
            let reader = Reader(world)
            let peer = try world.open()
            peer.sendText("one")
            try world.run { reader.received.count == 1 }
            try world.run(milliseconds: 200_000)
            #expect(world.server.connections.count == 1)
            #expect(peer.frames.isEmpty)
            peer.answersPings = false
            let start = world.ring.now
            reader.connection?.resume()
            try world.run { world.ring.sockets.isEmpty }
            #expect(world.ring.now - start == 30_000_000_000)
            #expect(reader.code == .abnormalClosure)
            world.expectIdle()
        }
    }

    @Test func `pause after a keepalive ping does not count as no answer`() throws {
        try inWorker {
            let world = World()
            let reader = Reader(world)
            let peer = try world.open()
            peer.answersPings = false
            try world.run { peer.frames.contains { $0.opcode == 9 } }
            reader.connection?.pause()
            try world.run(milliseconds: 100_000)
            #expect(reader.code == nil)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `close while paused ends with the peer's Close, without further messages`() throws {
        try inWorker {
            let world = World()
            let reader = Reader(world)
            let peer = try world.open()
            for number in 0..<10 { peer.sendText("\(number)") }
            try world.run { reader.received.count == 1 }
            let start = world.ring.now
            reader.connection?.close()
            try world.run { world.ring.sockets.isEmpty }
            #expect(world.ring.now == start)
            #expect(reader.received == ["0"])
            #expect(reader.code == .normalClosure)
            world.expectIdle()
        }
    }

    enum Ending: CaseIterable { case drop, reset, drain }

    @Test(arguments: Ending.allCases)
    func `what is held goes with its connection`(ending: Ending) throws {
        try inWorker {
            let world = World()
            let reader = Reader(world)
            let peer = try world.open()
            for number in 0..<10 { peer.sendText("\(number)") }
            try world.run { reader.received.count == 1 }
            switch ending {
            case .drop: reader.connection?.drop()
            case .reset:
                peer.reset()
                reader.connection?.sendBytes(Array(repeating: 1, count: 5000))
            case .drain: break
            }
            try world.drain()
            #expect(reader.received == ["0"])
            #expect(reader.code == (ending == .drain ? .goingAway : .abnormalClosure))
            world.expectIdle()
        }
    }

    @Test func `messages before an end are received before the end is told`() throws {
        try inWorker {
            let world = World()
            let reader = Reader(world)
            let peer = try world.open()
            // Both completions are of one wait, so that the end is known while it pauses.
            peer.sendText("one")
            peer.sendText("two")
            peer.end()
            try world.run { reader.received == ["one"] }
            try world.run(milliseconds: 10)
            #expect(reader.code == nil)
            reader.connection?.resume()
            try world.run(milliseconds: 10)
            #expect(reader.received == ["one", "two"])
            reader.connection?.resume()
            try world.run { reader.code != nil }
            #expect(reader.code == .abnormalClosure)
            try world.drain()
            world.expectIdle()
        }
    }
}

@Suite struct AutomaticPongs {
    @Test func `pong goes out behind what the handler sends, unless it is canceled`() throws {
        try inWorker {
            let world = World()
            world.server.onRequest { request in
                let connection = try request.accept()
                connection.onPing { [unowned connection] payload, pong in
                    connection.sendBytes(payload)
                    if payload == [2] { pong.cancel() }
                    #expect(pong.isCanceled == (payload == [2]))
                    if payload == [3] { connection.close() }
                }
            }
            let peer = try world.open()
            for number in 1...4 as ClosedRange<UInt8> { peer.send(9, [number]) }
            try world.run { peer.isOver }
            #expect(peer.frames.map(\.opcode) == [2, 10, 2, 2, 8])
            #expect(peer.frames[1].payload == [1])
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `handler that throws sends no pong`() throws {
        struct Mistake: Error {}
        try inWorker {
            let world = World()
            world.server.onRequest { try $0.accept().onPing { _ in throw Mistake() } }
            let peer = try world.open()
            peer.send(9, [1])
            try world.run { peer.isOver }
            #expect(peer.frames.map(\.opcode) == [8])
            #expect(peer.closeCode == 1011)
            try world.drain()
            world.expectIdle()
        }
    }
}

@Suite struct ConnectionValues {
    private enum Name: WebSocketConnectionKey { typealias Value = String }
    private enum Count: WebSocketConnectionKey { typealias Value = Int? }

    @Test func `values are kept by key, with their types, to the close handler`() throws {
        try inWorker {
            let world = World()
            var names: [String?] = []
            world.server.onRequest { request in
                let connection = try request.accept()
                #expect(connection[Name.self] == nil)
                connection[Name.self] = "ada"
                connection[Count.self] = .some(nil)
                #expect(connection[Count.self] == .some(nil))
                connection[Count.self] = 3
                #expect(connection[Count.self] == 3)
                connection[Count.self] = nil
                #expect(connection[Count.self] == nil)
                connection.onClose { [unowned connection] _, _ in
                    names.append(connection[Name.self])
                }
            }
            let peer = try world.open()
            peer.sendClose()
            try world.run { peer.isOver }
            #expect(names == ["ada"])
            try world.drain()
            world.expectIdle()
        }
    }
}
