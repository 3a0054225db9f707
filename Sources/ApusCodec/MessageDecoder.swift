// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import CApusCodec

/// Messages and control frames out of a stream of bytes, RFC 6455 §5.4 to §5.6.
///
/// Feed it what comes from the network, cut anywhere. It answers with events, many per call: ranges
/// of the bytes that were fed, unmasked in place and, where text, checked. It holds 256 bytes,
/// never allocates and does no I/O; a copy goes on from where the original stands.
///
/// ```swift
/// var decoder = MessageDecoder(MessageDecoder.Options(role: .server))
/// var events = DecodedEvents()
///
/// // For each buffer that was received, as a MutableSpan:
/// var position = 0
/// repeat {
///     let violation = decoder.decode(&bytes, from: &position, into: &events)
///     for index in 0..<events.count { handle(events[index]) }
///     if let violation {
///         close(violation.closeCode)
///         break
///     }
/// } while position < bytes.count
/// ```
@safe
public struct MessageDecoder {
    @usableFromInline var decoder = unsafe apus_decoder()

    /// A decoder for a connection whose opening handshake is done.
    @inlinable
    public init(_ options: Options) {
        // What apus_decoder_init leaves; a call would cost a copy of all 256 bytes as well.
        unsafe decoder.options = options.options
    }

    /// Takes the bytes from `position` on, and moves `position` behind those that are done with.
    ///
    /// Where it stands before the end without a violation, handle the events, then call again: they
    /// were as many as there was room for, or the payload of a control frame that lies in the
    /// decoder had to be handed over first. A violation comes behind the events that were found
    /// before it, and again with every later call. What comes after a close frame is used up
    /// without an event.
    ///
    /// Bytes before `position` may be unmasked then, those behind it are as they were, but for a
    /// payload that is invalid. A position outside of the span is the caller's fault and traps.
    /// Calls `apus_decoder_feed`.
    @inlinable @inline(__always)
    public mutating func decode(
        _ bytes: inout MutableSpan<UInt8>,
        from position: inout Int,
        into events: inout DecodedEvents
    ) -> ProtocolViolation? {
        precondition(
            position >= 0 && position <= bytes.count,
            "from \(position) of \(bytes.count) bytes"
        )
        let result = unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress else {
                events.storedCount = 0
                return unsafe apus_result(decoder.result)
            }
            var used = 0
            let result = unsafe apus_decoder_feed(
                &decoder,
                start + position,
                buffer.count - position,
                &used,
                events.storage.baseAddress,
                events.storage.count,
                &events.storedCount
            )
            events.receivedStart = position
            position += used
            return result
        }
        return result == APUS_OK ? nil : ProtocolViolation(result)
    }

    /// Decodes as without a target, but the rest of a message that began in an earlier call goes behind
    /// what `target` holds, as far as there is room, instead of being unmasked in place.
    ///
    /// Unmasking is then the copy into the message's own memory. Ranges in the target count from
    /// its start.
    @inlinable
    public mutating func decode(
        _ bytes: inout MutableSpan<UInt8>,
        from position: inout Int,
        into events: inout DecodedEvents,
        continuingIn target: inout OutputSpan<UInt8>
    ) -> ProtocolViolation? {
        unsafe target.withUnsafeMutableBufferPointer { buffer, initializedCount in
            events.targetStart = initializedCount
            if let start = buffer.baseAddress {
                unsafe apus_decoder_set_target(
                    &decoder,
                    start + initializedCount,
                    buffer.count - initializedCount
                )
            }
            let violation = decode(&bytes, from: &position, into: &events)
            initializedCount = events.targetEnd ?? initializedCount
            // The room is lent for this call only.
            unsafe apus_decoder_set_target(&decoder, nil, 0)
            return violation
        }
    }

    /// To be called when your close frame is sent: from now on the only event is the peer's, RFC
    /// 6455 §7.1.2.
    ///
    /// Messages, also the rest of one that has begun, pings and pongs are used up in silence, and of
    /// the rules only those for headers and close frames count. A violation of another one is taken
    /// back, for it may be in what your close frame overtook: decode again from where it was found.
    @inlinable
    public mutating func awaitClose() {
        unsafe apus_decoder_await_close(&decoder)
    }

    /// Whether it is as it was made: between messages, with nothing kept.
    ///
    /// Whoever has many idle connections may drop it then, and make one when bytes come.
    @inlinable public var isIdle: Bool {
        // What apus_decoder_is_idle says; a pointer for it would cost a copy of all 256 bytes.
        unsafe decoder.result == 0 && decoder.reading == 0 && decoder.message_opcode == 0
            && decoder.header_size == 0 && decoder.is_closing == 0
    }

    /// Calls `body` with the payload of a control frame, wherever it lies.
    ///
    /// The event is one of the last call's, and `bytes` are those that were decoded. A range outside
    /// of them, or a payload in a target, is the caller's fault and traps.
    public func withBytes<Result, Failure: Error>(
        of payload: DecodedPayload,
        in bytes: Span<UInt8>,
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        switch payload.place {
        case .received:
            return try body(bytes.extracting(payload.range))
        case .decoder:
            return unsafe try withUnsafePointer(to: decoder) { decoder throws(Failure) in
                let collected = unsafe UnsafeBufferPointer(
                    start: apus_decoder_control_payload(decoder),
                    count: 125
                )
                let span = unsafe Span(_unsafeElements: collected)
                return try body(span.extracting(payload.range))
            }
        case .target:
            preconditionFailure("control frames are not stored in a target")
        }
    }
}

