// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import ApusCodec

/// One WebSocket connection after its opening handshake, RFC 6455 §5 to §7, without I/O.
///
/// Bytes, times and the application's wishes go in; actions come out. The caller owns the bytes:
/// payloads are unmasked and checked where they lie, and actions name ranges of that buffer.
///
/// ```
///            close()                    peer's Close
///   open ───────────────▶ closing ─────────────────────▶ closed
///     │   peer's Close, or a broken rule                    ▲
///     └─────────────────────────────────────────────────────┘
/// ```
/// - open: everything is processed; messages may be sent.
/// - closing: our Close went out. Nothing but the peer's Close is processed, the rest is skipped.
/// - closed: whatever comes is skipped; the caller ends the transport.
///
/// What is read next is a state of its own (``Reading``), with just the data that this state has.
public struct ConnectionStateMachine: ~Copyable {
    enum State {
        case open
        case closing(deadline: Instant)
        case closed(deadline: Instant)
    }

    /// Where in a frame the next byte lies.
    enum Reading {
        /// In a header, of which these bytes came already.
        case header(PartialHeader)
        /// In the payload of a data frame.
        case payload(PayloadProgress)
        /// In the payload of a control frame, collected in `controlPayload`.
        case control(opcode: Opcode, key: MaskingKey?, remaining: Int)
        /// In a payload that nobody wants.
        case discarded(remaining: UInt64)
    }

    /// The start of a header that a buffer ended in.
    struct PartialHeader {
        var bytes = InlineArray<14, UInt8>(repeating: 0)
        var byteCount = 0
    }

    struct PayloadProgress {
        var remaining: Int
        var key: MaskingKey?
        var offset: Int
        var isFinal: Bool
    }

    /// A message whose last frame has not ended.
    struct MessageProgress {
        var kind: MessageKind
        var byteCount: UInt64 = 0
        var fragmentCount: UInt32 = 0
        var validator = UTF8Validator()
        var hasDelivered = false
    }

    let configuration: ConnectionConfiguration
    let role: Role
    var state = State.open
    var reading = Reading.header(PartialHeader())
    var message: MessageProgress?
    var lastActivity: Instant
    var pingSent: Instant?
    var outcome: ConnectionOutcome?

    /// The unmasked payload of the last control frame, up to 125 bytes; valid until the next call.
    public internal(set) var controlPayload: [UInt8] = []

    /// A connection whose handshake ended at `now`.
    public init(
        role: Role,
        configuration: ConnectionConfiguration,
        openedAt now: Instant
    ) {
        self.role = role
        self.configuration = configuration
        lastActivity = now
    }

    /// Whether frames of the application may be sent: neither side has closed.
    public var isOpen: Bool {
        if case .open = state { true } else { false }
    }

    /// Whether the connection is over and only the transport is left to end.
    public var isClosed: Bool {
        if case .closed = state { true } else { false }
    }
}
