// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec

/// The head of a piece of output memory; its bytes follow it, or are borrowed.
@unsafe
struct OutputChunk {
    var next: UnsafeMutablePointer<OutputChunk>?
    var previous: UnsafeMutablePointer<OutputChunk>?
    let capacity: Int
    /// Where the bytes are if not behind this: where they were received, for a while.
    var borrowed: UnsafeMutableRawPointer?
    var start = 0
    var end = 0
    /// Where a frame begins; what is before it is no message that can be dropped.
    ///
    /// ``sealed`` in a chunk of ciphertext.
    var searchStart = 0
    /// Behind the end of any chunk.
    static let sealed = Int.max
    /// Of one that holds a message which another one with the same key replaces.
    var key: OutputKey?
}

/// A key in memory of its own: few chunks have one, and all are asked for theirs.
final class OutputKey {
    let value: AnyHashable

    init(_ value: AnyHashable) {
        self.value = value
    }
}

typealias OutputChunkPointer = UnsafeMutablePointer<OutputChunk>

extension OutputChunkPointer {
    private var storage: UnsafeMutableRawPointer {
        unsafe pointee.borrowed ?? UnsafeMutableRawPointer(self + 1)
    }

    /// How many bytes wait in the chunk.
    var byteCount: Int { unsafe pointee.end - pointee.start }

    /// How many more bytes fit.
    var room: Int { unsafe pointee.capacity - pointee.end }

    /// The bytes that wait.
    var bytes: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: storage + pointee.start, count: byteCount)
    }

    /// Copies the bytes behind those that are there; they must fit.
    func append(_ bytes: UnsafeRawBufferPointer) {
        precondition(unsafe bytes.count <= room, "a frame is larger than the chunk made for it")
        if let base = bytes.baseAddress {
            unsafe (storage + pointee.end).copyMemory(from: base, byteCount: bytes.count)
            unsafe pointee.end += bytes.count
        }
    }

    /// Encodes a frame behind the bytes that are there, masked if its header has a key; it must fit.
    @inline(__always)
    func append(_ header: FrameHeader, _ payload: UnsafeRawBufferPointer) {
        let count = header.headerByteCount + payload.count
        precondition(unsafe count <= room, "a frame is larger than the chunk made for it")
        let target = unsafe storage + pointee.end
        let start = unsafe target + header.encode(to: target.assumingMemoryBound(to: UInt8.self))
        if let key = header.maskingKey {
            unsafe key.copy(payload, to: start)
        } else if let base = payload.baseAddress {
            unsafe start.copyMemory(from: base, byteCount: payload.count)
        }
        unsafe pointee.end += count
    }

    func clear() {
        unsafe pointee.start = 0
        unsafe pointee.end = 0
        unsafe pointee.searchStart = 0
    }

    /// Where the first whole message lies of which nothing was sent; nil if there is none.
    ///
    /// What is passed over is not looked at again: it was sent or begun, or is no message.
    func nextMessage() -> Range<Int>? {
        while unsafe pointee.searchStart < pointee.end {
            let start = unsafe pointee.searchStart
            var (frame, end) = unsafe frame(at: start)
            if unsafe start >= pointee.start, frame.opcode == .text || frame.opcode == .binary {
                while unsafe !frame.isFinal && end < pointee.end {
                    let next = unsafe self.frame(at: end)
                    // One with a control frame inside is left alone.
                    guard next.header.opcode == .continuation else { break }
                    (frame, end) = next
                }
                if frame.isFinal { return start..<end }
            }
            unsafe pointee.searchStart = end
        }
        return nil
    }

    /// Takes out bytes of which none was sent.
    func remove(_ range: Range<Int>) {
        unsafe precondition(range.lowerBound >= pointee.start && range.upperBound <= pointee.end)
        if unsafe range.lowerBound == pointee.start {
            unsafe pointee.start = range.upperBound
            unsafe pointee.searchStart = range.upperBound
            return
        }
        let rest = unsafe pointee.end - range.upperBound
        unsafe (storage + range.lowerBound).copyMemory(
            from: storage + range.upperBound,
            byteCount: rest
        )
        unsafe pointee.end -= range.count
    }

    /// The header of a frame, and where the frame ends.
    private func frame(at offset: Int) -> (header: FrameHeader, end: Int) {
        let bytes = unsafe UnsafeRawBufferPointer(start: storage, count: pointee.end)
        // Read as its receiver does: the frames of a client are masked.
        let isMasked = unsafe offset + 1 < bytes.count && bytes[offset + 1] & 0x80 != 0
        let decoding = FrameHeader.decode(
            unsafe Span(_unsafeBytes: bytes),
            from: offset,
            as: isMasked ? .server : .client,
            reservedBitsAllowed: 0x40
        )
        guard case .header(let header) = decoding else {
            preconditionFailure("no frame of ours begins at \(offset)")
        }
        return (header, offset + header.headerByteCount + Int(header.payloadByteCount))
    }
}

