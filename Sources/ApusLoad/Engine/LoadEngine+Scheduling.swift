// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Which messages are due, and what is noted when they are sent.
extension LoadEngine {
    /// Messages that a turn takes from the schedule.
    private static var dueCountMax: Int { 4096 }
    /// Later than this is too late to blame the server.
    private static var latenessMax: UInt64 { 1_000_000 }

    /// Whether replies make way for the next messages.
    @inline(__always)
    var isSendingAtReplies: Bool { isClosedModel && phase == .running }

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

    /// Of a closed model, what may be under way.
    @inline(__always)
    mutating func raiseDue(_ connection: ConnectionReference) {
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

    /// The message of a sequence number, which is handed over at `time`.
    @inline(__always)
    mutating func message(
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
        guard plan.mode == .fanout else { return connection.state.replies.window.next }
        // Who publishes may get nothing back.
        let unsent = connection.state.cursor.sequence
        return min(unsent, audience?.front ?? unsent)
    }
}
