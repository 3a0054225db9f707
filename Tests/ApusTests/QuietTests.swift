// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

@Suite struct `Connections on which nothing happens` {
    /// An open connection that was silent for an interval, and has answered the ping.
    @WorkerActor
    private func quietConnection(
        _ use: (World, WebSocketConnection, VirtualPeer) throws -> Void
    ) throws {
        let (world, connection, peer) = try World.withConnection()
        connection.onMessage { [unowned connection] message in connection.send(message) }
        #expect(peer.socket.receiving != nil)
        try world.run(milliseconds: 20_010)
        #expect(world.driver.counters.connectionsQuieted == 1)
        #expect(connection.quiet == .polling)
        #expect(peer.socket.receiving == nil)
        #expect(peer.socket.waitingForReadable != nil)
        try use(world, connection, peer)
        try world.drain()
        world.expectIdle()
    }

    @Test func `are polled, and stay so for pongs and pings`() throws {
        try inWorker {
            try quietConnection { world, connection, peer in
                let (pollCount, receiveCount) = (world.ring.pollCount, world.ring.receiveCount)
                try world.run(milliseconds: 100_000)
                peer.send(9, [1])
                try world.run { peer.frames.last == ServerFrame(opcode: 10, payload: [1]) }
                try world.run(milliseconds: 1)
                #expect(peer.socket.waitingForReadable != nil)
                #expect(world.ring.pollCount - pollCount == 6)
                // Once for each of five pongs, and for the ping.
                #expect(world.ring.receiveCount - receiveCount == 6)
                #expect(world.driver.counters.connectionsQuieted == 1)
            }
        }
    }

    @Test func `are polled beside others that are busy in the same turns`() throws {
        try inWorker {
            try quietConnection { world, connection, peer in
                let busy = try world.open()
                let pollCount = world.ring.pollCount
                peer.send(9, [1])
                for _ in 0..<6 {
                    busy.sendText("x")
                    try world.turn()
                }
                #expect(peer.frames.last == ServerFrame(opcode: 10, payload: [1]))
                #expect(connection.quiet == .polling)
                #expect(world.ring.pollCount == pollCount + 1)
                #expect(peer.socket.receiving == nil)
            }
        }
    }

    @Test func `are received from as all others from a message on, until the next silence`()
        throws
    {
        try inWorker {
            try quietConnection { world, connection, peer in
                for number in 0..<3 {
                    peer.sendText("\(number)")
                    try world.run { peer.messages.count == number + 1 }
                }
                #expect(connection.quiet == .no)
                #expect(peer.socket.receiving != nil)
                let receiveCount = world.ring.receiveCount
                peer.sendText("3")
                try world.run { peer.messages.count == 4 }
                #expect(world.ring.receiveCount == receiveCount)
                try world.run(milliseconds: 20_010)
                #expect(connection.quiet == .polling)
                #expect(world.driver.counters.connectionsQuieted == 2)
            }
        }
    }

    @Test func `are received from as all others from a part of a message on`() throws {
        try inWorker {
            try quietConnection { world, connection, peer in
                peer.send(1, [1, 2], isFinal: false)
                try world.run(milliseconds: 1)
                #expect(peer.socket.receiving != nil)
                peer.send(0, [3])
                try world.run { peer.messages == [[1, 2, 3]] }
            }
        }
    }

    enum Ending: CaseIterable { case peerCloses, peerEnds, reset, close, drop, noPong, drain }

    @Test(arguments: Ending.allCases)
    func `end as all others`(ending: Ending) throws {
        try inWorker {
            try quietConnection { world, connection, peer in
                var code: CloseCode?
                connection.onClose { ended, _ in code = ended }
                switch ending {
                case .peerCloses: peer.sendClose(4001)
                case .peerEnds: peer.end()
                case .reset: peer.reset()
                case .close: connection.close()
                case .drop: connection.drop()
                case .noPong: peer.answersPings = false
                case .drain: world.driver.beginDrain()
                }
                let start = world.ring.now
                try world.run { world.ring.sockets.isEmpty }
                let seconds = (world.ring.now - start) / 1_000_000_000
                // A ping was answered just now: the next, and the time for its answer.
                #expect(seconds == (ending == .noPong ? 29 : 0))
                switch ending {
                case .peerCloses: #expect(code?.rawValue == 4001)
                case .close: #expect(code == .normalClosure)
                case .drain: #expect(code == .goingAway)
                case .peerEnds, .reset, .drop, .noPong: #expect(code == .abnormalClosure)
                }
            }
        }
    }

