// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

@Suite struct Handlers {
    private struct Mistake: Error {}

    @Test func `message handler that throws closes its connection with 1011, and no other`()
        throws
    {
        try inWorker {
            let world = World()
            var codes: [CloseCode] = []
            world.server.onRequest { request in
                let connection = try request.accept()
                connection.onClose { code, _ in codes.append(code) }
                connection.onMessage { [unowned connection] message in
                    if message.utf8Data == "throw" { throw Mistake() }
                    connection.send(message)
                }
            }
            let bad = try world.open()
            let good = try world.open()
            bad.sendText("one")
            bad.sendText("throw")
            bad.sendText("never read")
            good.sendText("fine")
            try world.run { bad.isOver }
            #expect(bad.messages == [Array("one".utf8)])
            #expect(bad.closeCode == 1011)
            #expect(codes == [.internalError])
            #expect(good.messages == [Array("fine".utf8)])
            #expect(world.driver.counters.handlerErrors == 1)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `close handler that throws is counted, and harms nobody`() throws {
        try inWorker {
            let world = World()
            world.server.onRequest { try $0.accept().onClose { _, _ in throw Mistake() } }
            let peers = [try world.open(), try world.open()]
            peers[0].sendClose()
            try world.run { peers[0].isOver }
            #expect(world.driver.counters.handlerErrors == 1)
            #expect(world.server.connections.count == 1)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `server hears of a close although the connection's own handler throws`() throws {
        try inWorker {
            let world = World()
            var closed = 0
            world.server.onRequest { try $0.accept().onClose { _, _ in throw Mistake() } }
            world.server.onClose { _, _, _ in
                closed += 1
                throw Mistake()
            }
            let peer = try world.open()
            peer.sendClose()
            try world.run { peer.isOver }
            #expect(closed == 1)
            #expect(world.driver.counters.handlerErrors == 2)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `handler that comes after the end does not keep its connection alive`() throws {
        try inWorker {
            let world = World()
            weak var ended: WebSocketConnection?
            world.server.onConnect { $0.drop() }
            world.server.onRequest { request in
                let connection = try request.accept()
                ended = connection
                connection.onMessage { connection.send($0) }
                connection.onClose { _, _ in connection.drop() }
                connection.onDrain { connection.close() }
                connection.onPing { connection.pong($0) }
                connection.onPong { connection.ping($0) }
            }
            let peer = world.connect()
            peer.requestUpgrade()
            try world.run { peer.isOver }
            #expect(ended == nil)
            try world.drain()
            world.expectIdle()
        }
    }

    enum Ending: CaseIterable {
        case close, drop, error

        var code: CloseCode {
            switch self {
            case .close: .normalClosure
            case .drop: .abnormalClosure
            case .error: .internalError
            }
        }
    }

    struct Refused: Error {}

    /// What comes with the messages, and may break rules: it came too late to matter.
    static let followers: [(opcode: UInt8, payload: [UInt8])] = [
        (1, [0x32]), (1, [0xFF]), (0, [1]), (9, [1]), (2, [UInt8](repeating: 1, count: 2000)),
    ]

    @Test(arguments: Ending.allCases, followers.indices)
    func `connection that its handler ends gets no further message`(
        ending: Ending,
        follower: Int
    ) throws {
        try inWorker {
            let world = World()
            var received: [String] = []
            var codes: [CloseCode] = []
            var pingCount = 0
            world.server.onRequest { request in
                let connection = try request.accept()
                connection.onClose { code, _ in codes.append(code) }
                connection.onPing { _ in pingCount += 1 }
                connection.onMessage { [unowned connection] message in
                    received.append(message.utf8Data ?? "")
                    guard received.count == 2 else { return }
                    switch ending {
                    case .close: connection.close()
                    case .drop: connection.drop()
                    case .error: throw Refused()
                    }
                    #expect(connection.sendUTF("late") == .closed)
                }
            }
            let peer = try world.open()
            for number in 0..<2 { peer.sendText("\(number)") }
            peer.send(Self.followers[follower].opcode, Self.followers[follower].payload)
            try world.run { world.ring.sockets.isEmpty }
            #expect(received == ["0", "1"])
            #expect(codes == [ending.code])
            #expect(peer.closeCode == (ending == .drop ? nil : Int(ending.code.rawValue)))
            #expect(pingCount == 0)
            #expect(world.driver.counters.protocolViolations == 0)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `nothing can be sent in a close handler`() throws {
        try inWorker {
            let world = World()
            var results: [SendResult] = []
            world.server.onRequest { request in
                let connection = try request.accept()
                connection.onClose { [unowned connection] _, _ in
                    results.append(connection.sendUTF("bye"))
                    results.append(connection.sendBytes(Array(repeating: 1, count: 9000)))
                    results.append(connection.ping())
                    connection.close()
                    connection.drop()
                }
            }
            let closing = try world.open()
            let resetting = try world.open()
            closing.sendClose()
            resetting.reset()
            try world.run { world.server.connections.isEmpty }
            #expect(results == Array(repeating: .closed, count: 6))
            try world.drain()
            #expect(closing.messages.isEmpty)
            world.expectIdle()
        }
    }

    @Test(arguments: 1...10 as ClosedRange<UInt64>)
    func `list of connections is right while they go in masses`(seed: UInt64) throws {
        try inWorker {
            let world = World(seed: seed, faults: Faults(splitReceives: 50, reorderings: 100))
            var openCount = 0
            world.server.onRequest { [server = world.server] request in
                let connection = try request.accept()
                openCount += 1
                connection.onClose { [unowned connection] _, _ in
                    openCount -= 1
                    #expect(server.connections.count == openCount)
                    #expect(!server.connections.contains { $0 === connection })
                    // Takes a neighbour along.
                    if openCount % 7 == 3 { server.connections.first?.drop() }
                    if openCount % 7 == 5 { server.connections.last?.close() }
                }
            }
            let peers = try (0..<60).map { _ in try world.open() }
            var random = SplitMix(seed: seed)
            for peer in peers.shuffled(using: &random).prefix(50) {
                switch random.upTo(3) {
                case 1: peer.reset()
                case 2: peer.end()
                default: peer.sendClose()
                }
            }
            try world.run(milliseconds: 10)
            for (index, connection) in world.server.connections.enumerated() {
                #expect(connection.index == index)
                #expect(connection.connected || connection.closeReasonCode == nil)
            }
            #expect(world.server.connections.count == openCount)
            try world.drain()
            #expect(openCount == 0)
            world.expectIdle()
        }
    }

    @Test(arguments: [100, 4096, 65536])
    func `message that spans receive buffers is put together`(bufferByteCount: Int) throws {
        try inWorker {
            let world = World()
            world.ring.bufferByteCount = bufferByteCount
            world.ring.bufferCountMax = 1000
            world.serveEcho()
            let peer = try world.open()
            let large = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
            peer.send(2, large)
            peer.send(2, Array(large[..<100_000]), isFinal: false)
            peer.send(9, [1])
            peer.send(0, Array(large[100_000..<100_001]), isFinal: false)
            peer.send(0, [], isFinal: false)
            peer.send(0, Array(large[100_001...]))
            try world.run { peer.messages.count == 2 }
            #expect(peer.messages[0] == large)
            #expect(peer.messages[1] == large)
            #expect(peer.frames.contains(ServerFrame(opcode: 10, payload: [1])))
            #expect(world.driver.messageBuffers.value.lentCount == 0)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `large messages that were received together go back together, uncopied`() throws {
        try inWorker {
            let world = World()
            world.ring.bufferByteCount = 200_000
            world.serveEcho()
            let peer = try world.open()
            peer.socket.outboundByteCountMax = 200_000
            world.ring.sentByRing = []
            let sizes = [8193, 70_000, 20, 65_000, 9000]
            let messages = sizes.map { count in
                (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8 &+ count) }
            }
            for message in messages { peer.send(2, message) }
            try world.run { peer.messages.count == 5 }
            #expect(peer.messages == messages)
            #expect(world.ring.sentNow == [[8197, 70_010, 22, 65_004, 9004]])
            #expect(world.ring.sentByRing.isEmpty)
        }
    }

    @Test func `what a peer does not take of large messages is kept`() throws {
        try inWorker {
            let world = World()
            world.ring.bufferByteCount = 200_000
            world.serveEcho()
            let peer = try world.open()
            peer.socket.outboundByteCountMax = 20_000
            peer.isReading = false
            let messages = (0..<6).map { number in
                (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8 &+ number) }
            }
            for message in messages { peer.send(2, message) }
            try world.run(milliseconds: 10)
            #expect(world.server.connections.first?.bufferedAmount == 6 * 10_004 - 20_000)
            peer.isReading = true
            try world.run { peer.messages.count == 6 }
            #expect(peer.messages == messages)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `closing handshake that comes right behind a large message ends at once`() throws {
        try inWorker {
            let world = World { $0.closeTimeout = .seconds(60) }
            world.ring.bufferByteCount = 200_000
            world.server.onRequest { request in
                let connection = try request.accept()
                connection.onMessage { [unowned connection] message in
                    connection.send(message)
                    connection.close()
                }
            }
            let peer = try world.open()
            peer.answersClose = false
            let start = world.ring.now
            peer.send(2, .init(repeating: 1, count: 10_000))
            peer.sendClose()
            try world.run { peer.isOver && world.server.connections.isEmpty }
            #expect(world.ring.now - start < 1_000_000_000)
            #expect(peer.messages.first?.count == 10_000)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(arguments: 1...9)
    func `large message whose header came before it comes back whole`(cut: Int) throws {
        try inWorker {
            let world = World()
            world.serveEcho()
            let peer = try world.open()
            let large = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
            world.ring.bufferByteCount = cut
            world.ring.after(1_000_000) { world.ring.bufferByteCount = 65_536 }
            peer.send(2, large)
            try world.run { peer.messages.count == 1 }
            #expect(peer.messages == [large])
        }
    }

    @Test func `large message can be sent on, twice and in part`() throws {
        try inWorker {
            let world = World()
            world.server.onRequest { request in
                let connection = try request.accept()
                connection.onMessage { [unowned connection, world] message in
                    message.withBytes { bytes in
                        connection.sendBytes(bytes.extracting(last: 9500))
                        connection.sendBytes(bytes.extracting(first: 9100))
                    }
                    for other in world.server.connections { other.send(message) }
                }
            }
            let peers = try (0..<2).map { _ in try world.open() }
            let large = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
            peers[0].send(2, [1])
            peers[0].send(2, large)
            try world.run { peers[0].messages.count == 6 && peers[1].messages.count == 2 }
            let parts = [Array(large[500...]), Array(large[..<9100])]
            #expect(peers[0].messages.suffix(3) == parts + [large])
            #expect(peers[1].messages == [[1], large])
        }
    }

    @Test func `memory of a message that never ends is given back`() throws {
        try inWorker {
            let world = World()
            world.serveEcho()
            let peers = try (0..<3).map { _ in try world.open() }
            for peer in peers { peer.send(2, Array(repeating: 1, count: 10_000), isFinal: false) }
            try world.run(milliseconds: 1)
            #expect(world.driver.messageBuffers.value.lentCount == 3)
            peers[0].reset()
            peers[1].sendClose()
            peers[2].end()
            try world.run { world.server.connections.isEmpty }
            #expect(world.driver.messageBuffers.value.lentCount == 0)
            try world.drain()
            world.expectIdle()
        }
    }
}
