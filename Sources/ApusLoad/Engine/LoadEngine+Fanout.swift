// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec

/// One connection publishes, all others (and it itself, if the server does so) get what it sends.
extension LoadEngine {
    /// A message of the publisher, with the time at which it was sent or, of an open model, due.
    func publication(_ sequence: UInt64, _ connection: ConnectionReference) -> Message {
        let times = connection.state.times[sequence]
        var stamp = !isOpenModel ? times.sent : times.intended
        if sequence == lastPublication { stamp = Audience.lastStamp }
        return pattern.message(sequence, from: connection.state.origin, stamp: stamp)
    }

    /// So many messages were published; nil where another process knows.
    private var publishedCount: UInt64? {
        plan.isPublishing ? table[0].state.cursor.begunCount : nil
    }

    @inline(__always)
    mutating func takeDelivery(
        _ payload: UnsafeRawBufferPointer,
        _ isOurKind: Bool,
        on connection: ConnectionReference
    ) {
        guard isOurKind, payload.count >= 16 else {
            takeCorruptedDelivery(on: connection)
            return
        }
        let stamp = SixBits.number(
            UInt64(littleEndian: unsafe payload.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        )
        let next = connection.state.replies.window.next
        let message = pattern.message(next, from: connection.state.replies.origin, stamp: stamp)
        if message.byteCount == payload.count, unsafe message.matches(payload) {
            delivered(next, stamp: stamp, byteCount: payload.count, on: connection)
        } else {
            unsafe takeOddDelivery(payload, stamp: stamp, on: connection)
        }
    }

    @inline(never)
    private mutating func takeOddDelivery(
        _ payload: UnsafeRawBufferPointer,
        stamp: UInt64,
        on connection: ConnectionReference
    ) {
        let next = connection.state.replies.window.next
        guard
            let sequence = unsafe connection.state.replies.origin.sequence(in: payload, near: next),
            connection.state.replies.isCredible(sequence, publishedCount: publishedCount)
        else {
            takeCorruptedDelivery(on: connection)
            return
        }
        let message = pattern.message(sequence, from: connection.state.replies.origin, stamp: stamp)
        if message.byteCount == payload.count, unsafe message.matches(payload) {
            delivered(sequence, stamp: stamp, byteCount: payload.count, on: connection)
        } else {
            takeCorruptedDelivery(on: connection)
        }
    }

    /// One that came in pieces.
    mutating func takeDelivery(_ whole: PartialMessage, on connection: ConnectionReference) {
        guard whole.isIntact, let sequence = whole.sequence,
            connection.state.replies.isCredible(sequence, publishedCount: publishedCount)
        else {
            takeCorruptedDelivery(on: connection)
            return
        }
        delivered(sequence, stamp: whole.stamp, byteCount: whole.byteCount, on: connection)
    }

    /// One that is not what was sent stands for the next one, if there can be a next one by now.
    private mutating func takeCorruptedDelivery(on connection: ConnectionReference) {
        let next = connection.state.replies.window.next
        let isPublished = publishedCount.map { next < $0 } ?? (now >= beginning)
        guard isPublished else {
            noteUnexpected()
            return
        }
        report.corrupted += 1
        connection.state.replies.window.receivedNext()
        reached(next..<next + 1, on: connection)
    }

    private mutating func delivered(
        _ sequence: UInt64,
        stamp: UInt64,
        byteCount: Int,
        on connection: ConnectionReference
    ) {
        let next = connection.state.replies.window.next
        switch connection.state.replies.window.received(sequence) {
        case .inOrder, .ahead:
            reached(next..<sequence + 1, on: connection)
        case .reordered:
            report.reordered += 1
        case .duplicated:
            report.duplicated += 1
            return
        }
        guard stamp != Audience.lastStamp else {
            connection.state.isProven = true
            return
        }
        if isMeasuring {
            report.messages &+= 1
            report.payloadBytes &+= UInt64(truncatingIfNeeded: byteCount)
        }
        let latency = (now &- stamp) & SixBits.numberMask
        guard now &- latency >= measuredFrom else { return }
        recorder.record(latency)
        if isOpenModel { recorder.recordFromIntended(latency) }
    }

    private mutating func reached(
        _ sequences: Range<UInt64>,
        on connection: ConnectionReference
    ) {
        guard audience != nil, connection.state.slot != 0 else { return }
        audience?.reached(sequences)
        let publisher = table[0]
        if let due = audience?.due, due > publisher.state.due, phase == .running {
            table.markDirty(publisher)
        }
    }

    /// Publishes what tells all subscribers, also of other processes, that there is nothing more.
    mutating func publishLast() {
        let publisher = table[0]
        guard plan.isPublishing, publisher.state.stage == .open else { return }
        let sequence = publisher.state.due
        guard publisher.state.times.reserve(publisher.state.cursor.sequence, sequence + 1) else {
            return
        }
        publisher.state.times[sequence] = SendTimes.Times(intended: now, sent: now)
        lastPublication = sequence
        publisher.state.due = sequence + 1
        table.markDirty(publisher)
    }
}
