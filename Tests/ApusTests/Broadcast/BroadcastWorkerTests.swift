// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

/// Broadcasts among workers: worlds that share a hub, each of which turns when it is told to.
@Suite struct BroadcastingWorkers {
    @WorkerActor
    final class Workers {
        let worlds: [World]
        /// By worker: the peers of its connections.
        var peers: [[VirtualPeer]] = []

        /// Workers whose connections broadcast whatever comes.
        init(
            _ count: Int,
            connections: Int,
            ringByteCount: Int = 8192,
            configure: (inout ServerConfiguration) -> Void = { _ in }
        ) throws {
            let hub = try BroadcastHub(slotCount: count, ringByteCount: ringByteCount)
            worlds = (0..<count).map { World(seed: UInt64($0 + 1), configure: configure) }
            for (slot, world) in worlds.enumerated() {
                let server = world.server
                server.onRequest { [unowned server] in
                    try $0.accept().onMessage { server.broadcast($0) }
                }
                world.driver.broadcasts.channel = BroadcastChannel(
                    hub,
                    slot: slot,
                    server: server,
                    configuration: server.configuration
                )
                server.host = world.driver
            }
            for world in worlds {
                peers.append(try (0..<connections).map { _ in try world.open() })
            }
        }

        /// A millisecond of one worker, and what it is woken for.
        func turn(_ index: Int) throws {
            let broadcasts = worlds[index].driver.broadcasts
            if let channel = broadcasts.channel, BroadcastChannels.isReadable(channel.descriptor) {
                broadcasts.woke()
            }
            try worlds[index].run(milliseconds: 1)
        }

        /// Turns all workers, or these, until the condition holds.
        func run(
            _ indices: [Int]? = nil,
            sourceLocation: SourceLocation = #_sourceLocation,
            until condition: () -> Bool
        ) throws {
            for _ in 0..<20_000 {
                if condition() { return }
                for index in indices ?? Array(worlds.indices) { try turn(index) }
            }
            Issue.record("not in 20 seconds", sourceLocation: sourceLocation)
            throw World.Endless()
        }

        func end() throws {
            for world in worlds {
                try world.drain()
                world.expectIdle()
            }
        }
    }

    static func numbers(_ peer: VirtualPeer, byteCountMax: Int = 300) -> [Int?] {
        peer.messages.map { BroadcastRegions.number(of: $0, byteCountMax: byteCountMax) }
    }

    @Test func `connections of all workers hear each worker in order`() throws {
        try inWorker {
            let workers = try Workers(3, connections: 4)
            var random = SplitMix(seed: 7)
            for number in 0..<300 {
                let result = workers.worlds[number % 3].server.broadcastBytes(
                    BroadcastRegions.message(number)
                )
                #expect(result != .overLimit)
                try workers.turn(Int(random.next() % 3))
            }
            try workers.run { workers.peers.joined().allSatisfy { $0.messages.count == 300 } }
            for peer in workers.peers.joined() {
                for worker in 0..<3 {
                    let heard = Self.numbers(peer).filter { ($0 ?? 0) % 3 == worker }
                    #expect(heard == Array(stride(from: worker, to: 300, by: 3)))
                }
            }
            for world in workers.worlds {
                #expect(world.driver.counters.broadcastsSent == 100)
                #expect(world.driver.counters.broadcastsReceived == 200)
            }
            try workers.end()
        }
    }

    @Test func `publishers are not read from while others are behind, and nothing is lost`()
        throws
    {
        try inWorker {
            let workers = try Workers(2, connections: 3) { $0.maxBroadcastBacklog = 20_000 }
            let world = workers.worlds[0]
            let publishers = workers.peers[0].prefix(2)
            for (index, peer) in publishers.enumerated() {
                for number in 0..<200 {
                    peer.send(2, BroadcastRegions.message(2 * number + index, byteCountMax: 900))
                }
            }
            let counters = { world.driver.counters }
            for _ in 0..<100 { try workers.turn(0) }
            #expect(world.server.broadcastBacklog > 0)
            #expect(counters().broadcastsRefused == 0)
            let read = counters().messagesReceived
            #expect(read > 5 && read < 60)
            #expect(publishers.allSatisfy { $0.socket.receiving == nil })
            #expect(workers.peers[0][2].socket.receiving != nil, "who is quiet is read from")
            // The application's own pause is another matter.
            let paused = try #require(world.server.connections.first)
            paused.pause()
            paused.resume()
            paused.pause()
            try workers.turn(0)
            #expect(counters().messagesReceived == read)
            try workers.run { world.server.broadcastBacklog == 0 }
            let half = workers.peers[1][0]
            try workers.run { Self.numbers(half, byteCountMax: 900).contains(399) }
            #expect(!Self.numbers(half, byteCountMax: 900).contains(398))
            paused.resume()
            try workers.run { workers.peers.joined().allSatisfy { $0.messages.count == 400 } }
            for peer in workers.peers.joined() {
                let numbers = Self.numbers(peer, byteCountMax: 900)
                for index in 0..<2 {
                    let heard = numbers.filter { ($0 ?? 0) % 2 == index }
                    #expect(heard == Array(stride(from: index, to: 400, by: 2)))
                }
            }
            #expect(counters().broadcastsRefused == 0)
            #expect(publishers.allSatisfy { $0.socket.receiving != nil })
            try workers.end()
        }
    }

