// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusRing

extension LoadEngine {
    /// Bytes, an end or an error of one connection.
    mutating func received(_ completion: Completion) {
        guard let connection = connection(of: completion) else {
            ring.giveBack(completion)
            return
        }
        if !completion.hasMore { connection.state.isReceiving = false }
        let isFed = connection.state.receivedAt == now
        if completion.result > 0 {
            connection.state.receivedAt = now
            if tls == nil {
                unsafe takePlaintext(completion.bytes, from: connection)
            } else {
                unsafe takeRecords(completion.bytes, from: connection)
            }
        } else {
            ended(connection, errno: -completion.result)
        }
        ring.giveBack(completion)
        guard !connection.state.isReceiving else { return }
        if connection.state.stage == .dropping {
            release(connection)
        } else if connection.state.stage != .free {
            connection.state.isReceiving = true
            if isFed {
                fed.append(connection.state.slot)
            } else {
                ring.receive(on: connection.state.socket, tag: connection.state.tag(.receive))
            }
        }
    }

    /// Lets those receive again whose receive ended although they got something in this turn.
    ///
    /// All share the ring's buffers, and a server that sends without end on one connection fills
    /// them all. Who got nothing comes first, or it never would.
    mutating func receiveAgain() {
        for slot in fed {
            let connection = table[Int(slot)]
            ring.receive(on: connection.state.socket, tag: connection.state.tag(.receive))
        }
        fed.removeAll(keepingCapacity: true)
    }

    mutating func takePlaintext(
        _ bytes: UnsafeMutableRawBufferPointer,
        from connection: ConnectionReference
    ) {
        switch connection.state.stage {
        case .open, .closing:
            unsafe readFrames(bytes, from: 0, on: connection)
        case .upgrading:
            if let start = unsafe readResponse(bytes, on: connection), start < bytes.count {
                unsafe readFrames(bytes, from: start, on: connection)
            }
        case .free, .connecting, .securing, .lingering, .dropping:
            break
        }
    }

    private mutating func readFrames(
        _ bytes: UnsafeMutableRawBufferPointer,
        from start: Int,
        on connection: ConnectionReference
    ) {
        var decoder =
            unsafe connection.state.partial.map { unsafe $0.pointee.decoder }
            ?? MessageDecoder(decoderOptions)
        var span = unsafe MutableSpan<UInt8>(_unsafeBytes: bytes)
        var position = start
        while position < span.count {
            let violation = decoder.decode(&span, from: &position, into: &events)
            for index in 0..<events.count {
                if let part = events.messagePart(at: index) {
                    unsafe take(part, of: bytes, on: connection)
                } else {
                    takeControl(events[index], decoder, in: span.span, on: connection)
                    guard connection.state.isReadable else { return }
                }
            }
            guard violation == nil else {
                lose(connection, "protocol")
                return
            }
        }
        if decoder.isIdle {
            if unsafe connection.state.partial != nil { connection.state.forgetPartial() }
        } else {
            unsafe partial(of: connection).pointee.decoder = decoder
        }
    }

    /// What is kept of a message or a frame that comes in pieces.
    func partial(
        of connection: ConnectionReference
    ) -> UnsafeMutablePointer<PartialMessage> {
        if let partial = unsafe connection.state.partial { return unsafe partial }
        let made = UnsafeMutablePointer<PartialMessage>.allocate(capacity: 1)
        unsafe made.initialize(to: PartialMessage(decoder: MessageDecoder(decoderOptions)))
        unsafe connection.state.partial = made
        return unsafe made
    }

    /// What has come of a message; most lie whole in the bytes.
    @inline(__always)
    private mutating func take(
        _ part: MessagePart,
        of bytes: UnsafeMutableRawBufferPointer,
        on connection: ConnectionReference
    ) {
        let payload = unsafe UnsafeRawBufferPointer(rebasing: bytes[part.payload.range])
        let isOurKind = (part.kind == .text) == plan.isText
        if let inflater {
            unsafe takeCompressible(part, payload, isOurKind, by: inflater, on: connection)
        } else {
            unsafe takePlain(part, payload, isOurKind, on: connection)
        }
    }

