// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusRing
import CApusSystem
import Glibc

extension LoadEngine {
    /// Messages over this long are sent at once in pieces, so that they lie in a cache.
    private static var smallByteCountMax: Int { 8192 }
    /// Pieces of large messages.
    private static var pieceByteCount: Int { 1 << 17 }
    /// What a connection may send at once in a turn, so that others have theirs.
    private static var budgetByteCount: Int { 1 << 18 }

    /// Whether frames are so large, or so many, that each send is a system call of its own.
    static func sendsAtOnce(_ plan: LoadPlan) -> Bool {
        plan.pattern.sizes.upperBound > smallByteCountMax || plan.mode == .upload
    }

    /// Sends what the turn brought about.
    mutating func flush() {
        let count = table.dirtyCount
        guard count > 0 else { return }
        var used = 0
        var keptCount = 0
        var index = 0
        while index < count, used + OutputMemory.shareByteCount <= OutputMemory.byteCount {
            let connection = table.dirty(at: index)
            index += 1
            if connection.state.isWritable {
                raiseDue(connection)
                if connection.state.hasOutput {
                    // The sends before it took time, of which the server knows nothing.
                    let time = apus_clock_monotonic()
                    if sendsAtOnce {
                        sendPieces(connection, at: time)
                        if plan.mode == .upload { raiseUpload(connection) }
                    } else {
                        sendByRing(connection, at: time, &used)
                    }
                    if connection.state.isWritable, connection.state.hasOutput {
                        table.keepDirty(connection, at: keptCount)
                        keptCount += 1
                        continue
                    }
                }
            }
            connection.state.isDirty = false
        }
        table.removeDirty(keptCount..<index)
    }

    /// Small frames: all of a connection's in one send, which goes out with the next wait where they
    /// are several.
    @inline(__always)
    private mutating func sendByRing(
        _ connection: ConnectionReference,
        at time: UInt64,
        _ used: inout Int
    ) {
        let start = unsafe output.start + used
        var end = unsafe start
        let limit = unsafe start + OutputMemory.shareByteCount - 2 * Self.smallByteCountMax
        let skip = connection.state.cursor.offset
        connection.state.flight = LoadConnection.Flight(
            cursor: connection.state.cursor,
            start: used
        )
        var sequence = connection.state.cursor.sequence
        var due = connection.state.due
        if connection.state.control != nil {
            if skip == 0 {
                unsafe end += moveControl(of: connection, to: start)
            } else {
                // It goes out behind the frame that was begun.
                due = sequence + 1
            }
        }
        while sequence < due, unsafe end < limit {
            unsafe end += frames.write(message(sequence, connection, at: time), to: end)
            sequence &+= 1
        }
        connection.state.cursor = OutputCursor(sequence: sequence, offset: 0)
        if sequence == connection.state.due { connection.state.wasBlocked = false }
        let bytes = unsafe UnsafeRawBufferPointer(start: start + skip, count: end - start - skip)
        if sequence &- connection.state.flight.cursor.sequence <= 1 {
            // A single message costs less by a system call of its own, several cost more.
            let result = unsafe sendNow(bytes, on: connection.state.socket)
            if result != bytes.count { sentShort(connection, Int32(result)) }
        } else {
            unsafe ring.send(
                bytes,
                on: connection.state.socket,
                tag: connection.state.tag(.send)
            )
        }
        // Behind the words that were written beyond the end.
        used += unsafe (end - start + 63 + OutputFrames.slackByteCount) & ~63
    }

    /// The send of this turn took fewer bytes than it was given, or none.
    mutating func sentShort(_ connection: ConnectionReference, _ result: Int32) {
        guard connection.state.isWritable else { return }
        if result < 0, Verdict.ofSend(errno: -result) != .retry {
            lose(connection, LoadFailureKind.of(errno: -result))
            return
        }
        let flight = connection.state.flight
        let taken = max(0, Int(result))
        connection.state.cursor = flight.cursor
        if taken < flight.controlByteCount {
            let rest = unsafe UnsafeRawBufferPointer(
                start: output.start + flight.start + taken,
                count: flight.controlByteCount - taken
            )
            putBack(unsafe Array(rest), on: connection)
        } else {
            advance(connection, by: taken - flight.controlByteCount)
        }
        awaitWritable(connection)
    }

