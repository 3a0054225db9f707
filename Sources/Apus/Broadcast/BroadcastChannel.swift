// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol

/// A worker's end of the hub: its broadcasts go to the others, and theirs come in.
final class BroadcastChannel {
    /// Whose connections the broadcasts are for.
    let server: WebSocketServer

    private let hub: BroadcastHub
    private let slot: Int
    private let backlogByteCountMax: Int
    private let gracePeriod: Interval

    private var writer: BroadcastWriter
    private var readers: [(slot: Int, reader: BroadcastReader)]
    /// Who is read first next time, so that nobody's broadcasts keep out the others'.
    private var firstReader = 0

    /// Messages that the region had no room for, first to last.
    private var backlog: [[UInt8]] = []
    /// How much of the first one is in the region.
    private var backlogPosition = 0
    private(set) var backlogByteCount = 0

    /// Readers that are in the way: where they stand, and for how long we have seen them there.
    private var stalls: [Int: Stall] = [:]
    private var stallsSeenAt: Instant?

    private struct Stall {
        let cursor: UInt64
        var nanoseconds: UInt64 = 0
    }

    /// Whether the others have to be woken for what was published: perhaps by a predecessor that was
    /// killed before it could.
    private var hasPublished = true
    /// Whether there may be something to read.
    private(set) var hasNews = true

    init(
        _ hub: BroadcastHub,
        slot: Int,
        server: WebSocketServer,
        configuration: ServerConfiguration
    ) {
        self.hub = hub
        self.slot = slot
        self.server = server
        backlogByteCountMax = configuration.maxBroadcastBacklog
        gracePeriod = configuration.broadcastGracePeriod
        writer = BroadcastWriter(hub.region(of: slot))
        // A predecessor may have died while it waited, or before it looked.
        writer.region.isWriterWaiting = false
        hub.woke(slot)
        readers = (0..<hub.slotCount).filter { $0 != slot }.map {
            ($0, BroadcastReader(hub.region(of: $0), number: slot))
        }
    }

    /// The others hear of its last messages, and wait for this worker no more.
    func leave() {
        wakeReaders()
        for (sender, reader) in readers {
            reader.leave()
            if reader.region.isWriterWaiting { hub.wake(sender) }
        }
    }

    // MARK: Sending

    /// Gives a message to the others: they are woken at the end of the turn.
    func send(_ message: [UInt8]) -> BroadcastResult {
        var position = 0
        if backlog.isEmpty {
            position = writer.write(message, from: 0)
            if position > 0 { hasPublished = true }
            guard position < message.count else { return .sent }
        } else if backlogByteCount + message.count > backlogByteCountMax {
            return .overLimit
        }
        if backlog.isEmpty { backlogPosition = position }
        backlog.append(message)
        backlogByteCount += message.count - position
        return .queued
    }

    /// Writes what waits as far as there is room; how many readers were given up for it.
    func flush(at now: Instant) -> Int {
        guard !backlog.isEmpty else { return 0 }
        writeBacklog()
        guard !backlog.isEmpty else { return 0 }
        writer.region.isWriterWaiting = true
        // Whoever made room before he could see that tells nobody.
        writeBacklog()
        guard !backlog.isEmpty else { return 0 }
        let lapsed = lapseStalled(at: now)
        if lapsed > 0 { writeBacklog() }
        return lapsed
    }

    private func writeBacklog() {
        var done = 0
        while done < backlog.count {
            let position = writer.write(backlog[done], from: backlogPosition)
            if position > backlogPosition { hasPublished = true }
            backlogByteCount -= position - backlogPosition
            backlogPosition = position
            guard position == backlog[done].count else { break }
            backlogPosition = 0
            done += 1
        }
        backlog.removeFirst(done)
        if backlog.isEmpty {
            writer.region.isWriterWaiting = false
            stalls = [:]
            stallsSeenAt = nil
        }
    }

    /// When readers that are in the way are to be looked at again; nil while there is room.
    var deadline: Instant? { stallsSeenAt?.advanced(by: lookInterval) }

    /// The time between two looks is held against a reader at most up to this: in a longer one we
    /// were stopped ourselves, and it perhaps as well.
    private var lookInterval: Interval { Interval(nanoseconds: gracePeriod.nanoseconds / 4 + 1) }

    /// Gives up the readers that have been in the way for too long without going on.
    private func lapseStalled(at now: Instant) -> Int {
        let step = min(
            stallsSeenAt.map { now.nanoseconds - min($0.nanoseconds, now.nanoseconds) } ?? 0,
            lookInterval.nanoseconds
        )
        stallsSeenAt = now
        let before = stalls
        stalls = [:]
        var lapsedCount = 0
        for (reader, cursor) in writer.laggards {
            var stall = Stall(cursor: cursor)
            if let known = before[reader], known.cursor == cursor {
                stall.nanoseconds = known.nanoseconds + step
            }
            if stall.nanoseconds >= gracePeriod.nanoseconds {
                let region = writer.region
                if region.moveCursor(of: reader, from: cursor, to: BroadcastRegion.absent) {
                    lapsedCount += 1
                }
            } else {
                stalls[reader] = stall
            }
        }
        return lapsedCount
    }

    /// Wakes the others, once, for everything that was published since the last time.
    func wakeReaders() {
        guard hasPublished else { return }
        hasPublished = false
        for reader in readers where writer.region.cursor(of: reader.slot) != BroadcastRegion.absent
        {
            hub.wake(reader.slot)
        }
    }

    // MARK: Receiving

    /// What becomes readable when there is news.
    var descriptor: Int32 { hub.descriptor(of: slot) }

    /// That happened.
    func woke() {
        hub.woke(slot)
        hasNews = true
    }

    /// Hands out messages of the others, in order for each of them, until about so many bytes were
    /// read; tells where some were lost because this worker was too far behind.
    func receive(
        byteCountMax: Int,
        _ deliver: ([UInt8]) -> Void,
        lost: () -> Void
    ) {
        hasNews = false
        var rest = byteCountMax
        for step in readers.indices {
            let index = (firstReader + step) % readers.count
            var hasRead = false
            reading: while true {
                guard rest > 0 else {
                    hasNews = true
                    break
                }
                switch readers[index].reader.next() {
                case .nothing:
                    break reading
                case .part(let byteCount):
                    rest -= byteCount
                case .message(let message):
                    rest -= message.count
                    deliver(message)
                case .lapsed:
                    readers[index].reader.join()
                    lost()
                }
                hasRead = true
            }
            let sender = readers[index]
            if hasRead, sender.reader.region.isWriterWaiting { hub.wake(sender.slot) }
        }
        if !readers.isEmpty { firstReader = (firstReader + 1) % readers.count }
    }
}