/// Output memory of one worker: small and large chunks that are used again, larger ones as needed.
///
/// An echo takes the chunk that the last one gave back, so it is still in the cache; and the replies
/// of a turn to many connections, which wait for its end together, lie in small ones.
@safe
struct OutputPool: ~Copyable {
    /// What a chunk holds at first, and once it has to hold more; a frame that does not fit gets a
    /// chunk of its own size.
    static let smallByteCount = unsafe 512 - MemoryLayout<OutputChunk>.stride
    static let largeByteCount = unsafe 32768 - MemoryLayout<OutputChunk>.stride

    private var small = FreeChunks(byteCount: Self.smallByteCount, countMax: 2048)
    private var large = FreeChunks(byteCount: Self.largeByteCount, countMax: 128)
    private var borrowing = FreeChunks(byteCount: 0, countMax: 128)

    /// How many chunks queues hold now.
    private(set) var lentCount = 0

    init() {}

    /// An empty chunk with room for at least `byteCount` bytes, or for exactly as many.
    mutating func take(_ byteCount: Int, isExact: Bool = false) -> OutputChunkPointer {
        lentCount += 1
        if isExact || byteCount > Self.largeByteCount {
            return unsafe FreeChunks.make(byteCount)
        }
        return unsafe byteCount <= Self.smallByteCount ? small.take() : large.take()
    }

    /// A chunk whose bytes are, and stay, where they lie.
    mutating func take(borrowing bytes: UnsafeMutableRawBufferPointer) -> OutputChunkPointer {
        lentCount += 1
        let chunk = unsafe borrowing.take()
        unsafe chunk.pointee.borrowed = bytes.baseAddress
        unsafe chunk.pointee.end = bytes.count
        return unsafe chunk
    }

    /// Takes a chunk back.
    mutating func give(_ chunk: OutputChunkPointer) {
        lentCount -= 1
        if unsafe !small.keep(chunk), unsafe !large.keep(chunk), unsafe !borrowing.keep(chunk) {
            unsafe UnsafeMutableRawPointer(chunk).deallocate()
        }
    }
}

/// Unused chunks of one size.
@safe
private struct FreeChunks: ~Copyable {
    let byteCount: Int
    /// How many are kept for the next frames.
    let countMax: Int
    private var first: OutputChunkPointer?
    private var count = 0

    init(byteCount: Int, countMax: Int) {
        self.byteCount = byteCount
        self.countMax = countMax
    }

    deinit {
        var next = unsafe first
        while let chunk = unsafe next {
            unsafe next = chunk.pointee.next
            unsafe UnsafeMutableRawPointer(chunk).deallocate()
        }
    }

    static func make(_ byteCount: Int) -> OutputChunkPointer {
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: unsafe MemoryLayout<OutputChunk>.stride + byteCount,
            alignment: unsafe MemoryLayout<OutputChunk>.alignment
        )
        let chunk = unsafe memory.bindMemory(to: OutputChunk.self, capacity: 1)
        unsafe chunk.initialize(to: unsafe OutputChunk(next: nil, capacity: byteCount))
        return unsafe chunk
    }

    mutating func take() -> OutputChunkPointer {
        guard let chunk = unsafe first else { return unsafe Self.make(byteCount) }
        unsafe first = chunk.pointee.next
        count -= 1
        unsafe chunk.pointee.next = nil
        unsafe chunk.pointee.previous = nil
        unsafe chunk.clear()
        return unsafe chunk
    }

    /// Whether the chunk is of this size and there was room for one more.
    mutating func keep(_ chunk: OutputChunkPointer) -> Bool {
        guard unsafe chunk.pointee.capacity == byteCount, count < countMax else { return false }
        unsafe chunk.pointee.next = first
        unsafe first = chunk
        count += 1
        return true
    }
}
