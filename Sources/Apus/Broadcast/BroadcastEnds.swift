// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The end of a region that its one worker writes at.
struct BroadcastWriter {
    let region: BroadcastRegion

    /// What is longer goes as several records, so that readers make room while the rest is written.
    private let partByteCountMax: Int

    /// Up to where there was room when the cursors were last looked at.
    ///
    /// A reader that has come since began at a tail no earlier than the one of then, so its end of
    /// the ring is no earlier either.
    private var limit: UInt64 = 0

    init(_ region: BroadcastRegion) {
        self.region = region
        partByteCountMax = region.byteCount / 4 - BroadcastRecord.headerByteCount
    }

    /// Writes as much of a message as there is room for, from `start` on, and says where it stopped.
    mutating func write(_ message: [UInt8], from start: Int) -> Int {
        var position = start
        repeat {
            let end = min(position + partByteCountMax, message.count)
            let record = BroadcastRecord(
                byteCount: end - position,
                isFirst: position == 0,
                isLast: end == message.count
            )
            let tail = region.tail
            guard hasRoom(for: record, behind: tail) else { return position }
            region.setHeader(record, at: tail)
            unsafe message.withUnsafeBytes {
                unsafe region.copy(
                    UnsafeRawBufferPointer(rebasing: $0[position..<end]),
                    to: tail + UInt64(BroadcastRecord.headerByteCount)
                )
            }
            region.tail = tail + record.stride
            position = end
        } while position < message.count
        return position
    }

    private mutating func hasRoom(for record: BroadcastRecord, behind tail: UInt64) -> Bool {
        if tail + record.stride <= limit { return true }
        limit = region.limit
        return tail + record.stride <= limit
    }

    /// The readers that may be in the way of the next record, and where they stand.
    var laggards: [(reader: Int, cursor: UInt64)] {
        // Of the others there is room for any part, which is at most a quarter.
        let tail = region.tail
        let distance = UInt64(region.byteCount / 4 * 3)
        return (0..<region.readerCount).compactMap { reader in
            let cursor = region.cursor(of: reader)
            guard cursor != BroadcastRegion.absent, tail - cursor > distance else { return nil }
            return (reader, cursor)
        }
    }
}

/// The end of a region that one of the other workers reads at.
struct BroadcastReader {
    enum Reading: Equatable {
        case nothing
        /// A record that does not end a message; so many bytes were read.
        case part(Int)
        case message([UInt8])
        /// The writer has given this reader up, and goes on without it.
        case lapsed
    }

    let region: BroadcastRegion
    private let number: Int
    private var position: UInt64 = 0
    /// What has come of a message; nil where its beginning has not.
    private var message: [UInt8]?

    /// A reader that gets what is written from now on.
    init(_ region: BroadcastRegion, number: Int) {
        self.region = region
        self.number = number
        join()
    }

    /// Goes on at what is written from now on.
    mutating func join() {
        message = nil
        repeat {
            position = region.tail
            region.setCursor(position, of: number)
            // The writer may not have seen the cursor before it wrote on.
        } while region.tail != position
    }

    /// Holds nothing up any more.
    func leave() {
        region.setCursor(BroadcastRegion.absent, of: number)
    }

    mutating func next() -> Reading {
        let tail = region.tail
        guard tail != position else { return .nothing }
        let record = region.header(at: position)
        // Before the bytes are used at all: what was overwritten can be any number.
        guard region.cursor(of: number) == position,
            record.byteCount <= region.byteCount, record.stride <= tail - position
        else { return .lapsed }
        if record.isFirst { message = [] }
        let bytes = position + UInt64(BroadcastRecord.headerByteCount)
        if var taken = message.take() {
            region.appendBytes(at: bytes, count: record.byteCount, to: &taken)
            message = taken
        }
        let next = position + record.stride
        // And before they go on to anybody.
        guard region.moveCursor(of: number, from: position, to: next) else { return .lapsed }
        position = next
        guard record.isLast, let whole = message.take() else { return .part(record.byteCount) }
        return .message(whole)
    }
}
