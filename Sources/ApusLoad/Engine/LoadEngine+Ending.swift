// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusRing

/// How connections end, and what is told of it.
extension LoadEngine {
    /// How long a server has to end the transport once both have closed.
    private static var lingeringNanosecondsMax: UInt64 { 1_000_000_000 }

    /// Puts a control frame before the next message.
    mutating func appendControl(
        _ opcode: Opcode,
        _ payload: Span<UInt8>,
        on connection: ConnectionReference
    ) {
        let control = connection.state.control ?? ControlOutput()
        connection.state.control = control
        let key = MaskingKey(wireOrder: UInt32(truncatingIfNeeded: Mixer.mix(plan.seed, now)))
        let header = FrameHeader(
            opcode: opcode,
            payloadByteCount: UInt64(payload.count),
            maskingKey: key
        )
        var frame = [UInt8](repeating: 0, count: header.headerByteCount + payload.count)
        var bytes = frame.mutableSpan
        let headerByteCount = header.encode(into: &bytes)
        for index in 0..<payload.count { bytes[headerByteCount + index] = payload[index] }
        key.apply(to: &bytes, range: headerByteCount..<bytes.count)
        if opcode == .pong { control.append(pong: frame) } else { control.append(frame) }
        table.markDirty(connection)
    }

    /// Copies the control frames that wait to the output memory, where they count as sent.
    func moveControl(
        of connection: ConnectionReference,
        to target: UnsafeMutableRawPointer
    ) -> Int {
        guard let control = connection.state.control else { return 0 }
        connection.state.control = nil
        let waiting = control.bytes
        precondition(waiting.count <= OutputMemory.controlByteCountMax, "\(waiting.count) B wait")
        connection.state.flight.controlByteCount = waiting.count
        unsafe waiting.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            unsafe target.copyMemory(from: start, byteCount: bytes.count)
        }
        return waiting.count
    }

    /// Our Close, after which nothing else is sent.
    mutating func beginClose(_ connection: ConnectionReference) {
        guard connection.state.stage == .open else { return }
        leaveOpen(connection)
        connection.state.stage = .closing
        connection.state.since = now
        connection.state.due = connection.state.cursor.begunCount
        let payload: [UInt8] = [0x03, 0xE8]
        appendControl(.close, payload.span, on: connection)
    }

    /// The server's Close: the answer to ours, or an end that nobody asked for.
    mutating func peerClosed(_ connection: ConnectionReference, _ code: CloseCode) {
        if connection.state.stage == .open {
            account(for: connection)
            report.errors["close \(code.rawValue)", default: 0] += 1
            leaveOpen(connection)
            let hasCode = code != .noStatusReceived
            let payload =
                hasCode
                ? [UInt8(code.rawValue >> 8), UInt8(truncatingIfNeeded: code.rawValue)] : []
            connection.state.due = connection.state.cursor.begunCount
            appendControl(.close, payload.span, on: connection)
            connection.state.stage = .closing
            connection.state.isProven = true
        }
        // It is for the server to end the transport, RFC 6455 §7.1.1; our answer may still wait.
        let hasHeld = connection.state.secure?.held.isEmpty == false
        if connection.state.control == nil, !hasHeld { connection.state.stage = .lingering }
        connection.state.since = now
    }

    /// The transport ended; with a negative `errno` it did in order.
    mutating func ended(_ connection: ConnectionReference, errno: Int32) {
        guard errno <= 0 || Verdict.ofReceive(errno: errno) != .retry else { return }
        fail(connection, errno <= 0 ? "closed" : LoadFailureKind.of(errno: errno))
    }

    /// Gives up a connection, wherever it stands.
    mutating func fail(_ connection: ConnectionReference, _ kind: String) {
        switch connection.state.stage {
        case .connecting, .securing, .upgrading:
            failOpening(connection, kind)
        case .open, .closing, .lingering:
            lose(connection, kind)
        case .dropping, .free:
            break
        }
    }

    /// A connection is lost in the midst of the run.
    mutating func lose(_ connection: ConnectionReference, _ kind: String) {
        guard connection.state.stage == .open else {
            drop(connection)
            return
        }
        report.errors[kind, default: 0] += 1
        account(for: connection)
        leaveOpen(connection)
        drop(connection)
    }

    private mutating func leaveOpen(_ connection: ConnectionReference) {
        openCount -= 1
        guard audience != nil, connection.state.slot != 0 else { return }
        audience?.lost(next: connection.state.replies.window.next)
        table.markDirty(table[0])
    }

    /// What a connection whose end has come has not got.
    mutating func account(for connection: ConnectionReference) {
        let window = connection.state.replies.window
        switch plan.mode {
        case .echo, .idle, .pingpong, .churn, .upload:
            let begunCount = connection.state.cursor.begunCount
            report.lost += connection.state.replies.missingCount(of: begunCount)
            let unsentCount = connection.state.due - min(connection.state.due, begunCount)
            if isOpenModel, unsentCount > 0 { report.errors["unsent", default: 0] += unsentCount }
        case .fanout:
            // A publisher that got nothing back was not meant to.
            guard !isPublisher(connection) || window.next > 0 else { return }
            report.lost += window.missingCount
            guard hasBegun, !connection.state.isProven else { return }
            let publishedCount = plan.isPublishing ? table[0].state.cursor.begunCount : 0
            report.lost += max(1, publishedCount - min(publishedCount, window.next))
        }
    }

    /// Ends the transport; the descriptor is closed once nothing is in flight on it.
    mutating func drop(_ connection: ConnectionReference) {
        guard connection.state.socket >= 0 else {
            release(connection)
            return
        }
        if connection.state.stage == .connecting {
            let tag = connection.state.tag(.cancel)
            ring.cancel(connection.state.tag(.connect), tag: tag)
            connection.state.stage = .dropping
            return
        }
        connection.state.stage = .dropping
        if tls != nil { endTLS(on: connection) }
        if connection.state.isReceiving || connection.state.isAwaitingWritable {
            ring.shutdownBoth(connection.state.socket)
        } else {
            release(connection)
        }
    }

    /// Closes the descriptor of a connection that is over, if nothing is in flight on it.
    mutating func release(_ connection: ConnectionReference) {
        guard !connection.state.isReceiving, !connection.state.isAwaitingWritable else { return }
        if connection.state.socket >= 0 {
            ring.close(connection.state.socket)
            liveCount -= 1
        }
        connection.state.end()
        if plan.mode == .churn { unopened.append(connection.state.slot) }
    }

    /// Looks for what takes too long.
    mutating func giveUpLate() {
        let timeout = plan.timeoutNanoseconds
        for slot in 0..<table.count {
            let connection = table[slot]
            switch connection.state.stage {
            case .connecting, .securing, .upgrading:
                if connection.state.since + timeout <= now { failOpening(connection, "timeout") }
            case .open:
                if plan.mode == .fanout {
                    giveUpDeliveries(of: connection)
                } else {
                    giveUpReplies(connection)
                }
            case .closing:
                guard connection.state.since + timeout <= now else { continue }
                if phase != .closing { report.errors["timeout", default: 0] += 1 }
                drop(connection)
            case .lingering:
                if connection.state.since + Self.lingeringNanosecondsMax <= now { drop(connection) }
            case .free, .dropping:
                break
            }
        }
    }

    /// A reply that does not come must not hold up those behind it for ever.
    private mutating func giveUpReplies(_ connection: ConnectionReference) {
        guard plan.mode != .upload, phase == .running else { return }
        let next = connection.state.replies.window.next
        let sequence = endOfLate(connection, from: next)
        guard sequence > next else { return }
        for late in next..<sequence {
            overdue.add(late, of: connection.state.slot, connection.state.times[late])
        }
        connection.state.replies.window.passOver(upTo: sequence)
        if plan.mode == .churn {
            lose(connection, "timeout")
        } else {
            table.markDirty(connection)
        }
    }

    /// Nor must a delivery that does not come hold up the publisher.
    ///
    /// Whether it is lost shows at the subscriber, by what comes behind it.
    private mutating func giveUpDeliveries(of connection: ConnectionReference) {
        guard isPublisher(connection), phase == .running else { return }
        guard let front = audience?.front else { return }
        let sequence = endOfLate(connection, from: front)
        guard sequence > front else { return }
        audience?.passOver(upTo: sequence)
        table.markDirty(connection)
    }

    /// Behind the last message, from one on, that was sent longer ago than the timeout.
    private func endOfLate(_ connection: ConnectionReference, from start: UInt64) -> UInt64 {
        let end = connection.state.cursor.sequence
        var sequence = start
        while sequence < end {
            let sent = connection.state.times[sequence].sent
            guard sent + plan.timeoutNanoseconds <= now else { break }
            sequence += 1
        }
        return sequence
    }
}
