// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import CApusCodec

/// What a ``MessageDecoder`` found in the bytes.
public enum DecodedEvent: Hashable, Sendable {
    /// What has come of a message.
    case messagePart(MessagePart)
    /// A whole ping: answer it with a pong of the same payload, RFC 6455 §5.5.2.
    case ping(DecodedPayload)
    /// A whole pong.
    case pong(DecodedPayload)
    /// A whole close frame, the last event of a connection; the code is `noStatusReceived` where
    /// it has none, the reason is UTF-8.
    case close(CloseCode, reason: DecodedPayload)
}

/// What kind of data a message holds, RFC 6455 §5.6.
public enum MessageKind: Hashable, Sendable {
    /// UTF-8, valid up to and including each part, unless the decoder was told not to check it.
    case text

    /// Bytes.
    case binary
}

/// Where unmasked bytes lie.
public struct DecodedPayload: Hashable, Sendable {
    /// The memory that a range counts in.
    public enum Place: Hashable, Sendable {
        /// The bytes that were given to be decoded.
        case received
        /// The decoder itself: the payload of a control frame that came in pieces; see
        /// ``MessageDecoder/withBytes(of:in:_:)``.
        case decoder
        /// The room that was given for the rest of a message.
        case target
    }

    /// In which memory they lie.
    public var place: Place

    /// Where in it.
    public var range: Range<Int>

    /// The payload at `range` of the memory that `place` names.
    public init(_ range: Range<Int>, in place: Place = .received) {
        self.place = place
        self.range = range
    }
}

/// What has come of a message: all of it, or a piece of one of its frames.
public struct MessagePart: Hashable, Sendable {
    /// Text or binary.
    public var kind: MessageKind

    /// Where the bytes lie; only a last part may be empty.
    public var payload: DecodedPayload

    /// Whether no part of this message came before.
    public var isFirst: Bool

    /// Whether the message ends here; if it is the first part too, it is whole.
    public var isLast: Bool

    /// How many payload bytes of the current frame are still to come; below the frame limit.
    public var remainingByteCount: Int

    /// RSV1 to RSV3 as on the wire: 0x40, 0x20 and 0x10.
    ///
    /// Those of the frame, of a first part those that the message began with. Text that begins with
    /// any is not checked.
    public var reservedBits: UInt8

    /// Of a first part whether its message is compressed, where permessage-deflate is in use.
    @inlinable public var isCompressed: Bool { reservedBits & 0x40 != 0 }

    /// A part; see the properties.
    @inlinable
    public init(
        kind: MessageKind,
        payload: DecodedPayload,
        isFirst: Bool,
        isLast: Bool,
        remainingByteCount: Int = 0,
        reservedBits: UInt8 = 0
    ) {
        self.kind = kind
        self.payload = payload
        self.isFirst = isFirst
        self.isLast = isLast
        self.remainingByteCount = remainingByteCount
        self.reservedBits = reservedBits
    }
}

/// The events that one call of a ``MessageDecoder`` found.
///
/// Make one and use it for every call, of every connection on a thread: its memory is all that
/// decoding takes.
@safe
public struct DecodedEvents: ~Copyable {
    @usableFromInline let storage: UnsafeMutableBufferPointer<apus_event>
    @usableFromInline var receivedStart = 0
    @usableFromInline var targetStart = 0

    /// How many there are.
    @inlinable public var count: Int { storedCount }
    @usableFromInline var storedCount = 0

    /// Room for `capacity` events, 32 bytes each.
    ///
    /// Fewer than one are the caller's fault and trap.
    public init(capacity: Int = 64) {
        precondition(capacity > 0, "room for \(capacity) events")
        unsafe storage = .allocate(capacity: capacity)
    }

    deinit {
        unsafe storage.deallocate()
    }

    /// Forgets them.
    @inlinable
    public mutating func removeAll() {
        storedCount = 0
    }

    /// One of them, the first at 0; an index outside of the count traps.
    @inlinable @inline(__always)
    public subscript(index: Int) -> DecodedEvent {
        if let part = messagePart(at: index) { return .messagePart(part) }
        let event = unsafe storage[index]
        switch UInt32(event.kind) {
        case APUS_EVENT_PING.rawValue: return .ping(payload(of: event))
        case APUS_EVENT_PONG.rawValue: return .pong(payload(of: event))
        default:
            return .close(CloseCode(rawValue: event.close_code), reason: payload(of: event))
        }
    }

    /// The event if it is a part of a message, as most are; nil if it is another.
    @inlinable @inline(__always)
    public func messagePart(at index: Int) -> MessagePart? {
        precondition(index >= 0 && index < storedCount, "event \(index) of \(storedCount)")
        let event = unsafe storage[index]
        guard event.kind == UInt8(APUS_EVENT_MESSAGE_PART.rawValue) else { return nil }
        return MessagePart(
            kind: event.opcode == UInt8(APUS_OPCODE_TEXT) ? .text : .binary,
            payload: payload(of: event),
            isFirst: event.is_first != 0,
            isLast: event.is_last != 0,
            remainingByteCount: Int(truncatingIfNeeded: event.remaining),
            reservedBits: event.reserved_bits
        )
    }

    /// Where the last of those that lie in the target ends; nil if none does.
    @inlinable var targetEnd: Int? {
        for index in (0..<storedCount).reversed() {
            let event = unsafe storage[index]
            if UInt32(event.place) == APUS_PLACE_TARGET.rawValue {
                return payload(of: event).range.upperBound
            }
        }
        return nil
    }

    @inlinable @inline(__always)
    func payload(of event: apus_event) -> DecodedPayload {
        let place: DecodedPayload.Place
        let start: Int
        switch UInt32(event.place) {
        case APUS_PLACE_FED.rawValue: (place, start) = (.received, receivedStart)
        case APUS_PLACE_TARGET.rawValue: (place, start) = (.target, targetStart)
        default: (place, start) = (.decoder, 0)
        }
        let lowerBound = start &+ event.offset
        return DecodedPayload(
            unsafe Range(uncheckedBounds: (lowerBound, lowerBound &+ event.size)),
            in: place
        )
    }
}
