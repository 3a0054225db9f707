// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusProtocol
import Testing

@Suite struct Liveness {
    @Test func `connection whose receive ends after every completion hears all`() throws {
        try inWorker {
            let world = World(faults: Faults(splitReceives: 100, droppedHasMore: 100))
            world.serveEcho()
            let peer = try world.open()
            for number in 0..<50 { peer.sendText("\(number)") }
            try world.run { peer.messages.count == 50 }
            #expect(world.ring.receiveCount > 50)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `all peers get on with four receive buffers, and without spinning`() throws {
        try inWorker {
            let world = World()
            world.ring.bufferCountMax = 4
            world.serveEcho()
            let peers = try (0..<100).map { _ in try world.open() }
            let turnCount = world.ring.turnCount
            for peer in peers { peer.sendText("hello") }
            try world.run { peers.allSatisfy { $0.messages.count == 1 } }
            #expect(world.driver.counters.receiveBuffersExhausted > 0)
            #expect(world.ring.turnCount - turnCount <= 100)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `accepting rests 500 ms for want of descriptors, and then goes on`() throws {
        try inWorker {
            let world = World()
            world.serveEcho()
            let early = try world.open()
            let start = world.ring.now
            world.ring.descriptorsShortUntil = start + 200_000_000
            // The accepts in flight fail when the next client comes.
            let late = world.connect()
            late.requestUpgrade()
            early.sendText("one")
            let turnCount = world.ring.turnCount
            try world.run { late.isOpen }
            #expect(world.ring.now - start == 500_000_000)
            #expect(world.ring.turnCount - turnCount < 10)
            #expect(early.messages.count == 1)
            #expect(world.driver.counters.acceptsFailed == 4)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `peer that answers while the worker is stopped is not dropped, a silent one is`()
        throws
    {
        try inWorker {
            let world = World {
                $0.keepaliveInterval = .seconds(1)
                $0.keepaliveGracePeriod = .milliseconds(500)
            }
            world.serveEcho()
            let peers = try (0..<50).map { _ in try world.open() }
            peers[0].answersPings = false
            try world.run { peers.allSatisfy { $0.frames.contains { $0.opcode == 9 } } }
            world.ring.batchCountMax = 20
            world.ring.now += 2_000_000_000
            try world.run(milliseconds: 100)
            #expect(world.driver.counters.keepaliveTimeouts == 1)
            #expect(world.server.connections.count == 49)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `drain does not spin while accepting rests`() throws {
        try inWorker {
            let world = World()
            world.serveEcho()
            let peer = try world.open()
            peer.answersClose = false
            peer.endsAfterEnd = false
            world.ring.descriptorsShortUntil = .max
            try world.turn()
            #expect(world.driver.counters.acceptsFailed == 4)
            let turnCount = world.ring.turnCount
            try world.drain()
            #expect(world.ring.turnCount - turnCount < 10)
            world.expectIdle()
        }
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `reading pauses again and again whatever the cancels answer`(seed: UInt64) throws {
        try inWorker {
            let world = World(seed: seed, faults: Faults(reorderings: 50, untrueCancels: 70)) {
                $0.maxSendQueue = 8000
            }
            world.serveEcho()
            let peer = try world.open()
            peer.socket.outboundByteCountMax = 1000
            world.ring.bufferByteCount = 1000
            var sentCount = 0
            for _ in 0..<10 {
                peer.isReading = false
                for _ in 0..<12 {
                    peer.send(2, Array(repeating: 5, count: 900))
                    sentCount += 1
                }
                try world.run(milliseconds: 50)
                // All of them would be more than the queue may hold.
                #expect(!peer.socket.inbound.isEmpty)
                peer.isReading = true
                try world.run { peer.messages.count == sentCount || peer.isOver }
                try #require(peer.messages.count == sentCount)
            }
            #expect(world.ring.cancelCount >= 10)
            try world.drain()
            world.expectIdle()
        }
    }
}
