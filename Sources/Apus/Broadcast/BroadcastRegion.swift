// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The memory in which the worker of one slot passes its broadcasts to the workers of the others.
///
/// ```
/// tail │ is waiting │ cursor of reader 0 │ … of reader n │ ring of records
/// ```
/// One worker writes. A record is there for its readers once the tail, a count of all bytes ever
/// written, is behind it: whoever is killed while he writes leaves nothing torn, and his successor
/// goes on at the tail. A reader has its cursor behind what it has taken, and what is behind all
/// cursors may be overwritten. A cursor that is ``absent`` holds nothing up: nobody reads there, or
/// the writer has given the reader up. Since reader and writer only ever exchange a cursor for the
/// value that they saw, a reader that was given up while it copied learns it before it uses the
/// bytes.
///
/// All stores and loads that two processes race for are sequentially consistent: each side stores
/// what it has done and then looks what the other did, and both must not miss each other.
@safe
struct BroadcastRegion {
    typealias Word = Atomic<UInt64>

    /// The cursor of nobody.
    static let absent = UInt64.max

    /// Words of different processes do not share a cache line.
    private static let lineByteCount = 64
    private static let pageByteCount = 4096

    private let control: UnsafeMutableRawPointer
    private let ring: UnsafeMutableRawPointer

    /// How many bytes of records there is room for: a power of two.
    let byteCount: Int
    let readerCount: Int

    /// How much memory a region takes.
    static func memoryByteCount(ringByteCount: Int, readerCount: Int) -> Int {
        controlByteCount(readerCount) + ringByteCount
    }

    private static func controlByteCount(_ readerCount: Int) -> Int {
        let byteCount = (2 + readerCount) * lineByteCount
        return (byteCount + pageByteCount - 1) / pageByteCount * pageByteCount
    }

    /// The region in memory of zeros that outlives it, or that another process has made one of.
    init(_ memory: UnsafeMutableRawPointer, ringByteCount: Int, readerCount: Int) {
        precondition(ringByteCount > 0 && ringByteCount & (ringByteCount - 1) == 0)
        unsafe control = unsafe memory
        unsafe ring = unsafe memory + Self.controlByteCount(readerCount)
        byteCount = ringByteCount
        self.readerCount = readerCount
    }

    /// Calls `body` with a word of the control page.
    private func word<Result>(_ index: Int, _ body: (borrowing Word) -> Result) -> Result {
        // The memory is zeros, which is a word of value 0, and nothing else is ever put there.
        let place = unsafe control + index * Self.lineByteCount
        return unsafe body(place.assumingMemoryBound(to: Word.self).pointee)
    }

    // MARK: Words

    /// How many bytes of records were ever written.
    var tail: UInt64 {
        get { word(0) { $0.load(ordering: .sequentiallyConsistent) } }
        nonmutating set { word(0) { $0.store(newValue, ordering: .sequentiallyConsistent) } }
    }

    /// Whether the writer wants to hear that a reader has gone on.
    var isWriterWaiting: Bool {
        get { word(1) { $0.load(ordering: .sequentiallyConsistent) } != 0 }
        nonmutating set {
            word(1) { $0.store(newValue ? 1 : 0, ordering: .sequentiallyConsistent) }
        }
    }

    func cursor(of reader: Int) -> UInt64 {
        word(2 + reader) { $0.load(ordering: .sequentiallyConsistent) }
    }

    func setCursor(_ cursor: UInt64, of reader: Int) {
        word(2 + reader) { $0.store(cursor, ordering: .sequentiallyConsistent) }
    }

    /// Moves a cursor unless it has moved; false if it has.
    func moveCursor(of reader: Int, from old: UInt64, to new: UInt64) -> Bool {
        word(2 + reader) {
            $0.compareExchange(expected: old, desired: new, ordering: .sequentiallyConsistent)
                .exchanged
        }
    }

    /// Up to where may be written: as far as the ring reaches from the cursor that is last.
    var limit: UInt64 {
        var last = tail
        for reader in 0..<readerCount { last = min(last, cursor(of: reader)) }
        return last + UInt64(byteCount)
    }

    // MARK: Bytes

    /// Copies bytes to where they are at that count of bytes ever written; they may wrap.
    func copy(_ bytes: UnsafeRawBufferPointer, to position: UInt64) {
        let start = Int(position & UInt64(byteCount - 1))
        let first = min(bytes.count, byteCount - start)
        guard let source = bytes.baseAddress else { return }
        unsafe (ring + start).copyMemory(from: source, byteCount: first)
        unsafe ring.copyMemory(from: source + first, byteCount: bytes.count - first)
    }

    /// Appends a copy of `count` bytes from there; the writer may be overwriting them.
    func appendBytes(at position: UInt64, count: Int, to bytes: inout [UInt8]) {
        let start = Int(position & UInt64(byteCount - 1))
        let first = min(count, byteCount - start)
        unsafe bytes.append(contentsOf: UnsafeRawBufferPointer(start: ring + start, count: first))
        unsafe bytes.append(
            contentsOf: UnsafeRawBufferPointer(start: ring, count: count - first)
        )
    }

    /// The header of a record; it lies together, since records begin at multiples of its size.
    func header(at position: UInt64) -> BroadcastRecord {
        let place = unsafe ring + Int(position & UInt64(byteCount - 1))
        return BroadcastRecord(rawValue: unsafe place.load(as: UInt64.self))
    }

    func setHeader(_ header: BroadcastRecord, at position: UInt64) {
        let place = unsafe ring + Int(position & UInt64(byteCount - 1))
        unsafe place.storeBytes(of: header.rawValue, as: UInt64.self)
    }
}

/// The header of a record: how many bytes follow, and which part of a message they are.
struct BroadcastRecord: RawRepresentable {
    static let headerByteCount = 8

    let rawValue: UInt64

    init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    init(byteCount: Int, isFirst: Bool, isLast: Bool) {
        rawValue = UInt64(byteCount) << 2 | (isFirst ? 2 : 0) | (isLast ? 1 : 0)
    }

    /// How many bytes follow the header.
    var byteCount: Int { Int(rawValue >> 2) }

    var isFirst: Bool { rawValue & 2 != 0 }
    var isLast: Bool { rawValue & 1 != 0 }

    /// How much room it takes: the header, the bytes, and what fills it up to a header's multiple.
    var stride: UInt64 {
        let step = UInt64(Self.headerByteCount)
        return step + (UInt64(byteCount) + step - 1) / step * step
    }
}