    @Test func `publisher that leaves while it waits harms nobody`() throws {
        try inWorker {
            let workers = try Workers(2, connections: 3)
            for (index, peer) in workers.peers[0].enumerated() {
                for number in 0..<100 {
                    peer.send(2, BroadcastRegions.message(number, byteCountMax: 900))
                }
                if index == 0 { peer.sendClose() }
                if index == 1 { peer.end() }
            }
            for _ in 0..<20 { try workers.turn(0) }
            #expect(workers.worlds[0].driver.broadcasts.publishers.count == 3)
            workers.worlds[0].server.connections.last?.drop()
            // What was read before its end is broadcast, and then its end is seen.
            try workers.run { workers.peers[0].allSatisfy(\.isOver) }
            try workers.run { workers.worlds[0].server.broadcastBacklog == 0 }
            #expect(workers.worlds[0].driver.broadcasts.publishers.isEmpty)
            #expect(workers.peers[0][0].closeCode == 1000)
            try workers.run { workers.peers[1].allSatisfy { $0.messages.count >= 200 } }
            try workers.end()
        }
    }

    @Test func `broadcast that has no room is refused for all`() throws {
        try inWorker {
            let workers = try Workers(2, connections: 2) { $0.maxBroadcastBacklog = 5000 }
            let server = workers.worlds[0].server
            var taken: [Int] = []
            for number in 0..<100
            where server.broadcastBytes(BroadcastRegions.message(number)) != .overLimit {
                taken.append(number)
            }
            #expect(taken.count < 100)
            try workers.run {
                workers.peers.joined().allSatisfy { $0.messages.count == taken.count }
            }
            for peer in workers.peers.joined() { #expect(Self.numbers(peer) == taken) }
            #expect(workers.worlds[0].driver.counters.broadcastsRefused == 100 - taken.count)
            try workers.end()
        }
    }

    @Test(arguments: [SlowConsumerPolicy.close, .dropNewest])
    func `stuck worker is gone on without, and says what it lost`(policy: SlowConsumerPolicy) throws
    {
        try inWorker {
            let workers = try Workers(3, connections: 2) { $0.slowConsumerPolicy = policy }
            let speaker = workers.peers[0][0]
            for number in 0..<200 { speaker.send(2, BroadcastRegions.message(number)) }
            let start = workers.worlds[0].ring.now
            let others = (workers.peers[0] + workers.peers[1])
            try workers.run([0, 1]) { others.allSatisfy { $0.messages.count == 200 } }
            let milliseconds = (workers.worlds[0].ring.now - start) / 1_000_000
            #expect(milliseconds >= 2000 && milliseconds < 4000)
            #expect(workers.worlds[0].driver.counters.broadcastReadersLapsed == 1)
            for peer in others { #expect(Self.numbers(peer) == Array(0..<200)) }
            // It goes on.
            try workers.turn(2)
            #expect(workers.worlds[2].driver.counters.broadcastLosses == 1)
            let late = policy == .close ? try workers.worlds[2].open() : workers.peers[2][0]
            speaker.send(2, BroadcastRegions.message(200))
            try workers.run { late.messages.count == 1 && others[0].messages.count == 201 }
            #expect(Self.numbers(late) == [200])
            for peer in workers.peers[2] where policy == .close { #expect(peer.closeCode == 1008) }
            try workers.end()
        }
    }

    @Test func `large messages come whole to all`() throws {
        try inWorker {
            let workers = try Workers(2, connections: 2)
            for number in 0..<5 {
                for peers in workers.peers {
                    peers[0].send(
                        2,
                        BroadcastRegions.message(90_000 + number, byteCountMax: 100_000)
                    )
                }
            }
            try workers.run { workers.peers.joined().allSatisfy { $0.messages.count == 10 } }
            for peer in workers.peers.joined() {
                let numbers = Self.numbers(peer, byteCountMax: 100_000)
                #expect(numbers.compactMap { $0 }.sorted() == (0..<10).map { 90_000 + $0 / 2 })
            }
            try workers.end()
        }
    }

    @Test func `other server's broadcasts stay in its worker`() throws {
        try inWorker {
            let workers = try Workers(2, connections: 1)
            let other = WebSocketServer(httpServers: [])
            other.host = workers.worlds[0].driver
            #expect(other.broadcastUTF("nobody") == .sent)
            for _ in 0..<5 { for index in 0..<2 { try workers.turn(index) } }
            #expect(workers.peers.joined().allSatisfy { $0.messages.isEmpty })
            try workers.end()
        }
    }

    @Test func `worker that ends hands over what it has taken`() throws {
        try inWorker {
            let workers = try Workers(2, connections: 1)
            let world = workers.worlds[0]
            for number in 0..<100 {
                #expect(world.server.broadcastBytes(BroadcastRegions.message(number)) != .overLimit)
            }
            #expect(world.server.broadcastBacklog > 0)
            world.driver.beginDrain()
            try workers.run { world.driver.isDrained }
            #expect(world.server.broadcastBacklog == 0)
            try workers.run([1]) { workers.peers[1][0].messages.count == 100 }
            try workers.end()
        }
    }

    @Test func `worker that ends waits no longer than its time for others that hang`() throws {
        try inWorker {
            let workers = try Workers(2, connections: 1) {
                $0.broadcastGracePeriod = .seconds(60)
                $0.drainTimeout = .seconds(3)
            }
            let world = workers.worlds[0]
            for number in 0..<100 { world.server.broadcastBytes(BroadcastRegions.message(number)) }
            let start = world.ring.now
            world.driver.beginDrain()
            try workers.run([0]) { world.driver.isDrained }
            #expect(world.ring.now - start >= 3_000_000_000)
            #expect(world.driver.drain?.cutCount == 0)
            workers.worlds[1].driver.beginDrain()
            try workers.run([1]) { workers.worlds[1].driver.isDrained }
        }
    }
}
