// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusTestSupport
import Testing

/// One writer and its readers, in one process.
@Suite struct BroadcastRegions {
    /// A message whose number says how long it is and what is in it.
    static func message(_ number: Int, byteCountMax: Int = 300) -> [UInt8] {
        let filling = number &* 7919 % byteCountMax
        return (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
            + [UInt8](repeating: UInt8(truncatingIfNeeded: number &* 31), count: filling)
    }

    /// The number of a message that is whole; nil for any other bytes.
    static func number(of bytes: [UInt8], byteCountMax: Int = 300) -> Int? {
        guard bytes.count >= 4 else { return nil }
        let number = (0..<4).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
        return bytes == message(number, byteCountMax: byteCountMax) ? number : nil
    }

    /// All that a reader can read now.
    static func readAll(_ reader: inout BroadcastReader) -> (messages: [[UInt8]], hasLapsed: Bool) {
        var messages: [[UInt8]] = []
        while true {
            switch reader.next() {
            case .nothing: return (messages, false)
            case .part: break
            case .message(let message): messages.append(message)
            case .lapsed: return (messages, true)
            }
        }
    }

    @Test func `messages of any length come through at every offset of the ring`() throws {
        for offset in 0..<32 {
            for length in 0...140 {
                let hub = try BroadcastHub(slotCount: 2, ringByteCount: 256)
                var reader = BroadcastReader(hub.region(of: 0), number: 1)
                var writer = BroadcastWriter(hub.region(of: 0))
                for _ in 0..<offset {
                    _ = writer.write([], from: 0)
                    _ = Self.readAll(&reader)
                }
                let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 + offset) }
                var position = 0
                var read: [[UInt8]] = []
                repeat {
                    position = writer.write(bytes, from: position)
                    read += Self.readAll(&reader).messages
                } while position < length
                #expect(read == [bytes], "\(length) bytes at \(offset)")
            }
        }
    }

    @Test func `writer stops at the slowest reader, and goes on where that has read`() throws {
        let hub = try BroadcastHub(slotCount: 3, ringByteCount: 1024)
        var fast = BroadcastReader(hub.region(of: 0), number: 1)
        var slow = BroadcastReader(hub.region(of: 0), number: 2)
        var writer = BroadcastWriter(hub.region(of: 0))
        var written = 0
        var heard: [Int?] = []
        for round in 0..<50 {
            while writer.write(Self.message(written, byteCountMax: 90), from: 0) > 0 {
                written += 1
            }
            let ready = Self.readAll(&fast).messages
            heard += ready.map { Self.number(of: $0, byteCountMax: 90) }
            #expect(heard == Array(0..<written), "the fast one is not behind")
            #expect(writer.write(Self.message(written, byteCountMax: 90), from: 0) == 0)
            #expect(slow.next() == .message(Self.message(round, byteCountMax: 90)))
        }
        #expect(written > 50)
    }

    @Test func `reader that was given up learns it, and joins where the writer is`() throws {
        let hub = try BroadcastHub(slotCount: 2, ringByteCount: 1024)
        let region = hub.region(of: 0)
        var reader = BroadcastReader(region, number: 1)
        var writer = BroadcastWriter(region)
        for number in 0..<3 { _ = writer.write(Self.message(number), from: 0) }
        #expect(reader.next() == .message(Self.message(0)))
        let cursor = region.cursor(of: 1)
        #expect(region.moveCursor(of: 1, from: cursor, to: BroadcastRegion.absent))
        // Nobody reads, so there is room for any number.
        for number in 3..<100 {
            #expect(writer.write(Self.message(number), from: 0) == Self.message(number).count)
        }
        #expect(reader.next() == .lapsed)
        #expect(reader.next() == .lapsed)
        reader.join()
        #expect(reader.next() == .nothing)
        _ = writer.write(Self.message(100), from: 0)
        #expect(reader.next() == .message(Self.message(100)))
    }

    @Test func `reader that joins within a message gets the next one`() throws {
        let hub = try BroadcastHub(slotCount: 2, ringByteCount: 256)
        var writer = BroadcastWriter(hub.region(of: 0))
        var reader = BroadcastReader(hub.region(of: 0), number: 1)
        let long = [UInt8](repeating: 7, count: 300)
        var position = writer.write(long, from: 0)
        #expect(position > 0 && position < 300)
        reader.join()
        position = writer.write(long, from: position)
        #expect(Self.readAll(&reader).messages.isEmpty)
        #expect(writer.write(long, from: position) == 300)
        #expect(writer.write([1, 2, 3], from: 0) == 3)
        #expect(Self.readAll(&reader).messages == [[1, 2, 3]])
    }

    @Test func `successor of a writer that died within a message begins with its own`() throws {
        let hub = try BroadcastHub(slotCount: 2, ringByteCount: 256)
        var reader = BroadcastReader(hub.region(of: 0), number: 1)
        var writer = BroadcastWriter(hub.region(of: 0))
        #expect(writer.write([UInt8](repeating: 7, count: 300), from: 0) < 300)
        #expect(Self.readAll(&reader).messages.isEmpty)
        var successor = BroadcastWriter(hub.region(of: 0))
        _ = successor.write([1, 2, 3], from: 0)
        #expect(Self.readAll(&reader).messages == [[1, 2, 3]])
    }

    @Test func `successor of a reader is not in the way of what its predecessor left`() throws {
        let hub = try BroadcastHub(slotCount: 2, ringByteCount: 1024)
        var writer = BroadcastWriter(hub.region(of: 0))
        var reader = BroadcastReader(hub.region(of: 0), number: 1)
        var number = 0
        while writer.write(Self.message(number), from: 0) > 0 { number += 1 }
        #expect(writer.laggards.map(\.reader) == [1])
        reader = BroadcastReader(hub.region(of: 0), number: 1)
        #expect(writer.laggards.isEmpty)
        #expect(reader.next() == .nothing)
        #expect(writer.write([1, 2, 3], from: 0) == 3)
        #expect(reader.next() == .message([1, 2, 3]))
    }
}
