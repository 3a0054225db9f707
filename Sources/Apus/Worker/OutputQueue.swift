// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec

/// What waits to be sent on one connection: whole frames in chunks of memory, first to last.
///
/// A connection with nothing to send has no chunk; they come from the worker's ``OutputPool`` and
/// go back to it. A chunk always begins with a frame, so that a pong can go ahead of queued data
/// behind the chunk that is being sent.
@safe
struct OutputQueue: ~Copyable {
    private var head: OutputChunkPointer?
    private var tail: OutputChunkPointer?
    /// The chunk that holds a pong nobody has begun to send.
    private var waitingPong: OutputChunkPointer?

    /// How many bytes wait.
    private(set) var byteCount = 0

    init() {}

    var isEmpty: Bool { byteCount == 0 }

    /// Whether everything lies in one piece of memory.
    var isContiguous: Bool {
        if let head = unsafe head { unsafe head.pointee.next == nil } else { true }
    }

    /// Appends one frame; the payload is copied.
    mutating func append(
        _ header: FrameHeader,
        _ payload: UnsafeRawBufferPointer,
        from pool: inout OutputPool
    ) {
        let count = header.headerByteCount + payload.count
        let chunk = unsafe chunk(for: count, from: &pool)
        unsafe chunk.append(header)
        unsafe chunk.append(payload)
        byteCount += count
    }

    /// Appends one message in frames of at most so many bytes, which lie together; a copy.
    mutating func append(
        _ opcode: Opcode,
        _ payload: UnsafeRawBufferPointer,
        fragmentByteCountMax: Int,
        from pool: inout OutputPool
    ) {
        let starts = stride(from: 0, to: max(1, payload.count), by: fragmentByteCountMax)
        func header(at start: Int) -> FrameHeader {
            FrameHeader(
                isFinal: payload.count - start <= fragmentByteCountMax,
                opcode: start == 0 ? opcode : .continuation,
                payloadByteCount: UInt64(min(payload.count - start, fragmentByteCountMax))
            )
        }
        let count = starts.reduce(payload.count) { $0 + header(at: $1).headerByteCount }
        let chunk = unsafe chunk(for: count, from: &pool)
        for start in starts {
            let header = header(at: start)
            let end = start + Int(header.payloadByteCount)
            unsafe chunk.append(header)
            unsafe chunk.append(UnsafeRawBufferPointer(rebasing: payload[start..<end]))
        }
        byteCount += count
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
        unsafe chunk.append(bytes)
        unsafe chunk.append(more)
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
        guard let head = unsafe head else {
            unsafe append(header, payload, from: &pool)
            return
        }
        if let waiting = unsafe waitingPong {
            byteCount -= unsafe waiting.byteCount
            unsafe waiting.clear()
        } else {
            let chunk = unsafe pool.take(FrameHeader.byteCountMax + 125)
            unsafe chunk.pointee.next = head.pointee.next
            unsafe head.pointee.next = chunk
            if unsafe tail == head { unsafe tail = chunk }
            unsafe waitingPong = chunk
        }
        guard let waiting = unsafe waitingPong else { return }
        unsafe waiting.append(header)
        unsafe waiting.append(payload)
        byteCount += unsafe waiting.byteCount
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
    func fill(_ parts: UnsafeMutableBufferPointer<UnsafeRawBufferPointer>) -> Int {
        var count = 0
        var next = unsafe head
        while let chunk = unsafe next, count < parts.count {
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
            if unsafe chunk == waitingPong { unsafe waitingPong = nil }
            let taken = unsafe min(rest, chunk.byteCount)
            unsafe chunk.pointee.start += taken
            rest -= taken
            if unsafe chunk.byteCount == 0 {
                unsafe head = chunk.pointee.next
                if unsafe head == nil { unsafe tail = nil }
                unsafe pool.give(chunk)
            }
        }
    }

    /// Gives all memory back; the bytes are lost.
    mutating func removeAll(to pool: inout OutputPool) {
        removeFirst(byteCount, to: &pool)
    }

    /// The last chunk if the frame fits behind its frames, else a new one.
    private mutating func chunk(for count: Int, from pool: inout OutputPool) -> OutputChunkPointer {
        if let tail = unsafe tail, unsafe tail.room >= count, unsafe tail != waitingPong {
            return unsafe tail
        }
        let chunk = unsafe pool.take(count)
        if let tail = unsafe tail {
            unsafe tail.pointee.next = chunk
        } else {
            unsafe head = chunk
        }
        unsafe tail = chunk
        return unsafe chunk
    }
}