    @Test(arguments: [true, false])
    func `pause and go on, whether something has come or not`(hasCome: Bool) throws {
        try inWorker {
            try quietConnection { world, connection, peer in
                // The poll and its cancel end in the same wait.
                if hasCome { peer.sendText("before") }
                connection.pause()
                try world.run(milliseconds: 1)
                #expect(peer.socket.waitingForReadable == nil)
                #expect(peer.socket.receiving == nil)
                peer.sendText("meanwhile")
                try world.run(milliseconds: 100)
                #expect(peer.messages == [])
                connection.resume()
                peer.sendText("after")
                let texts = (hasCome ? ["before"] : []) + ["meanwhile", "after"]
                try world.run { peer.messages.count == texts.count }
                #expect(peer.messages == texts.map { Array($0.utf8) })
            }
        }
    }

    /// Bytes are in the socket, and the completion that brings them is not in the ring yet.
    @Test(arguments: [0, 100], 1...10 as ClosedRange<UInt64>)
    func `lose nothing that comes before the receive is canceled`(
        untrueCancels: Int,
        seed: UInt64
    ) throws {
        try inWorker {
            let world = World(seed: seed, faults: Faults(untrueCancels: untrueCancels))
            world.serveEcho()
            let peer = try world.open()
            try world.run(milliseconds: 19_900)
            peer.socket.stalledUntil = world.ring.now + 200_000_000
            world.ring.after(200_000_000) {}
            peer.sendText("one")
            peer.sendText("two")
            try world.run(milliseconds: 150)
            #expect(world.driver.counters.connectionsQuieted == 1)
            try world.run { peer.messages.count == 2 }
            #expect(peer.messages == [Array("one".utf8), Array("two".utf8)])
            try world.run(milliseconds: 10)
            #expect(peer.socket.receiving != nil || peer.socket.waitingForReadable != nil)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(arguments: 1...100 as ClosedRange<UInt64>)
    func `lose and reorder nothing, whatever the kernel does`(seed: UInt64) throws {
        try inWorker {
            var faults = Faults.all
            faults.resets = 0
            faults.deafPeers = 0
            faults.failedAccepts = 0
            faults.descriptorShortages = 0
            let world = World(seed: seed, faults: faults) {
                $0.keepaliveInterval = .milliseconds(100)
                $0.keepaliveGracePeriod = .seconds(10)
            }
            world.serveEcho()
            let peer = try world.open()
            var random = SplitMix(seed: seed)
            var sent: [[UInt8]] = []
            var time: UInt64 = 0
            for number in 0..<30 {
                let payload = Array("\(number) ".utf8) + Array(repeating: 7, count: random.upTo(99))
                sent.append(payload)
                // Often where a silence becomes too long, to a few microseconds.
                time += [1_000_000, 99_999_000, 100_000_000, 250_000_000][random.upTo(4) - 1]
                time += UInt64(random.upTo(2_000))
                let isSplit = random.chance(30)
                world.ring.after(time) {
                    guard isSplit else { return peer.send(2, payload) }
                    peer.send(2, Array(payload[..<1]), isFinal: false)
                    peer.send(0, Array(payload[1...]))
                }
            }
            try world.run { peer.messages.count == sent.count }
            #expect(peer.messages == sent, "seed \(seed)")
            #expect(world.driver.counters.connectionsQuieted > 0, "seed \(seed)")
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `have their pings sent in memory that is kept`() throws {
        try inWorker {
            let world = World()
            world.serveEcho()
            let peers = (0..<500).map { _ in world.connect() }
            for peer in peers { peer.requestUpgrade() }
            try world.run { peers.allSatisfy(\.isOpen) }
            var chunkCountMax = 0
            world.ring.isObserved = {
                chunkCountMax = max(chunkCountMax, world.driver.outputPool.value.lentCount)
                return false
            }
            for _ in 0..<10_000 where !peers.allSatisfy({ $0.frames.count == 1 }) {
                try world.turn()
            }
            #expect(peers.allSatisfy { $0.frames == [ServerFrame(opcode: 9, payload: [])] })
            #expect(chunkCountMax <= world.driver.timersPerTurnMax)
            world.ring.isObserved = { false }
            try world.drain()
            world.expectIdle()
        }
    }
}