/// The pointer that it holds is to memory lent for the length of a call.
extension MessageDecoder: @unchecked Sendable {}

extension MessageDecoder {
    /// Rules and limits of a decoder; the defaults are strict.
    public struct Options: Sendable {
        @usableFromInline var options: apus_decoder_options

        /// 1 MiB for a frame and for a message, 16384 frames for a message, no reserved bits, no
        /// tolerance, text checked.
        @inlinable
        public init(role: Role) {
            options = apus_decoder_options()
            unsafe apus_decoder_options_init(&options, role.cRole)
        }

        /// The largest payload of a data frame, in bytes; a larger one is `frameTooBig`.
        public var frameByteCountMax: UInt64 {
            get { options.frame_size_max }
            set { options.frame_size_max = newValue }
        }

        /// The largest sum of a message's frames, in bytes; a larger one is `messageTooBig`.
        public var messageByteCountMax: UInt64 {
            get { options.message_size_max }
            set { options.message_size_max = newValue }
        }

        /// How many frames a message may have, empty ones too; more are `tooManyFragments`.
        public var fragmentCountMax: UInt32 {
            get { options.fragment_count_max }
            set { options.fragment_count_max = newValue }
        }

        /// Those of RSV1 to RSV3, as on the wire (0x40, 0x20, 0x10), that any frame may have.
        ///
        /// Text that begins with any of them is not checked.
        public var reservedBitsAllowed: UInt8 {
            get { options.reserved_bits_allowed }
            set { options.reserved_bits_allowed = newValue }
        }

        /// Those that a message may begin with, and no other frame have.
        ///
        /// For permessage-deflate 0x40, RFC 7692 §6: see ``MessagePart/isCompressed``.
        public var messageBitsAllowed: UInt8 {
            get { options.message_bits_allowed }
            set { options.message_bits_allowed = newValue }
        }

        /// Whether text must be UTF-8.
        public var checksUTF8: Bool {
            get { options.check_utf8 != 0 }
            set { options.check_utf8 = newValue ? 1 : 0 }
        }

        /// The rules not to insist on.
        public var allowances: Allowances {
            get { Allowances(rawValue: options.allowances) }
            set { options.allowances = newValue.rawValue }
        }
    }

    /// Rules that a decoder may be told not to insist on.
    public struct Allowances: OptionSet, Hashable, Sendable {
        /// The bits of `APUS_ALLOW_…`.
        public let rawValue: UInt8

        /// The allowances with these bits.
        public init(rawValue: UInt8) {
            self.rawValue = rawValue
        }

        /// A server takes frames without mask.
        public static let unmaskedFrames = Allowances(
            rawValue: UInt8(truncatingIfNeeded: APUS_ALLOW_UNMASKED)
        )
        /// A client takes frames with mask.
        public static let maskedFrames = Allowances(
            rawValue: UInt8(truncatingIfNeeded: APUS_ALLOW_MASKED)
        )
        /// Lengths that have a shorter encoding.
        public static let nonMinimalLengths = Allowances(
            rawValue: UInt8(truncatingIfNeeded: APUS_ALLOW_NON_MINIMAL_LENGTH)
        )
    }
}
