// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec

/// Messages that come in pieces: large ones, those cut by the end of a buffer, and fragmented ones.
extension LoadEngine {
    /// Compares a piece with what the message is to be by its first bytes.
    mutating func takePart(
        _ part: MessagePart,
        _ bytes: UnsafeRawBufferPointer,
        _ isOurKind: Bool,
        on connection: ConnectionReference
    ) {
        guard plan.mode != .upload else { return }
        let partial = unsafe self.partial(of: connection)
        if part.isFirst {
            unsafe partial.pointee.beginMessage()
            unsafe partial.pointee.isIntact = isOurKind
        }
        let stream = connection.state.replies.origin
        let sequence = connection.state.replies.window.next
        unsafe partial.pointee.take(bytes, isLast: part.isLast) { head in
            unsafe stream.sequence(in: head, near: sequence)
        } message: { [pattern, mode = plan.mode] sequence, second in
            mode == .fanout
                ? pattern.message(sequence, from: stream, stamp: second)
                : pattern.message(sequence, from: stream)
        }
        guard part.isLast else { return }
        let whole = unsafe partial.pointee
        guard plan.mode != .fanout else {
            takeDelivery(whole, on: connection)
            return
        }
        let begunCount = connection.state.cursor.begunCount
        let reply: Reply
        if whole.isIntact, let sequence = whole.sequence {
            reply = connection.state.replies.take(sequence, begunCount: begunCount)
        } else {
            reply = connection.state.replies.takeCorrupted(begunCount: begunCount)
        }
        takeOdd(reply, byteCount: whole.byteCount, on: connection)
    }

    mutating func takeControl(
        _ event: DecodedEvent,
        _ decoder: MessageDecoder,
        in bytes: Span<UInt8>,
        on connection: ConnectionReference
    ) {
        switch event {
        case .ping(let payload):
            guard connection.state.stage == .open else { return }
            decoder.withBytes(of: payload, in: bytes) { payload in
                appendControl(.pong, payload, on: connection)
            }
        case .pong(let payload):
            decoder.withBytes(of: payload, in: bytes) { payload in
                unsafe payload.withUnsafeBytes { payload in
                    unsafe takePong(payload, on: connection)
                }
            }
        case .close(let code, reason: _):
            peerClosed(connection, code)
        case .messagePart:
            break
        }
    }

    private mutating func takePong(
        _ payload: UnsafeRawBufferPointer,
        on connection: ConnectionReference
    ) {
        switch plan.mode {
        case .idle, .pingpong:
            unsafe takeReply(payload, true, on: connection)
        case .upload:
            unsafe takeProof(payload, on: connection)
        case .echo, .churn, .fanout:
            // Anybody may send a pong, RFC 6455 §5.5.3.
            break
        }
    }
}

extension PartialMessage {
    /// The second word of a message that is stamped.
    var stamp: UInt64 { SixBits.number(UInt64(littleEndian: head.1)) }

    /// Compares the next bytes; the first sixteen, or as many as there are, tell what to expect.
    mutating func take(
        _ bytes: UnsafeRawBufferPointer,
        isLast: Bool,
        sequence: (UnsafeRawBufferPointer) -> UInt64?,
        message: (_ sequence: UInt64, _ second: UInt64) -> Message
    ) {
        var rest = unsafe bytes[...]
        let headCount = MemoryLayout.size(ofValue: head)
        if byteCount < headCount {
            let taken = min(headCount - byteCount, bytes.count)
            unsafe withUnsafeMutableBytes(of: &head) { head in
                unsafe UnsafeMutableRawBufferPointer(rebasing: head[byteCount...])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<taken]))
            }
            byteCount += taken
            unsafe rest = rest.dropFirst(taken)
            guard byteCount == headCount || isLast else { return }
            let known = byteCount
            unsafe withUnsafeBytes(of: head) { head in
                let head = unsafe UnsafeRawBufferPointer(rebasing: head[..<known])
                self.sequence = unsafe sequence(head)
            }
            if let number = self.sequence {
                let expected = message(number, stamp)
                unsafe withUnsafeBytes(of: head) { head in
                    let head = unsafe UnsafeRawBufferPointer(rebasing: head[..<known])
                    if unsafe !expected.matches(head) { isIntact = false }
                }
            }
        }
        guard isIntact, let number = self.sequence else {
            byteCount += unsafe rest.count
            return
        }
        let expected = message(number, stamp)
        let remaining = unsafe UnsafeRawBufferPointer(rebasing: rest)
        isIntact = unsafe expected.matches(remaining, at: byteCount)
        byteCount += remaining.count
        if isLast, byteCount != expected.byteCount { isIntact = false }
    }
}
