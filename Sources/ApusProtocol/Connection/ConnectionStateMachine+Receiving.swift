// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec

extension ConnectionStateMachine {
    /// Takes the bytes from `position` up to the next thing to do, and moves `position` behind it.
    ///
    /// Call it again with the same bytes until it says ``ConnectionAction/needMoreBytes``. Payloads
    /// are unmasked in place. Bytes may be cut anywhere; what a cut leaves of a header or a control
    /// frame is kept here (at most 125 bytes), everything else stays with the caller.
    public mutating func received(
        _ bytes: inout MutableSpan<UInt8>,
        from position: inout Int,
        at now: Instant
    ) -> ConnectionAction {
        lastActivity = now
        while true {
            if case .closed = state {
                position = bytes.count
                return .needMoreBytes
            }
            switch reading {
            case .header(let partial):
                switch readHeader(partial, bytes.span, from: &position) {
                case .incomplete:
                    return .needMoreBytes
                case .violation(let violation):
                    return fail(.codec(violation), at: now)
                case .header(let header):
                    if let violation = begin(header) {
                        return fail(violation, at: now)
                    }
                }
            case .payload(let progress):
                switch readPayload(progress, &bytes, from: &position) {
                case .part(let part):
                    return .message(part)
                case .nothing:
                    continue
                case .incomplete:
                    return .needMoreBytes
                case .violation(let violation):
                    return fail(violation, at: now)
                }
            case .control(let opcode, let key, let remaining):
                let count = min(remaining, bytes.count - position)
                controlPayload.append(bytes.span, range: position..<position + count)
                position += count
                guard count == remaining else {
                    reading = .control(opcode: opcode, key: key, remaining: remaining - count)
                    return .needMoreBytes
                }
                reading = .header(PartialHeader())
                var payload = controlPayload.mutableSpan
                key?.apply(to: &payload, range: 0..<payload.count, payloadOffset: 0)
                // A ping that our Close overtook gets no answer.
                if !isOpen, opcode != .close { continue }
                return endControlFrame(opcode, at: now)
            case .discarded(let remaining):
                let available = UInt64(bytes.count - position)
                guard available >= remaining else {
                    reading = .discarded(remaining: remaining - available)
                    position = bytes.count
                    return .needMoreBytes
                }
                position += Int(remaining)
                reading = .header(PartialHeader())
            }
        }
    }

    // MARK: Headers

    private mutating func readHeader(
        _ partial: PartialHeader,
        _ bytes: Span<UInt8>,
        from position: inout Int
    ) -> FrameHeaderDecoding {
        guard partial.byteCount > 0 else {
            let decoding = FrameHeader.decode(
                bytes,
                from: position,
                as: role,
                reservedBitsAllowed: 0
            )
            switch decoding {
            case .header(let header):
                position += header.headerByteCount
            case .incomplete:
                keep(partial, bytes, from: &position)
            case .violation:
                position = bytes.count
            }
            return decoding
        }
        var joined = partial
        while position < bytes.count, joined.byteCount < 14 {
            joined.bytes[joined.byteCount] = bytes[position]
            joined.byteCount += 1
            position += 1
            let decoding = FrameHeader.decode(
                joined.bytes.span.extracting(0..<joined.byteCount),
                from: 0,
                as: role,
                reservedBitsAllowed: 0
            )
            guard case .incomplete = decoding else { return decoding }
        }
        reading = .header(joined)
        return .incomplete
    }

    /// Keeps the start of a header that the bytes end in: fewer than 14 bytes.
    private mutating func keep(
        _ partial: PartialHeader,
        _ bytes: Span<UInt8>,
        from position: inout Int
    ) {
        var kept = partial
        while position < bytes.count {
            kept.bytes[kept.byteCount] = bytes[position]
            kept.byteCount += 1
            position += 1
        }
        reading = .header(kept)
    }

    /// Judges a header in the state that the connection is in, and goes on to its payload.
    private mutating func begin(_ header: FrameHeader) -> ProtocolViolation? {
        if header.opcode.isControl {
            controlPayload.removeAll(keepingCapacity: true)
            reading = .control(
                opcode: header.opcode,
                key: header.maskingKey,
                remaining: Int(truncatingIfNeeded: header.payloadByteCount)
            )
            return nil
        }
        if case .closing = state {
            reading = .discarded(remaining: header.payloadByteCount)
            return nil
        }
        return beginData(header)
    }

    private mutating func beginData(_ header: FrameHeader) -> ProtocolViolation? {
        var progress: MessageProgress
        if header.opcode == .continuation {
            guard let message else { return .continuationWithoutStart }
            progress = message
        } else {
            guard message == nil else { return .interleavedMessage }
            progress = MessageProgress(kind: header.opcode == .text ? .text : .binary)
        }
        guard header.payloadByteCount <= configuration.frameByteCountMax,
            // The limits bound the length, so that it is an Int wherever it is used.
            let byteCount = Int(exactly: header.payloadByteCount)
        else { return .frameTooBig }
        // What is left of a limit is compared: a sum may overflow where the limit is the largest.
        guard header.payloadByteCount <= configuration.messageByteCountMax - progress.byteCount
        else { return .messageTooBig }
        guard progress.fragmentCount < configuration.fragmentCountMax else {
            return .tooManyFragments
        }
        progress.byteCount += header.payloadByteCount
        progress.fragmentCount += 1
        message = progress
        reading = .payload(
            PayloadProgress(
                remaining: byteCount,
                key: header.maskingKey,
                offset: 0,
                isFinal: header.isFinal
            )
        )
        return nil
    }

    // MARK: Payloads

    private enum PayloadResult {
        case part(MessagePart)
        case nothing
        case incomplete
        case violation(ProtocolViolation)
    }

    private mutating func readPayload(
        _ progress: PayloadProgress,
        _ bytes: inout MutableSpan<UInt8>,
        from position: inout Int
    ) -> PayloadResult {
        let count = min(progress.remaining, bytes.count - position)
        let endsFrame = count == progress.remaining
        guard count > 0 || endsFrame else { return .incomplete }
        let range = position..<position + count
        progress.key?.apply(to: &bytes, range: range, payloadOffset: progress.offset)
        position += count

        let endsMessage = endsFrame && progress.isFinal
        guard var current = message else {
            preconditionFailure("a payload is read, but no message has begun")
        }
        if current.kind == .text {
            guard current.validator.validate(bytes.span, range: range),
                !endsMessage || current.validator.isAtBoundary
            else { return .violation(.codec(.invalidUTF8)) }
        }
        if endsFrame {
            reading = .header(PartialHeader())
        } else {
            var rest = progress
            rest.remaining -= count
            rest.offset += count
            reading = .payload(rest)
        }
        guard count > 0 || endsMessage else { return .nothing }
        let isFirst = !current.hasDelivered
        current.hasDelivered = true
        message = endsMessage ? nil : current
        return .part(
            MessagePart(
                kind: current.kind,
                range: range,
                isFirst: isFirst,
                isLast: endsMessage,
                remainingByteCount: progress.remaining - count
            )
        )
    }
}

extension [UInt8] {
    fileprivate mutating func append(_ bytes: Span<UInt8>, range: Range<Int>) {
        guard !range.isEmpty else { return }
        reserveCapacity(count + range.count)
        for index in range {
            append(bytes[index])
        }
    }
}
