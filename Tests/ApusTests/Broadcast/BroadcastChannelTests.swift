// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusProtocol
import ApusTestSupport
import Glibc
import Testing

/// The ends that workers have of a hub, in one process.
@Suite struct BroadcastChannels {
    /// Channels of as many workers over rings of that size.
    static func channels(
        _ count: Int,
        ringByteCount: Int = 1024,
        backlog: Int = 1 << 20
    ) throws -> [BroadcastChannel] {
        let hub = try BroadcastHub(slotCount: count, ringByteCount: ringByteCount)
        return (0..<count).map { channel(hub, slot: $0, backlog: backlog) }
    }

    static func channel(
        _ hub: BroadcastHub,
        slot: Int,
        backlog: Int = 1 << 20
    ) -> BroadcastChannel {
        var configuration = ServerConfiguration()
        configuration.maxBroadcastBacklog = backlog
        configuration.broadcastGracePeriod = .seconds(2)
        let server = WebSocketServer(httpServers: [])
        return BroadcastChannel(hub, slot: slot, server: server, configuration: configuration)
    }

    static func instant(_ milliseconds: UInt64) -> Instant {
        Instant(nanoseconds: milliseconds * 1_000_000)
    }

    /// The numbers of what a channel receives within a limit; -1 where some were lost.
    static func receive(_ channel: BroadcastChannel, byteCountMax: Int = .max) -> [Int?] {
        var numbers: [Int?] = []
        channel.receive(byteCountMax: byteCountMax) {
            numbers.append(BroadcastRegions.number(of: $0))
        } lost: {
            numbers.append(-1)
        }
        return numbers
    }

