// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

/// Broadcasts to the connections of one worker.
@Suite struct Broadcasting {
    /// A world with so many open connections, in the order of their peers.
    @WorkerActor
    static func world(
        _ count: Int,
        seed: UInt64 = 1,
        faults: Faults = .none,
        configure: (inout ServerConfiguration) -> Void = { _ in }
    ) throws -> (world: World, peers: [VirtualPeer]) {
        let world = World(seed: seed, faults: faults, configure: configure)
        world.server.onRequest { _ = try $0.accept() }
        return (world, try (0..<count).map { _ in try world.open() })
    }

    static func text(_ number: Int) -> [UInt8] { Array("message \(number)".utf8) }

    @Test func `message goes to every open connection, with its type, once encoded`() throws {
        try inWorker {
            let (world, peers) = try Self.world(5)
            try world.run(milliseconds: 1)
            world.ring.sentByRing = []
            let server = world.server
            #expect(server.broadcastUTF("one") == .sent)
            #expect(server.broadcastBytes([2, 2]) == .sent)
            #expect(server.broadcastBytes([3, 3, 3].span) == .sent)
            #expect(server.broadcastUTF("", except: server.connections[2]) == .sent)
            #expect(server.broadcastBacklog == 0)
            try world.run { peers[4].frames.count == 4 }
            let all = [
                ServerFrame(opcode: 1, payload: Array("one".utf8)),
                ServerFrame(opcode: 2, payload: [2, 2]),
                ServerFrame(opcode: 2, payload: [3, 3, 3]),
                ServerFrame(opcode: 1, payload: []),
            ]
            for (number, peer) in peers.enumerated() {
                #expect(peer.frames == (number == 2 ? Array(all.dropLast()) : all))
            }
            #expect(world.driver.counters.broadcastsSent == 4)
            #expect(world.driver.counters.messagesSent == 19)
            // One send for each connection: its messages leave together.
            #expect(world.ring.sentByRing.count == 5)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `message that a handler received goes to all, its sender among them`() throws {
        try inWorker {
            let world = World()
            let server = world.server
            server.onRequest { [unowned server] in
                try $0.accept().onMessage { server.broadcast($0) }
            }
            let peers = try (0..<3).map { _ in try world.open() }
            peers[1].sendText("täxt")
            peers[1].send(2, [0, 255])
            try world.run { peers.allSatisfy { $0.frames.count == 2 } }
            for peer in peers {
                #expect(peer.frames.map(\.opcode) == [1, 2])
                #expect(peer.messages == [Array("täxt".utf8), [0, 255]])
            }
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `server without connections has nobody to tell`() {
        inWorker {
            #expect(WebSocketServer(httpServers: []).broadcastUTF("alone") == .sent)
        }
    }

    @Test func `connections that close or are gone are passed over`() throws {
        try inWorker {
            let (world, peers) = try Self.world(4)
            peers[0].answersClose = false
            world.server.connections[0].close()
            peers[1].reset()
            peers[2].sendClose()
            try world.run { peers[2].isOver }
            world.server.broadcastUTF("late")
            try world.run { peers[3].frames.count == 1 }
            for peer in peers.prefix(3) { #expect(peer.messages.isEmpty) }
            world.driver.beginDrain()
            #expect(world.server.broadcastUTF("too late") == .sent)
            try world.run { world.driver.isDrained }
            #expect(peers[3].messages.count == 1)
            world.expectIdle()
        }
    }

    @Test func `long message is fragmented as others are`() throws {
        try inWorker {
            let (world, peers) = try Self.world(2) {
                $0.fragmentOutgoingMessages = true
                $0.fragmentationThreshold = 1000
            }
            let bytes = (0..<2500).map { UInt8(truncatingIfNeeded: $0) }
            world.server.broadcastBytes(bytes)
            world.server.broadcastBytes(Array(bytes.prefix(1000)))
            try world.run { peers.allSatisfy { $0.frames.count == 4 } }
            for peer in peers {
                #expect(peer.frames.map(\.opcode) == [2, 0, 0, 2])
                #expect(peer.frames.map(\.isFinal) == [false, false, true, true])
                #expect(peer.frames.prefix(3).flatMap(\.payload) == bytes)
            }
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `large message goes to all from where it lies`() throws {
        try inWorker {
            let (world, peers) = try Self.world(4)
            peers[3].socket.outboundByteCountMax = 1000
            world.ring.sentNowAddresses = []
            let bytes = [UInt8](repeating: 5, count: 100_000)
            world.server.broadcastBytes(bytes)
            #expect(world.ring.sentNowAddresses.count == 4)
            #expect(Set(world.ring.sentNowAddresses.flatMap { $0 }).count == 1)
            world.server.broadcastBytes([6])
            try world.run { peers.allSatisfy { $0.frames.count == 2 } }
            for peer in peers { #expect(peer.messages == [bytes, [6]]) }
            try world.drain()
            world.expectIdle()
        }
    }

    // MARK: Slow peers

    @Test func `slow peer is closed, the others hear all`() throws {
        try inWorker {
            let (world, peers) = try Self.world(3) { $0.maxSendQueue = 10_000 }
            peers[1].socket.outboundByteCountMax = 1000
            peers[1].isReading = false
            for number in 0..<50 {
                #expect(world.server.broadcastBytes([UInt8](repeating: 1, count: 900)) == .sent)
                if number % 10 == 9 { try world.run(milliseconds: 1) }
            }
            peers[1].isReading = true
            try world.run { peers[1].isOver && peers[2].messages.count == 50 }
            #expect(peers[1].closeCode == 1008)
            #expect(peers[1].messages.count < 20)
            #expect(peers[0].messages.count == 50)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(arguments: [SlowConsumerPolicy.dropOldest, .dropNewest])
    func `of what a slow peer has no room for, whole messages are dropped`(
        policy: SlowConsumerPolicy
    ) throws {
        try inWorker {
            let (world, peers) = try Self.world(2) {
                $0.maxSendQueue = 10_000
                $0.slowConsumerPolicy = policy
            }
            peers[1].socket.outboundByteCountMax = 1000
            peers[1].isReading = false
            for number in 0..<100 {
                world.server.broadcastUTF(
                    String(repeating: "\(number % 10)", count: 900) + " \(number)"
                )
                try world.run(milliseconds: 1)
                #expect(world.server.connections[1].bufferedAmount < 11_000)
            }
            peers[1].isReading = true
            try world.run { world.server.connections[1].bufferedAmount == 0 }
            try world.run(milliseconds: 1)
            #expect(peers[0].messages.count == 100)
            let numbers = peers[1].messages.compactMap {
                Int(String(decoding: $0, as: UTF8.self).dropFirst(901))
            }
            #expect(numbers == numbers.sorted() && numbers.count < 20)
            #expect(numbers.contains(99) == (policy == .dropOldest))
            #expect(world.driver.counters.messagesDropped == 100 - numbers.count)
            #expect(peers[1].complaint == nil && peers[1].unfinishedByteCount == 0)
            try world.drain()
            world.expectIdle()
        }
    }

    // MARK: Messages in pieces

    @Test(arguments: [false, true])
    func `connection in the midst of a message hears what was broadcast behind it`(
        byFrames: Bool
    ) throws {
        try inWorker {
            let (world, peers) = try Self.world(2)
            let connection = world.server.connections[0]
            let writer: MessageWriter?
            if byFrames {
                writer = nil
                try connection.sendFrame(.text, Array("begin".utf8), isFinal: false)
            } else {
                writer = try connection.beginMessage(.text)
                writer?.write("begin")
            }
            world.server.broadcastUTF("one")
            world.server.broadcastBytes([UInt8](repeating: 2, count: 10_000))
            try world.run { peers[1].frames.count == 2 }
            connection.ping([9])
            if let writer {
                #expect(writer.finish() == .sent)
            } else {
                try connection.sendFrame(.continuation, [])
            }
            world.server.broadcastUTF("three")
            try world.run { peers[0].frames.count == 6 }
            #expect(peers[0].frames.map(\.opcode) == [1, 9, 0, 1, 2, 1])
            #expect(peers[0].frames[3].payload == Array("one".utf8))
            #expect(peers[0].frames[4].payload.count == 10_000)
            #expect(peers[0].frames[5].payload == Array("three".utf8))
            #expect(world.driver.broadcasts.held.isEmpty)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(arguments: [SlowConsumerPolicy.close, .dropNewest, .dropOldest])
    func `what waits behind a message in pieces is bounded`(policy: SlowConsumerPolicy) throws {
        try inWorker {
            let (world, peers) = try Self.world(2) {
                $0.maxSendQueue = 10_000
                $0.slowConsumerPolicy = policy
            }
            let writer = try world.server.connections[0].beginMessage(.text)
            writer.write("begin")
            for _ in 0..<100 {
                world.server.broadcastBytes([UInt8](repeating: 1, count: 900))
                try world.run(milliseconds: 1)
            }
            let result = writer.finish()
            try world.run { peers[1].messages.count == 100 }
            try world.run(milliseconds: 1)
            if policy == .close {
                #expect(result == .closed)
                #expect(peers[0].closeCode == 1008)
                #expect(peers[0].messages.count == 1)
            } else {
                #expect(result == .sent)
                #expect(peers[0].messages.count == 1 + 1 + 11)
                #expect(world.driver.counters.messagesDropped == 89)
            }
            #expect(world.driver.broadcasts.held.isEmpty)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `what waits behind a message that is never finished goes with the connection`()
        throws
    {
        try inWorker {
            let (world, peers) = try Self.world(3)
            for connection in world.server.connections {
                try connection.sendFrame(.text, [1], isFinal: false)
            }
            world.server.broadcastUTF("one")
            #expect(world.driver.broadcasts.held.count == 3)
            peers[0].reset()
            peers[1].sendClose()
            world.server.connections[2].drop()
            try world.run { peers.allSatisfy(\.isOver) }
            #expect(world.driver.broadcasts.held.isEmpty)
            // The slot's next tenant has nothing to do with it.
            let next = try world.open()
            world.server.broadcastUTF("two")
            try world.run { next.messages == [Array("two".utf8)] }
            try world.drain()
            world.expectIdle()
        }
    }

    // MARK: Handlers

    @Test func `what handlers broadcast meanwhile comes behind it, to all in one order`() throws {
        try inWorker {
            let world = World { $0.maxSendQueue = 10_000 }
            let server = world.server
            server.onRequest { _ = try $0.accept() }
            server.onClose { [unowned server] _, _, _ in server.broadcastUTF("one has left") }
            let peers = try (0..<6).map { _ in try world.open() }
            for index in [1, 3] {
                peers[index].socket.outboundByteCountMax = 1000
                peers[index].isReading = false
            }
            // Two are over their limit while the second one is given to all.
            server.broadcastBytes([UInt8](repeating: 1, count: 9000))
            server.broadcastBytes([UInt8](repeating: 2, count: 9000))
            for index in [1, 3] { peers[index].isReading = true }
            try world.run { peers[1].isOver && peers[3].isOver }
            try world.run(milliseconds: 1)
            let left = Array("one has left".utf8)
            for index in [0, 2, 4, 5] {
                let seen = peers[index].messages.map { $0.count == 9000 ? [$0[0]] : $0 }
                #expect(seen == [[1], [2], left, left], "peer \(index)")
            }
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `connection that a handler accepts meanwhile hears the next one`() throws {
        try inWorker {
            let world = World { $0.maxSendQueue = 10_000 }
            let server = world.server
            var waiting: WebSocketRequest?
            server.onRequest { request in
                if server.connections.count == 2 {
                    waiting = request
                } else {
                    _ = try request.accept()
                }
            }
            let peers = try (0..<2).map { _ in try world.open() }
            let late = world.connect()
            late.requestUpgrade()
            try world.run { waiting != nil }
            peers[0].socket.outboundByteCountMax = 1000
            peers[0].isReading = false
            server.onClose { _, _, _ in _ = try waiting?.accept() }
            server.broadcastBytes([UInt8](repeating: 1, count: 9000))
            server.broadcastBytes([UInt8](repeating: 2, count: 9000))
            server.broadcastUTF("three")
            peers[0].isReading = true
            try world.run { late.frames.count == 1 && peers[1].frames.count == 3 }
            #expect(late.messages == [Array("three".utf8)])
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(arguments: 1...100 as ClosedRange<UInt64>)
    func `whatever the kernel does, all hear all in order`(seed: UInt64) throws {
        try inWorker {
            var faults = Faults.all
            faults.resets = 0
            faults.deafPeers = 0
            faults.failedAccepts = 0
            faults.descriptorShortages = 0
            let (world, peers) = try Self.world(5, seed: seed, faults: faults)
            var random = SplitMix(seed: seed)
            for number in 0..<60 {
                world.server.broadcastBytes(
                    BroadcastRegions.message(number, byteCountMax: number % 20 == 7 ? 9000 : 200)
                )
                if random.chance(30) { try world.run(milliseconds: 1) }
            }
            try world.run { peers.allSatisfy { $0.messages.count == 60 } }
            for peer in peers {
                for (number, message) in peer.messages.enumerated() {
                    #expect(
                        BroadcastRegions.number(
                            of: message,
                            byteCountMax: number % 20 == 7 ? 9000 : 200
                        ) == number
                    )
                }
            }
            try world.drain()
            world.expectIdle()
        }
    }
}
