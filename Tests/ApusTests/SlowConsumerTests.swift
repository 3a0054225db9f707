// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusTestSupport
import Testing

@Suite struct SlowConsumers {
    /// One of many messages: its number says how long it is and what is in it.
    ///
    /// Some from 10,000 on are so long that they are sent uncopied.
    private static func message(_ number: Int) -> [UInt8] {
        let filling = [UInt8](
            repeating: UInt8(truncatingIfNeeded: number &* 31),
            count: number &* 7919 % (number >= 10_000 && number % 10 == 3 ? 9000 : 900)
        )
        return (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } + filling
    }

    private static func number(of message: [UInt8]) -> Int {
        (0..<4).reduce(0) { $0 | Int(message[$1]) << (8 * $1) }
    }

    /// The numbers of the messages that a peer got, after a check of their contents and order.
    private static func numbers(
        _ messages: [[UInt8]],
        sourceLocation: SourceLocation = #_sourceLocation
    ) -> [Int] {
        let numbers = messages.map(number(of:))
        #expect(zip(numbers, messages).allSatisfy { message($0) == $1 }, "no message is harmed")
        #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 }, "in order, and once")
        return numbers
    }

    @Test func `dropNewest keeps what is oldest`() throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection {
                $0.slowConsumerPolicy = .dropNewest
                $0.maxSendQueue = 10_000
            }
            peer.socket.outboundByteCountMax = 1000
            peer.isReading = false
            var taken: [Int] = []
            for number in 0..<100 {
                switch connection.sendBytes(Self.message(number)) {
                case .sent, .queued: taken.append(number)
                case .dropped: break
                case let other: Issue.record("\(other)")
                }
                #expect(connection.bufferedAmount <= 11_000)
                try world.run(milliseconds: 1)
            }
            #expect(connection.ping() == .dropped || connection.bufferedAmount < 10_000)
            peer.isReading = true
            try world.run { connection.bufferedAmount == 0 }
            #expect(connection.sendBytes(Self.message(100)) == .sent)
            try world.run { peer.messages.count == taken.count + 1 }
            #expect(Self.numbers(peer.messages) == taken + [100])
            #expect(world.driver.counters.messagesDropped == 100 - taken.count)
            #expect(taken.count > 10 && taken.count < 60)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(arguments: [1, 10, 100])
    func `dropOldest keeps what is newest, also of a burst`(perTurn: Int) throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection {
                $0.slowConsumerPolicy = .dropOldest
                $0.maxSendQueue = 10_000
            }
            peer.socket.outboundByteCountMax = 1000
            peer.isReading = false
            var results: Set<SendResult> = []
            for number in 0..<100 {
                results.insert(connection.sendBytes(Self.message(number)))
                #expect(connection.bufferedAmount <= 11_000)
                if number % perTurn == perTurn - 1 { try world.run(milliseconds: 1) }
            }
            #expect(results.isSubset(of: [.sent, .queued, .displaced]))
            #expect(results.contains(.displaced))
            peer.isReading = true
            try world.run { connection.bufferedAmount == 0 }
            try world.run(milliseconds: 1)
            let numbers = Self.numbers(peer.messages)
            // What was being sent, and the newest.
            let newest = numbers.suffix(15)
            #expect(newest == (85..<100)[...].suffix(15).map { $0 }[...])
            #expect(world.driver.counters.messagesDropped == 100 - numbers.count)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `message that is larger than the limit displaces nothing`() throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection {
                $0.slowConsumerPolicy = .dropOldest
                $0.maxSendQueue = 10_000
            }
            peer.socket.outboundByteCountMax = 1000
            peer.isReading = false
            for number in 0..<10 {
                connection.sendBytes(Self.message(number))
                try world.run(milliseconds: 1)
            }
            #expect(connection.sendBytes(Array(repeating: 1, count: 10_001)) == .dropped)
            peer.isReading = true
            try world.run { peer.messages.count == 10 }
            #expect(Self.numbers(peer.messages) == Array(0..<10))
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `piece of an open message that finds no room can be sent again`() throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection {
                $0.slowConsumerPolicy = .dropOldest
                $0.maxSendQueue = 10_000
            }
            peer.socket.outboundByteCountMax = 1000
            peer.isReading = false
            connection.sendUTF("before")
            let writer = try connection.beginMessage(.binary)
            var sent: [UInt8] = []
            var refusedCount = 0
            for number in 0..<40 {
                var result = writer.write(Self.message(number))
                while result == .dropped {
                    refusedCount += 1
                    peer.readSome(2000)
                    try world.run(milliseconds: 1)
                    result = writer.write(Self.message(number))
                }
                sent += Self.message(number)
                #expect([.sent, .queued, .displaced].contains(result))
                try world.run(milliseconds: 1)
            }
            peer.isReading = true
            try world.run { writer.finish() != .dropped }
            try world.run { peer.frames.contains { $0.opcode == 0 && $0.isFinal } }
            #expect(peer.frames.filter { $0.opcode != 1 }.flatMap(\.payload) == sent)
            #expect(refusedCount > 0)
            #expect(world.driver.counters.messagesDropped <= 1)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(arguments: [Int.max, 100])
    func `keepLatest keeps the latest of each key, in the order in which they were sent`(
        threshold: Int
    ) throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection {
                $0.slowConsumerPolicy = .keepLatest
                $0.fragmentOutgoingMessages = threshold < .max
                $0.fragmentationThreshold = min(threshold, 1 << 20)
            }
            peer.socket.outboundByteCountMax = 1000
            peer.isReading = false
            var results: [SendResult] = []
            for number in 0..<1000 {
                results.append(connection.sendBytes(Self.message(number), key: "key \(number % 7)"))
                if number % 100 == 50 { connection.sendBytes(Self.message(number)) }
                if number % 10 == 0 { try world.run(milliseconds: 1) }
            }
            #expect(connection.bufferedAmount < 40_000)
            #expect(results.count { $0 == .displaced } > 900)
            #expect(results.suffix(20).allSatisfy { $0 == .displaced })
            peer.isReading = true
            try world.run { connection.bufferedAmount == 0 }
            try world.run(milliseconds: 1)
            var messages: [[UInt8]] = []
            for frame in peer.frames {
                if frame.opcode == 0 {
                    messages[messages.count - 1] += frame.payload
                } else {
                    messages.append(frame.payload)
                }
            }
            let numbers = messages.map(Self.number(of:))
            #expect(messages == numbers.map(Self.message))
            #expect(numbers == numbers.sorted())
            #expect(Array(numbers.suffix(7)) == Array(993..<1000))
            // Those without a key are all there.
            #expect((0..<10).allSatisfy { numbers.contains(100 * $0 + 50) })
            #expect(world.driver.counters.messagesDropped == results.count { $0 == .displaced })
            #expect(world.driver.counters.sendQueueOverflows == 0)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `peer that keeps up gets every message, whatever their keys`() throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection {
                $0.slowConsumerPolicy = .keepLatest
            }
            for number in 0..<100 {
                #expect(connection.sendBytes(Self.message(number), key: 1) == .sent)
                if number % 10 == 0 { try world.run(milliseconds: 1) }
            }
            try world.run { peer.messages.count == 100 }
            #expect(Self.numbers(peer.messages) == Array(0..<100))
            #expect(world.driver.counters.messagesDropped == 0)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `keyed message for which there is no room leaves the older one`() throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection {
                $0.slowConsumerPolicy = .keepLatest
                $0.maxSendQueue = 5000
            }
            peer.socket.outboundByteCountMax = 1000
            peer.isReading = false
            connection.sendBytes(Array(repeating: 0, count: 3000))
            try world.run(milliseconds: 1)
            #expect(connection.sendBytes(Self.message(1), key: 1) == .queued)
            #expect(connection.sendBytes(Array(repeating: 2, count: 4000), key: 1) == .dropped)
            #expect(connection.sendBytes(Array(repeating: 2, count: 4000)) == .dropped)
            #expect(connection.connected)
            peer.isReading = true
            try world.run { peer.messages.count == 2 }
            #expect(peer.messages[1] == Self.message(1))
            #expect(world.driver.counters.messagesDropped == 2)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(
        arguments: 1...30 as ClosedRange<UInt64>,
        [
            SlowConsumerPolicy.dropNewest, .dropOldest, .keepLatest,
        ]
    )
    func `whatever the kernel does, no message is harmed and the order is kept`(
        seed: UInt64,
        policy: SlowConsumerPolicy
    ) throws {
        try inWorker {
            var faults = Faults.all
            faults.resets = 0
            let world = World(seed: seed, faults: faults) {
                $0.slowConsumerPolicy = policy
                $0.maxSendQueue = 12_000
            }
            var connection: WebSocketConnection?
            world.server.onRequest { connection = try $0.accept() }
            let peer = world.connect()
            peer.requestUpgrade()
            try world.run { connection != nil }
            let sender = try #require(connection)
            var random = SplitMix(seed: seed)
            peer.socket.outboundByteCountMax = 20 + random.upTo(2000)
            var dropped: Set<Int> = []
            let count = 400
            for number in 10_000..<10_000 + count {
                let result =
                    policy == .keepLatest && random.chance(70)
                    ? sender.sendBytes(Self.message(number), key: random.upTo(4))
                    : sender.sendBytes(Self.message(number))
                if result == .dropped { dropped.insert(number) }
                #expect(result != .closed && result != .overLimit, "seed \(seed)")
                if random.chance(10) { peer.isReading.toggle() }
                if random.chance(10) { peer.send(9, [UInt8(number & 255)]) }
                if random.chance(30) { try world.run(milliseconds: 1) }
            }
            peer.isReading = true
            try world.run { sender.bufferedAmount == 0 }
            sender.close()
            try world.run { peer.isOver }
            let numbers = Self.numbers(peer.messages)
            #expect(peer.complaint == nil)
            #expect(dropped.isDisjoint(with: numbers))
            #expect(world.driver.counters.messagesDropped == count - numbers.count)
            if policy == .dropOldest { #expect(numbers.last == 10_000 + count - 1) }
            world.ring.faults.descriptorShortages = 0
            try world.drain()
            world.expectIdle()
        }
    }
}
