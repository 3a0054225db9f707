// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec

extension ConnectionStateMachine {
    /// Takes the bytes from `position` on, and moves `position` behind those that are done with.
    ///
    /// Ask ``nextAction(of:in:at:)`` for what is to be done until there is nothing more, then call
    /// this again until the position is at the end. Payloads are unmasked in place. Bytes may be cut
    /// anywhere; what a cut leaves of a header or a control frame is kept here, everything else
    /// stays with the caller.
    public mutating func receive(
        _ bytes: inout MutableSpan<UInt8>,
        from position: inout Int,
        into batch: inout ReceivedBatch,
        at now: Instant
    ) {
        guard beginReceiving(bytes.count, &position, &batch, at: now) else { return }
        if let box {
            batch.violation = box.decoder.decode(&bytes, from: &position, into: &batch.events)
        } else {
            // Made here, for what a function returns is copied.
            var decoder = MessageDecoder(configuration.decoderOptions(for: role))
            if !isOpen { decoder.awaitClose() }
            batch.violation = decoder.decode(&bytes, from: &position, into: &batch.events)
            if !decoder.isIdle { box = DecoderBox(decoder) }
        }
    }

    /// Takes bytes as without a target, but the rest of a message that has begun goes behind what
    /// `target` holds, as far as there is room.
    public mutating func receive(
        _ bytes: inout MutableSpan<UInt8>,
        from position: inout Int,
        into batch: inout ReceivedBatch,
        continuingIn target: inout OutputSpan<UInt8>,
        at now: Instant
    ) {
        guard let box else {
            // No message has begun.
            return receive(&bytes, from: &position, into: &batch, at: now)
        }
        guard beginReceiving(bytes.count, &position, &batch, at: now) else { return }
        batch.violation = box.decoder.decode(
            &bytes,
            from: &position,
            into: &batch.events,
            continuingIn: &target
        )
    }

    /// What is to be done about the next thing that was received; nil if there is nothing more.
    ///
    /// `bytes` are those that were received.
    public mutating func nextAction(
        of batch: inout ReceivedBatch,
        in bytes: Span<UInt8>,
        at now: Instant
    ) -> ConnectionAction? {
        if isOpen, let part = batch.nextMessagePart() { return .message(part) }
        // Most reads are whole messages and nothing else.
        if batch.isUsedUp, case .nothing = memory { return nil }
        return nextRareAction(of: &batch, in: bytes, at: now)
    }

    private mutating func nextRareAction(
        of batch: inout ReceivedBatch,
        in bytes: Span<UInt8>,
        at now: Instant
    ) -> ConnectionAction? {
        while let event = batch.nextEvent() {
            // What a Close of ours overtook is for nobody.
            switch event {
            case .messagePart:
                continue
            case .ping(let payload):
                guard isOpen else { continue }
                keep(payload, of: bytes, in: &batch)
                return .ping
            case .pong(let payload):
                guard isOpen else { continue }
                keep(payload, of: bytes, in: &batch)
                return .pong
            case .close(let code, let reason):
                guard !isClosed else { continue }
                keep(reason, of: bytes, in: &batch)
                return peerClosed(code, reason: batch.controlPayload, at: now)
            }
        }
        // There may be more, for later.
        guard !batch.isHeld else { return nil }
        // What our Close overtook, while the batch was handled, is decoded once more: then it counts
        // only if it is broken in itself.
        if let violation = batch.violation, !isClosed, batch.wasOpen == isOpen {
            return fail(violation, at: now)
        }
        if let box, box.decoder.isIdle { self.box = nil }
        return nil
    }

    /// False if nothing is read any more.
    private mutating func beginReceiving(
        _ byteCount: Int,
        _ position: inout Int,
        _ batch: inout ReceivedBatch,
        at now: Instant
    ) -> Bool {
        lastActivity = now
        batch.removeAll()
        batch.wasOpen = isOpen
        guard !isClosed else {
            position = byteCount
            return false
        }
        return true
    }

    private func keep(
        _ payload: DecodedPayload,
        of bytes: Span<UInt8>,
        in batch: inout ReceivedBatch
    ) {
        if let box {
            box.decoder.withBytes(of: payload, in: bytes) { batch.keepControlPayload($0) }
        } else {
            assert(payload.place == .received, "a decoder that was not kept has collected nothing")
            batch.keepControlPayload(bytes.extracting(payload.range))
        }
    }
}
