// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec

/// What waits to be sent on one connection: whole frames in chunks of memory, first to last.
///
/// A connection with nothing to send has no chunk; they come from the worker's ``OutputPool`` and
/// go back to it. A chunk always begins with a frame, so that a pong can go ahead of queued data
/// behind the chunk that is being sent, and messages that wait can be found and dropped.
@safe
struct OutputQueue: ~Copyable {
    var head: OutputChunkPointer?
    private var extras: OutputExtras?

    /// How many bytes wait.
    var byteCount = 0

    init() {}

    /// What the frames of a client are masked with, each by a key of its own; nil for a server.
    var maskingKeys: RandomBytes? {
        get { extras?.maskingKeys }
        set { withExtras { $0.maskingKeys = newValue } }
    }

    var isEmpty: Bool { byteCount == 0 }

    /// Whether everything lies in one piece of memory.
    var isContiguous: Bool {
        if let head = unsafe head { unsafe head.pointee.next == nil } else { true }
    }

    /// Appends one frame; the payload is copied, and masked on the way if it is a client's.
    mutating func append(
        _ header: FrameHeader,
        _ payload: UnsafeRawBufferPointer,
        from pool: inout OutputPool
    ) {
        let header = masked(header)
        let count = header.headerByteCount + payload.count
        let chunk = unsafe chunk(for: count, from: &pool)
        unsafe chunk.append(header, payload)
        byteCount += count
    }

    /// Appends one message in frames of at most so many bytes, which lie together; a copy.
    ///
    /// With a key it can be removed by that until it is begun to be sent.
    mutating func append(
        _ opcode: Opcode,
        _ payload: UnsafeRawBufferPointer,
        reservedBits: UInt8 = 0,
        fragmentByteCountMax: Int,
        key: AnyHashable? = nil,
        from pool: inout OutputPool
    ) {
        let starts = stride(from: 0, to: max(1, payload.count), by: fragmentByteCountMax)
        func header(at start: Int) -> FrameHeader {
            FrameHeader(
                isFinal: payload.count - start <= fragmentByteCountMax,
                reservedBits: start == 0 ? reservedBits : 0,
                opcode: start == 0 ? opcode : .continuation,
                payloadByteCount: UInt64(min(payload.count - start, fragmentByteCountMax))
            )
        }
        let keyByteCount = maskingKeys == nil ? 0 : 4
        let count = starts.reduce(payload.count) {
            $0 + header(at: $1).headerByteCount + keyByteCount
        }
        let chunk: OutputChunkPointer
        if let key {
            unsafe chunk = pool.take(count, isExact: true)
            unsafe link(chunk)
            unsafe chunk.pointee.key = OutputKey(key)
            let older = unsafe withExtras { unsafe $0.keyed.updateValue(chunk, forKey: key) }
            if let older = unsafe older { unsafe older.pointee.key = nil }
        } else {
            unsafe chunk = self.chunk(for: count, from: &pool)
        }
        for start in starts {
            let header = masked(header(at: start))
            let end = start + Int(header.payloadByteCount)
            let fragment = unsafe UnsafeRawBufferPointer(rebasing: payload[start..<end])
            unsafe chunk.append(header, fragment)
        }
        byteCount += count
    }

    /// Appends whole frames that are not to be masked; a copy.
    mutating func append(frames: UnsafeRawBufferPointer, from pool: inout OutputPool) {
        let chunk = unsafe chunk(for: frames.count, from: &pool)
        unsafe chunk.append(frames)
        byteCount += frames.count
    }

    /// Appends a frame that stays where it lies, until it is sent or ``own(from:)`` copies it.
    mutating func append(
        borrowing frame: UnsafeMutableRawBufferPointer,
        from pool: inout OutputPool
    ) {
        let chunk = unsafe pool.take(borrowing: frame)
        unsafe link(chunk)
        byteCount += frame.count
    }

    /// Copies what is borrowed: it is not there for much longer.
    mutating func own(from pool: inout OutputPool) {
        var next = unsafe head
        while let chunk = unsafe next {
            unsafe next = chunk.pointee.next
            guard unsafe chunk.pointee.borrowed != nil else { continue }
            let copy = unsafe pool.take(chunk.byteCount, isExact: true)
            unsafe copy.append(chunk.bytes)
            // Where a part of a frame is left, no message begins.
            unsafe copy.pointee.searchStart = chunk.pointee.start > 0 ? copy.pointee.end : 0
            unsafe link(copy, behind: chunk)
            unsafe unlink(chunk)
            unsafe pool.give(chunk)
        }
    }