    @inline(__always)
    mutating func takePlain(
        _ part: MessagePart,
        _ payload: UnsafeRawBufferPointer,
        _ isOurKind: Bool,
        on connection: ConnectionReference
    ) {
        if part.isFirst, part.isLast {
            unsafe takeMessage(payload, isOurKind, on: connection)
        } else {
            unsafe takePart(part, payload, isOurKind, on: connection)
        }
    }

    @inline(__always)
    mutating func takeMessage(
        _ payload: UnsafeRawBufferPointer,
        _ isOurKind: Bool,
        on connection: ConnectionReference
    ) {
        switch plan.mode {
        case .echo, .churn:
            unsafe takeReply(payload, isOurKind, on: connection)
        case .fanout:
            unsafe takeDelivery(payload, isOurKind, on: connection)
        case .upload:
            // A server may answer as it likes.
            break
        case .idle, .pingpong:
            noteUnexpected()
        }
    }

    /// A reply, or a pong, that lies whole in these bytes.
    @inline(__always)
    mutating func takeReply(
        _ payload: UnsafeRawBufferPointer,
        _ isOurKind: Bool,
        on connection: ConnectionReference
    ) {
        let reply = unsafe connection.state.replies.take(
            payload,
            isOurKind: isOurKind,
            begunCount: connection.state.cursor.begunCount,
            pattern: pattern
        )
        if case .next(let sequence) = reply {
            settle(sequence, byteCount: payload.count, on: connection)
        } else {
            takeOdd(reply, byteCount: payload.count, on: connection)
        }
    }

    @inline(never)
    mutating func takeOdd(_ reply: Reply, byteCount: Int, on connection: ConnectionReference) {
        switch reply {
        case .next(let sequence):
            settle(sequence, byteCount: byteCount, on: connection)
        case .ahead(let sequence):
            // A server may answer only the last of several pings, RFC 6455 §5.5.3.
            if plan.opcode == .ping { connection.state.replies.window.forgiveGaps() }
            settle(sequence, byteCount: byteCount, on: connection)
        case .reordered(let sequence):
            if let times = overdue.take(sequence, of: connection.state.slot) {
                report.errors["timeout", default: 0] += 1
                count(byteCount: byteCount)
                record(times)
                afterReply(on: connection)
            } else {
                report.reordered += 1
                settle(sequence, byteCount: byteCount, on: connection)
            }
        case .duplicated:
            report.duplicated += 1
        case .corrupted:
            report.corrupted += 1
            afterReply(on: connection)
        case .unexpected:
            noteUnexpected()
        }
    }

    /// A message that nothing was sent for.
    mutating func noteUnexpected() {
        report.errors["unexpected", default: 0] += 1
    }

    /// Counts a message that has come back, and lets the next one go.
    @inline(__always)
    private mutating func settle(
        _ sequence: UInt64,
        byteCount: Int,
        on connection: ConnectionReference
    ) {
        count(byteCount: byteCount)
        // Of one that was overtaken by more than are kept the time is not known any more.
        if sequence &+ connection.state.times.capacity >= connection.state.due {
            record(connection.state.times[sequence])
        }
        afterReply(on: connection)
    }

    @inline(__always)
    private mutating func count(byteCount: Int) {
        guard isMeasuring else { return }
        report.messages &+= 1
        report.payloadBytes &+= UInt64(truncatingIfNeeded: byteCount)
    }

    /// The latency of a reply that has come now.
    @inline(__always)
    private func record(_ times: SendTimes.Times) {
        if isOpenModel {
            guard times.intended >= measuredFrom else { return }
            recorder.record(now &- times.sent)
            recorder.recordFromIntended(now &- times.intended)
        } else if times.sent >= measuredFrom {
            recorder.record(now &- times.sent)
        }
    }

    /// What a reply makes way for.
    @inline(__always)
    private mutating func afterReply(on connection: ConnectionReference) {
        if isSendingAtReplies {
            table.markDirty(connection)
        } else if plan.mode == .churn {
            beginClose(connection)
        }
    }
}
