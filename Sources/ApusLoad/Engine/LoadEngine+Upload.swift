// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec

/// Messages in blocks, each with a ping behind it. The pong proves that the server has taken the
/// block; what only lies in buffers of kernels does not count.
extension LoadEngine {
    private static var blockByteCount: Int { 1 << 16 }
    /// Blocks that may be under way without an answer.
    private static var blockCountMax: UInt64 { 16 }

    private var blockMessageCount: UInt64 {
        let average = (pattern.sizes.lowerBound + pattern.sizes.upperBound) / 2
        return UInt64(max(1, Self.blockByteCount / (average + FrameHeader.byteCountMax)))
    }

    /// At the end of a block: its ping, and the next block if it may go.
    mutating func raiseUpload(_ connection: ConnectionReference) {
        let due = connection.state.due
        guard connection.state.stage == .open, connection.state.cursor.sequence == due else {
            return
        }
        let takenCount = connection.state.replies.window.next
        // At a rate one ping after the other, so that few messages are not as many pings.
        if connection.state.pinged < due, isClosedModel || takenCount == connection.state.pinged {
            connection.state.pinged = due
            let payload = [due, now].flatMap { number in
                unsafe withUnsafeBytes(of: number.littleEndian) { unsafe Array($0) }
            }
            appendControl(.ping, payload.span, on: connection)
        }
        let count = blockMessageCount
        if isClosedModel, phase == .running, due - takenCount < Self.blockCountMax * count {
            connection.state.due = due + count
        }
    }

    /// The server has taken all that was sent before the ping that this answers.
    mutating func takeProof(
        _ payload: UnsafeRawBufferPointer,
        on connection: ConnectionReference
    ) {
        let wordByteCount = MemoryLayout<UInt64>.size
        guard payload.count == 2 * wordByteCount else { return }
        let end = unsafe UInt64(littleEndian: payload.loadUnaligned(as: UInt64.self))
        let sent = unsafe UInt64(
            littleEndian: payload.loadUnaligned(fromByteOffset: wordByteCount, as: UInt64.self)
        )
        let start = connection.state.replies.window.next
        guard end > start, end <= connection.state.pinged, sent <= now else { return }
        connection.state.replies.window.passOver(upTo: end)
        connection.state.replies.window.forgiveGaps()
        if isMeasuring {
            report.messages += end - start
            for sequence in start..<end {
                let message = pattern.message(sequence, from: connection.state.origin)
                report.payloadBytes += UInt64(message.byteCount)
            }
        }
        if sent >= measuredFrom { recorder.record(now - sent) }
        table.markDirty(connection)
    }
}
