// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol

/// Messages that come where compression was agreed on; a server compresses those that it likes to.
extension LoadEngine {
    @inline(never)
    mutating func takeCompressible(
        _ part: MessagePart,
        _ bytes: UnsafeRawBufferPointer,
        _ isOurKind: Bool,
        by inflater: ReplyInflater,
        on connection: ConnectionReference
    ) {
        // A server may answer an upload as it likes.
        guard plan.mode != .upload else { return }
        if isMeasuring { report.compression?.wireBytes += UInt64(bytes.count) }
        if part.isFirst { connection.state.compressed = part.isCompressed ? [] : nil }
        guard connection.state.compressed != nil else {
            if isMeasuring { report.compression?.messageBytes += UInt64(bytes.count) }
            unsafe takePlain(part, bytes, isOurKind, on: connection)
            return
        }
        if part.isFirst, part.isLast {
            connection.state.compressed = nil
            unsafe takeCompressed(bytes, isOurKind, by: inflater, on: connection)
            return
        }
        unsafe connection.state.compressed? += bytes
        guard part.isLast, let whole = connection.state.compressed else { return }
        connection.state.compressed = nil
        unsafe whole.withUnsafeBytes {
            unsafe takeCompressed($0, isOurKind, by: inflater, on: connection)
        }
    }

    private mutating func takeCompressed(
        _ bytes: UnsafeRawBufferPointer,
        _ isOurKind: Bool,
        by inflater: ReplyInflater,
        on connection: ConnectionReference
    ) {
        guard let message = unsafe inflater.inflate(bytes) else {
            // Nothing of ours is that.
            unsafe takeMessage(bytes, false, on: connection)
            return
        }
        if isMeasuring { report.compression?.messageBytes += UInt64(message.count) }
        unsafe takeMessage(message, isOurKind, on: connection)
    }

    /// Whether the server agreed to what was offered; the run is about nothing else.
    mutating func note(_ agreement: DeflateAgreement?) -> Bool {
        guard report.compression != nil else { return true }
        if let agreement { report.compression?.field = agreement.field }
        return agreement != nil
    }
}

extension LoadPlan {
    /// What messages are compressed to; nil: they are not.
    var deflated: DeflatedPayload? {
        isCompressed ? DeflatedPayload(messageByteCount: sizes.lowerBound) : nil
    }

    /// Nothing is to be kept for a message that follows, on either side.
    ///
    /// A server that asks for a small window is none that this load can be sent to.
    var deflateOffer: DeflateParameters? {
        guard isCompressed else { return nil }
        var offer = DeflateParameters()
        (offer.serverNoContextTakeover, offer.clientNoContextTakeover) = (true, true)
        return offer
    }
}