    static func isReadable(_ descriptor: Int32, milliseconds: Int32 = 0) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&entry, 1, milliseconds) > 0
    }

    @Test func `all others get what one sends, in order`() throws {
        let channels = try Self.channels(4, ringByteCount: 1 << 16)
        for number in 0..<100 {
            #expect(channels[2].send(BroadcastRegions.message(number)) == .sent)
        }
        for slot in [0, 1, 3] { #expect(Self.receive(channels[slot]) == Array(0..<100)) }
        #expect(Self.receive(channels[2]).isEmpty)
    }

    @Test func `others are woken once until they look`() throws {
        let channels = try Self.channels(2)
        func wakes() -> Bool { Self.isReadable(channels[1].descriptor) }
        _ = Self.receive(channels[1])
        #expect(!channels[1].hasNews && !wakes())
        _ = channels[0].send(BroadcastRegions.message(1))
        #expect(!wakes(), "not before the end of the turn")
        channels[0].wakeReaders()
        #expect(wakes())
        channels[1].woke()
        #expect(!wakes() && channels[1].hasNews)
        // It has not read, but looked: whatever comes now wakes it again.
        _ = channels[0].send(BroadcastRegions.message(2))
        channels[0].wakeReaders()
        #expect(wakes())
        channels[0].wakeReaders()
        channels[1].woke()
        channels[0].wakeReaders()
        #expect(!wakes(), "nothing was sent since")
        #expect(Self.receive(channels[1]) == [1, 2])
    }

    @Test func `what has no room waits, and the sender is woken when there is`() throws {
        let channels = try Self.channels(3)
        var results: [BroadcastResult] = []
        for number in 0..<50 { results.append(channels[0].send(BroadcastRegions.message(number))) }
        let taken = results.prefix { $0 == .sent }.count
        #expect(taken > 0 && taken < 20)
        #expect(results[taken...].allSatisfy { $0 == .queued })
        #expect(channels[0].flush(at: Self.instant(0)) == 0)
        var heard: [[Int?]] = [[], []]
        while channels[0].backlogByteCount > 0 {
            for slot in [1, 2] {
                heard[slot - 1] += Self.receive(channels[slot])
                #expect(Self.isReadable(channels[0].descriptor), "a reader has gone on")
            }
            channels[0].woke()
            #expect(channels[0].flush(at: Self.instant(0)) == 0)
        }
        #expect(channels[0].deadline == nil)
        for slot in [1, 2] { heard[slot - 1] += Self.receive(channels[slot]) }
        #expect(heard == [Array(0..<50), Array(0..<50)])
        #expect(!Self.isReadable(channels[0].descriptor), "it waits for nothing")
    }

    @Test func `backlog over its limit takes nothing more, and what it took is not lost`() throws {
        let channels = try Self.channels(2, backlog: 2000)
        var taken: [Int] = []
        for number in 0..<100 where channels[0].send(BroadcastRegions.message(number)) != .overLimit
        {
            taken.append(number)
            #expect(channels[0].backlogByteCount <= 2000)
        }
        #expect(taken.count > 5 && taken.count < 50)
        var heard: [Int?] = []
        repeat {
            heard += Self.receive(channels[1])
            _ = channels[0].flush(at: Self.instant(0))
        } while channels[0].backlogByteCount > 0
        heard += Self.receive(channels[1])
        #expect(heard == taken)
        // What finds nothing waiting is taken whatever its size.
        #expect(channels[0].send([UInt8](repeating: 0, count: 10_000)) == .queued)
    }

    @Test func `message larger than the ring comes whole`() throws {
        let channels = try Self.channels(2)
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        #expect(channels[0].send(bytes) == .queued)
        var messages: [[UInt8]] = []
        for _ in 0..<1000 where messages.isEmpty {
            channels[1].receive(byteCountMax: .max) {
                messages.append($0)
            } lost: {
                Issue.record("it is not lost")
            }
            _ = channels[0].flush(at: Self.instant(0))
        }
        #expect(messages == [bytes])
    }

    @Test func `reader that takes nothing is given up after the grace period`() throws {
        let channels = try Self.channels(3)
        for number in 0..<50 { _ = channels[0].send(BroadcastRegions.message(number)) }
        var heard: [Int?] = []
        var lapsedAt: UInt64?
        for time in stride(from: 0 as UInt64, to: 5000, by: 100) where lapsedAt == nil {
            heard += Self.receive(channels[1])
            if channels[0].flush(at: Self.instant(time)) > 0 { lapsedAt = time }
        }
        #expect(lapsedAt == 2000)
        while channels[0].backlogByteCount > 0 {
            heard += Self.receive(channels[1])
            #expect(channels[0].flush(at: Self.instant(2000)) == 0)
        }
        heard += Self.receive(channels[1])
        #expect(heard == Array(0..<50))
        // When it goes on it is told so, once, and gets what comes then.
        #expect(Self.receive(channels[2]) == [-1])
        _ = channels[0].send(BroadcastRegions.message(50))
        #expect(Self.receive(channels[2]) == [50])
    }

    @Test func `slow reader that goes on is waited for`() throws {
        let channels = try Self.channels(2)
        for number in 0..<50 { _ = channels[0].send(BroadcastRegions.message(number)) }
        var heard: [Int?] = []
        var time: UInt64 = 0
        while channels[0].backlogByteCount > 0 {
            #expect(channels[0].flush(at: Self.instant(time)) == 0)
            time += 500
            if time % 1500 == 0 { heard += Self.receive(channels[1], byteCountMax: 1) }
        }
        #expect(time > 10_000)
        heard += Self.receive(channels[1])
        #expect(heard == Array(0..<50))
    }

    @Test func `time in which the sender itself was stopped is not held against a reader`() throws {
        let channels = try Self.channels(2)
        for number in 0..<50 { _ = channels[0].send(BroadcastRegions.message(number)) }
        #expect(channels[0].flush(at: Self.instant(0)) == 0)
        #expect(channels[0].flush(at: Self.instant(1_000_000)) == 0)
        #expect(channels[0].flush(at: Self.instant(2_000_000)) == 0)
        #expect(channels[0].deadline == Instant(nanoseconds: 2_000_500_000_001))
    }

    @Test func `senders take turns where a reader has no time for all`() throws {
        let channels = try Self.channels(4, ringByteCount: 1 << 16)
        for slot in 0..<3 {
            for number in 0..<100 { _ = channels[slot].send(BroadcastRegions.message(number)) }
        }
        // Each is first once in three, and gets what there is time for.
        var counts: [Int] = []
        for _ in 0..<3 { counts.append(Self.receive(channels[3], byteCountMax: 2000).count) }
        #expect(counts.allSatisfy { $0 > 5 && $0 < 30 })
        #expect(channels[3].hasNews)
        var total = counts.reduce(0, +)
        while channels[3].hasNews { total += Self.receive(channels[3], byteCountMax: 2000).count }
        #expect(total == 300)
    }

    @Test func `successor gets what comes from then on, and is woken for it`() throws {
        let hub = try BroadcastHub(slotCount: 2, ringByteCount: 1024)
        let sender = Self.channel(hub, slot: 0)
        let first = Self.channel(hub, slot: 1)
        _ = sender.send(BroadcastRegions.message(1))
        sender.wakeReaders()
        first.woke()
        _ = sender.send(BroadcastRegions.message(2))
        sender.wakeReaders()
        // It dies between the two halves of looking: the descriptor is empty, the flag is set.
        var count: UInt64 = 0
        #expect(unsafe read(first.descriptor, &count, 8) == 8)
        let second = Self.channel(hub, slot: 1)
        #expect(Self.receive(second).isEmpty)
        _ = sender.send(BroadcastRegions.message(3))
        sender.wakeReaders()
        #expect(Self.isReadable(second.descriptor))
        #expect(Self.receive(second) == [3])
    }

    @Test func `worker that leaves is waited for by nobody`() throws {
        let channels = try Self.channels(2)
        for number in 0..<50 { _ = channels[0].send(BroadcastRegions.message(number)) }
        _ = channels[0].flush(at: Self.instant(0))
        #expect(channels[0].backlogByteCount > 0)
        channels[1].leave()
        #expect(Self.isReadable(channels[0].descriptor))
        #expect(channels[0].flush(at: Self.instant(0)) == 0)
        #expect(channels[0].backlogByteCount == 0)
    }

    @Test func `worker that leaves wakes the others for its last words`() throws {
        let channels = try Self.channels(2)
        for channel in channels { channel.wakeReaders() }
        channels[1].woke()
        _ = channels[0].send(BroadcastRegions.message(1))
        #expect(!Self.isReadable(channels[1].descriptor))
        channels[0].leave()
        #expect(Self.isReadable(channels[1].descriptor))
        #expect(Self.receive(channels[1]) == [1])
    }

    @Test func `successor wakes the others for what its predecessor has only written`() throws {
        let hub = try BroadcastHub(slotCount: 2, ringByteCount: 1024)
        let killed = Self.channel(hub, slot: 0)
        let reader = Self.channel(hub, slot: 1)
        _ = Self.receive(reader)
        _ = killed.send(BroadcastRegions.message(1))
        reader.woke()
        #expect(!Self.isReadable(reader.descriptor))
        Self.channel(hub, slot: 0).wakeReaders()
        #expect(Self.isReadable(reader.descriptor))
        #expect(Self.receive(reader) == [1])
    }
}