    /// Appends bytes that are not ours to frame, or the rest of a frame in two parts; a copy.
    mutating func append(
        _ bytes: UnsafeRawBufferPointer,
        _ more: UnsafeRawBufferPointer = unsafe UnsafeRawBufferPointer(start: nil, count: 0),
        from pool: inout OutputPool
    ) {
        let count = bytes.count + more.count
        guard count > 0 else { return }
        let chunk = unsafe chunk(for: count, from: &pool)
        let isFirst = unsafe chunk.pointee.end == 0
        unsafe chunk.append(bytes)
        unsafe chunk.append(more)
        // Behind whole frames it is one as well.
        if isFirst { unsafe chunk.pointee.searchStart = count }
        byteCount += count
    }

    /// Puts a pong where it overtakes queued data: behind the chunk that is being sent.
    ///
    /// A pong that still waits is replaced, RFC 6455 §5.5.3: the latest ping is the one to answer.
    mutating func appendPong(
        _ header: FrameHeader,
        _ payload: UnsafeRawBufferPointer,
        from pool: inout OutputPool
    ) {
        guard let begun = unsafe lastBegun else {
            unsafe append(header, payload, from: &pool)
            return
        }
        if let waiting = unsafe waitingPong {
            byteCount -= unsafe waiting.byteCount
            unsafe waiting.clear()
        } else {
            let chunk = unsafe pool.take(FrameHeader.byteCountMax + 125)
            unsafe link(chunk, behind: begun)
            withExtras { unsafe $0.waitingPong = chunk }
        }
        guard let waiting = unsafe waitingPong else { return }
        let header = masked(header)
        unsafe waiting.append(header, payload)
        byteCount += unsafe waiting.byteCount
    }

    private func masked(_ header: FrameHeader) -> FrameHeader {
        guard let maskingKeys else { return header }
        return header.masked(with: maskingKeys.nextMaskingKey())
    }

    /// The first bytes that lie together.
    var firstPart: UnsafeRawBufferPointer {
        if let head = unsafe head {
            unsafe head.bytes
        } else {
            unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        }
    }

    /// Fills `parts` with what waits, first to last, and returns how many it used.
    ///
    /// Of a queue with ciphertext in it that alone.
    func fill(_ parts: UnsafeMutableBufferPointer<UnsafeRawBufferPointer>) -> Int {
        var count = 0
        var next = unsafe head
        let isSealed = isSealed
        while let chunk = unsafe next, count < parts.count, unsafe chunk.isSealed == isSealed {
            unsafe parts[count] = chunk.bytes
            count += 1
            unsafe next = chunk.pointee.next
        }
        return count
    }

    /// Forgets the first `count` bytes: they were sent.
    mutating func removeFirst(_ count: Int, to pool: inout OutputPool) {
        precondition(count <= byteCount, "\(count) bytes were sent of \(byteCount)")
        byteCount -= count
        var rest = count
        while rest > 0, let chunk = unsafe head {
            let taken = unsafe min(rest, chunk.byteCount)
            rest -= taken
            unsafe removeFirst(taken, of: chunk, to: &pool)
        }
    }

    /// The first `count` bytes of a chunk were sent, or are for nobody.
    mutating func removeFirst(
        _ count: Int,
        of chunk: OutputChunkPointer,
        to pool: inout OutputPool
    ) {
        if unsafe chunk == waitingPong { unsafe extras?.waitingPong = nil }
        unsafe forgetKey(of: chunk)
        unsafe chunk.pointee.start += count
        if unsafe chunk.byteCount == 0 {
            unsafe unlink(chunk)
            unsafe pool.give(chunk)
        }
    }

    /// Gives all memory back; the bytes are lost.
    mutating func removeAll(to pool: inout OutputPool) {
        guard let chunk = unsafe head, extras == nil, unsafe chunk.pointee.next == nil else {
            removeFirst(byteCount, to: &pool)
            return
        }
        // What a reply or a broadcast leaves: one chunk that nothing else knows of.
        unsafe head = nil
        byteCount = 0
        unsafe pool.give(chunk)
    }

    // MARK: Dropping

    /// Drops the message that has waited longest, if none of it was sent; false if there is none.
    mutating func removeOldestMessage(to pool: inout OutputPool) -> Bool {
        var next = unsafe head
        while let chunk = unsafe next {
            if let range = unsafe chunk.nextMessage() {
                unsafe chunk.remove(range)
                byteCount -= range.count
                if unsafe chunk.byteCount == 0 {
                    unsafe unlink(chunk)
                    unsafe pool.give(chunk)
                }
                return true
            }
            unsafe next = chunk.pointee.next
        }
        return false
    }

