// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Output of a connection with TLS: frames wait as plaintext, and are encrypted when they are sent.
///
/// So messages can be dropped for as long as they wait. What was encrypted and not taken by the
/// kernel is sealed: it has to go out as it is, before anything else, so it is first in the queue.
extension OutputQueue {
    /// Whether ciphertext waits, which is first then.
    var isSealed: Bool {
        if let head = unsafe head { unsafe head.isSealed } else { false }
    }

    /// Appends ciphertext to that which waits; a copy.
    mutating func appendSealed(_ bytes: UnsafeRawBufferPointer, from pool: inout OutputPool) {
        guard unsafe !bytes.isEmpty else { return }
        byteCount += bytes.count
        let last = unsafe lastSealed
        if let last = unsafe last, unsafe last.room >= bytes.count {
            unsafe last.append(bytes)
            return
        }
        // Where some waits already, more will.
        let count = unsafe last == nil ? bytes.count : max(bytes.count, OutputPool.largeByteCount)
        let chunk = unsafe pool.take(count)
        unsafe chunk.append(bytes)
        unsafe chunk.pointee.searchStart = OutputChunk.sealed
        if let last = unsafe last {
            unsafe link(chunk, behind: last)
        } else {
            unsafe linkFirst(chunk)
        }
    }

    /// Forgets what was not encrypted: it can not be any more.
    mutating func removeUnsealed(to pool: inout OutputPool) {
        while let chunk = unsafe lastSealed.map({ unsafe $0.pointee.next }) ?? head {
            let count = unsafe chunk.byteCount
            byteCount -= count
            unsafe removeFirst(count, of: chunk, to: &pool)
        }
    }

    /// The last chunk of ciphertext.
    private var lastSealed: OutputChunkPointer? {
        guard isSealed, var last = unsafe head else { return nil }
        while let next = unsafe last.pointee.next, unsafe next.isSealed { unsafe last = next }
        return unsafe last
    }

    /// The last chunk of which something was sent or sealed, or the first one: what is behind it
    /// begins with a frame that nobody has begun to send.
    var lastBegun: OutputChunkPointer? {
        guard let sealed = unsafe lastSealed else { return unsafe head }
        guard let next = unsafe sealed.pointee.next else { return unsafe sealed }
        // The rest of a frame of which a part is sealed, copied or not, begins with no message.
        let isBegun = unsafe next.pointee.start > 0 || next.pointee.searchStart > 0
        return unsafe isBegun ? next : sealed
    }
}

extension OutputChunkPointer {
    /// Whether it holds ciphertext.
    var isSealed: Bool { unsafe pointee.searchStart == OutputChunk.sealed }
}
