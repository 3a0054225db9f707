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
    /// Messages that a turn takes from the schedule.
    private static var dueCountMax: Int { 4096 }
    /// Later than this is too late to blame the server.
    private static var latenessMax: UInt64 { 1_000_000 }

    /// Whether replies make way for the next messages.
    @inline(__always)
    var isSendingAtReplies: Bool { isClosedModel && phase == .running }

    /// Whether frames are so large, or so many, that each send is a system call of its own.
    static func sendsAtOnce(_ plan: LoadPlan) -> Bool {
        plan.pattern.sizes.upperBound > smallByteCountMax || plan.mode == .upload
    }

    /// Gives messages that are due by now to the connections, in turn.
    mutating func sendWhatIsDue() {
        guard phase == .running, now >= beginning else { return }
        // A turn has an end, also where more is due than can be sent.
        for _ in 0..<Self.dueCountMax {
            guard let intended = pacer?.takeDue(at: min(now, measuredTo - 1)) else { return }
            guard let connection = nextToSend() else { return }
            let sequence = connection.state.due
            if plan.mode == .idle, sequence > 0 {
                // Each had its ping.
                pacer = nil
                return
            }
            guard connection.state.times.reserve(oldestKept(connection), sequence + 1)
            else {
                // The server took and answered none of a million.
                report.errors["unsent", default: 0] += 1
                continue
            }
            connection.state.times[sequence] = SendTimes.Times(intended: intended, sent: 0)
            connection.state.due = sequence + 1
            table.markDirty(connection)
        }
    }

    /// Whose turn it is; nil if nobody can send.
    private mutating func nextToSend() -> ConnectionReference? {
        for _ in 0..<table.count {
            let connection = table[nextSender]
            nextSender = plan.isPublishing || nextSender + 1 == table.count ? 0 : nextSender + 1
            if connection.state.stage == .open { return connection }
            if plan.isPublishing { return nil }
        }
        return nil
    }

    /// Sends what the turn brought about.
    mutating func flush() {
        let count = table.dirtyCount
        guard count > 0 else { return }
        let time = apus_clock_monotonic()
        var used = 0
        var keptCount = 0
        var index = 0
        while index < count, used + OutputMemory.shareByteCount <= OutputMemory.byteCount {
            let connection = table.dirty(at: index)
            index += 1
            if connection.state.isWritable {
                raiseDue(connection)
                if connection.state.hasOutput {
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

    /// Of a closed model, what may be under way.
    @inline(__always)
    private mutating func raiseDue(_ connection: ConnectionReference) {
        guard plan.mode != .upload else {
            raiseUpload(connection)
            return
        }
        guard isSendingAtReplies, connection.state.stage == .open else { return }
        let due: UInt64
        switch plan.mode {
        case .echo, .pingpong:
            due = connection.state.replies.window.next &+ UInt64(truncatingIfNeeded: plan.inflight)
        case .fanout:
            due = connection.state.slot == 0 ? audience?.due ?? 0 : 0
        case .idle, .churn, .upload:
            return
        }
        connection.state.due = max(connection.state.due, due)
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
            let control = ControlOutput()
            control.isBegun = taken > 0
            control.bytes = unsafe Array(rest)
            if let later = connection.state.control { control.bytes += later.bytes }
            connection.state.control = control
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
            let result = unsafe sendNow(bytes, on: connection.state.socket)
            if result < 0, Verdict.ofSend(errno: Int32(-result)) != .retry {
                lose(connection, LoadFailureKind.of(errno: Int32(-result)))
                return
            }
            let taken = max(0, result)
            budget -= taken
            if taken < controlByteCount {
                let control = ControlOutput()
                control.isBegun = taken > 0
                control.bytes = unsafe Array(bytes[taken..<controlByteCount])
                connection.state.control = control
            } else {
                advance(connection, by: taken - controlByteCount)
            }
            guard taken == bytes.count else {
                awaitWritable(connection)
                return
            }
        }
        if connection.state.cursor.sequence == connection.state.due {
            connection.state.wasBlocked = false
        }
    }

    private func sendNow(_ bytes: UnsafeRawBufferPointer, on socket: Int32) -> Int {
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

    private mutating func awaitWritable(_ connection: ConnectionReference) {
        connection.state.isAwaitingWritable = true
        connection.state.wasBlocked = true
        ring.awaitWritable(connection.state.socket, tag: connection.state.tag(.writable))
    }

    mutating func becameWritable(_ connection: ConnectionReference) {
        connection.state.isAwaitingWritable = false
        if connection.state.stage == .dropping {
            release(connection)
        } else {
            table.markDirty(connection)
        }
    }

    /// The message of a sequence number, which is handed over at `time`.
    @inline(__always)
    private mutating func message(
        _ sequence: UInt64,
        _ connection: ConnectionReference,
        at time: UInt64
    ) -> Message {
        if plan.mode == .upload { return pattern.message(sequence, from: connection.state.origin) }
        let cursor = connection.state.cursor
        if sequence != cursor.sequence || cursor.offset == 0 {
            stamp(sequence, connection, at: time)
        }
        if plan.mode == .fanout { return publication(sequence, connection) }
        return pattern.message(sequence, from: connection.state.origin)
    }

    @inline(__always)
    private mutating func stamp(
        _ sequence: UInt64,
        _ connection: ConnectionReference,
        at time: UInt64
    ) {
        if !isOpenModel {
            // Messages under way are few, and so are the times that are kept.
            _ = connection.state.times.reserve(oldestKept(connection), sequence + 1)
            connection.state.times[sequence] = SendTimes.Times(intended: 0, sent: time)
        } else {
            connection.state.times[sequence].sent = time
            let intended = connection.state.times[sequence].intended
            if time > intended &+ Self.latenessMax, intended >= measuredFrom,
                !connection.state.wasBlocked
            {
                report.missedDeadlines += 1
            }
        }
        if plan.mode == .fanout { audience?.published(sequence) }
    }

    /// The first message whose times are still wanted.
    @inline(__always)
    private func oldestKept(_ connection: ConnectionReference) -> UInt64 {
        // Who publishes may get nothing back.
        plan.mode == .fanout
            ? connection.state.cursor.sequence : connection.state.replies.window.next
    }
}