    /// How many bytes the message with that key has which waits; 0 for none.
    func byteCount(of key: AnyHashable) -> Int {
        if let chunk = unsafe extras?.keyed[key] { unsafe chunk.byteCount } else { 0 }
    }

    /// Drops the message with that key.
    mutating func remove(_ key: AnyHashable, to pool: inout OutputPool) {
        guard let chunk = unsafe extras?.keyed[key] else { return }
        byteCount -= unsafe chunk.byteCount
        unsafe forgetKey(of: chunk)
        unsafe unlink(chunk)
        unsafe pool.give(chunk)
    }

    /// The message is begun to be sent, or another one has its key.
    private mutating func forgetKey(of chunk: OutputChunkPointer) {
        guard let key = unsafe chunk.pointee.key?.value else { return }
        unsafe chunk.pointee.key = nil
        unsafe extras?.keyed[key] = nil
    }

    // MARK: What few have

    private var waitingPong: OutputChunkPointer? { unsafe extras?.waitingPong }

    private mutating func withExtras<Result>(_ body: (OutputExtras) -> Result) -> Result {
        let extras = extras ?? OutputExtras()
        self.extras = extras
        return body(extras)
    }

    // MARK: The list

    /// The last chunk is the one before the first.
    private var tail: OutputChunkPointer? { unsafe head?.pointee.previous }

    private mutating func link(_ chunk: OutputChunkPointer) {
        if let tail = unsafe tail {
            unsafe link(chunk, behind: tail)
        } else {
            unsafe head = chunk
            unsafe chunk.pointee.previous = chunk
        }
    }

    mutating func linkFirst(_ chunk: OutputChunkPointer) {
        guard let first = unsafe head else {
            unsafe link(chunk)
            return
        }
        unsafe chunk.pointee.previous = first.pointee.previous
        unsafe chunk.pointee.next = first
        unsafe first.pointee.previous = chunk
        unsafe head = chunk
    }

    mutating func link(_ chunk: OutputChunkPointer, behind other: OutputChunkPointer) {
        let next = unsafe other.pointee.next
        unsafe chunk.pointee.previous = other
        unsafe chunk.pointee.next = next
        unsafe other.pointee.next = chunk
        unsafe (next ?? head)?.pointee.previous = chunk
    }

    private mutating func unlink(_ chunk: OutputChunkPointer) {
        let (previous, next) = unsafe (chunk.pointee.previous, chunk.pointee.next)
        if unsafe chunk == head {
            unsafe head = next
        } else {
            unsafe previous?.pointee.next = next
        }
        unsafe (next ?? head)?.pointee.previous = previous
    }

    /// The last chunk if the frame fits behind its frames, else a new one.
    private mutating func chunk(for count: Int, from pool: inout OutputPool) -> OutputChunkPointer {
        if let tail = unsafe tail, unsafe tail != waitingPong, unsafe !tail.isSealed {
            if unsafe tail.room >= count { return unsafe tail }
            if let larger = unsafe replaceSmall(tail, with: count, from: &pool) {
                return unsafe larger
            }
        }
        // Where much waits already, more will.
        let chunk = unsafe pool.take(head == nil ? count : max(count, OutputPool.largeByteCount))
        unsafe link(chunk)
        return unsafe chunk
    }

    /// A large chunk in place of a small one that alone holds what waits, so that it stays together.
    private mutating func replaceSmall(
        _ chunk: OutputChunkPointer,
        with count: Int,
        from pool: inout OutputPool
    ) -> OutputChunkPointer? {
        guard unsafe chunk == head, unsafe chunk.pointee.capacity == OutputPool.smallByteCount,
            unsafe chunk.pointee.start == 0, unsafe chunk.pointee.key == nil,
            unsafe chunk.byteCount + count <= OutputPool.largeByteCount
        else { return nil }
        let larger = unsafe pool.take(OutputPool.largeByteCount)
        unsafe larger.append(chunk.bytes)
        unsafe larger.pointee.searchStart = chunk.pointee.searchStart
        unsafe unlink(chunk)
        unsafe pool.give(chunk)
        unsafe link(larger)
        return unsafe larger
    }
}

/// What few queues have: the others need no room for it.
@safe
private final class OutputExtras {
    /// The chunk that holds a pong nobody has begun to send.
    var waitingPong: OutputChunkPointer?
    /// The chunks of messages with a key that nobody has begun to send.
    var keyed: [AnyHashable: OutputChunkPointer] = unsafe [:]
    var maskingKeys: RandomBytes?
}