    /// Large frames, and those of upload: a piece after the other, until the kernel takes no more.
    private mutating func sendPieces(_ connection: ConnectionReference, at time: UInt64) {
        var budget = Self.budgetByteCount
        while budget > 0, connection.state.hasOutput {
            let start = unsafe output.start
            var skip = connection.state.cursor.offset
            var count = 0
            var controlByteCount = 0
            var end = connection.state.cursor
            var due = connection.state.due
            if connection.state.control != nil {
                if skip == 0 {
                    controlByteCount = unsafe moveControl(of: connection, to: start)
                    count = controlByteCount
                } else {
                    due = end.sequence + 1
                }
            }
            let isFirst = count == 0
            while end.sequence < due, count + 64 <= Self.pieceByteCount {
                let message = message(end.sequence, connection, at: time)
                let piece = unsafe frames.write(
                    message,
                    from: end.offset,
                    to: start + count,
                    capacity: Self.pieceByteCount - count
                )
                if end == connection.state.cursor, isFirst { skip = piece.skip }
                count += piece.count + (end == connection.state.cursor ? piece.skip : 0)
                end.offset += piece.count
                guard end.offset == frames.byteCount(message) else { break }
                end = OutputCursor(sequence: end.sequence + 1)
            }
            let bytes = unsafe UnsafeRawBufferPointer(start: start + skip, count: count - skip)
            let result =
                unsafe tls == nil
                ? sendNow(bytes, on: connection.state.socket) : seal(bytes, on: connection)
            if result < 0, Verdict.ofSend(errno: Int32(-result)) != .retry {
                lose(connection, LoadFailureKind.of(errno: Int32(-result)))
                return
            }
            let taken = max(0, result)
            budget -= taken
            if taken < controlByteCount {
                putBack(unsafe Array(bytes[taken..<controlByteCount]), on: connection)
            } else {
                advance(connection, by: taken - controlByteCount)
            }
            guard taken == bytes.count else {
                awaitWritable(connection)
                return
            }
            // Records are held.
            guard connection.state.isWritable else { return }
        }
        if connection.state.cursor.sequence == connection.state.due {
            connection.state.wasBlocked = false
        }
    }

    /// Control frames, or parts of them, that were not taken.
    private func putBack(_ bytes: [UInt8], on connection: ConnectionReference) {
        let control = connection.state.control ?? ControlOutput()
        connection.state.control = control
        control.putBack(bytes)
    }

    func sendNow(_ bytes: UnsafeRawBufferPointer, on socket: Int32) -> Int {
        unsafe withUnsafePointer(to: bytes) { part in
            unsafe ring.sendNow(UnsafeBufferPointer(start: part, count: 1), on: socket)
        }
    }

    /// So many bytes of messages were taken.
    private mutating func advance(_ connection: ConnectionReference, by byteCount: Int) {
        let pattern = pattern
        let origin = connection.state.origin
        // A stamp changes no length.
        frames.advance(&connection.state.cursor, by: byteCount) { sequence in
            pattern.message(sequence, from: origin)
        }
    }

    mutating func awaitWritable(_ connection: ConnectionReference) {
        connection.state.isAwaitingWritable = true
        connection.state.wasBlocked = true
        ring.awaitWritable(connection.state.socket, tag: connection.state.tag(.writable))
    }

    mutating func becameWritable(_ connection: ConnectionReference) {
        connection.state.isAwaitingWritable = false
        if connection.state.stage == .dropping {
            release(connection)
        } else {
            if tls != nil { sendHeld(of: connection) }
            table.markDirty(connection)
        }
    }
}
