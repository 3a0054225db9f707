// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import ApusCodec

/// What the caller of ``ConnectionStateMachine/received(_:from:at:)`` must do.
public enum ConnectionAction: Equatable, Sendable {
    /// Every byte was used; feed the next ones when they come.
    case needMoreBytes

    /// Deliver, or keep, a part of a message.
    ///
    /// The bytes lie unmasked and checked in the caller's buffer.
    case message(MessagePart)

    /// Answer with a pong of ``ConnectionStateMachine/controlPayload`` and tell the application.
    case ping

    /// Tell the application; the payload is ``ConnectionStateMachine/controlPayload``.
    case pong

    /// The peer closes, with this code (1005: none).
    ///
    /// ``ConnectionStateMachine/closeOutcome`` has the reason. Where `reply` is true our own Close
    /// with the same code is due; then end the transport.
    case peerClosed(code: CloseCode, reply: Bool)

    /// The peer broke a rule. Where `sendClose` is true a Close with its code is due; then end the
    /// transport.
    case fail(ProtocolViolation, sendClose: Bool)
}

/// What kind of data a message holds, RFC 6455 §5.6.
public enum MessageKind: Equatable, Sendable {
    /// UTF-8, valid up to and including each part.
    case text

    /// Bytes.
    case binary
}

/// A range of the caller's buffer that belongs to a message.
public struct MessagePart: Equatable, Sendable {
    /// Text or binary.
    public var kind: MessageKind

    /// Where the bytes lie in the buffer that was fed.
    public var range: Range<Int>

    /// Whether no part of this message was delivered before.
    public var isFirst: Bool

    /// Whether the message ends here; if it is the first part too, the range holds all of it.
    public var isLast: Bool

    /// How many payload bytes of the current frame are still to come; below the frame limit.
    public var remainingByteCount: Int

    /// A part; see the properties.
    public init(
        kind: MessageKind,
        range: Range<Int>,
        isFirst: Bool,
        isLast: Bool,
        remainingByteCount: Int
    ) {
        self.kind = kind
        self.range = range
        self.isFirst = isFirst
        self.isLast = isLast
        self.remainingByteCount = remainingByteCount
    }
}

/// What the caller of ``ConnectionStateMachine/timerFired(at:)`` must do.
public enum ConnectionTimerAction: Equatable, Sendable {
    /// Nothing is due; ask again at the time, if there is one.
    case wait(until: Instant?)

    /// Send an empty ping, and ask again at the time.
    case sendPing(until: Instant)

    /// The peer did not answer the ping: drop the transport without a Close (1006).
    case keepaliveTimedOut

    /// The peer did not finish the closing handshake: drop the transport.
    case closeTimedOut
}

/// How a connection ended, as the application is told.
public struct ConnectionOutcome: Equatable, Sendable {
    /// The peer's code, 1005 for a Close without one, 1006 for none, ours where we failed it.
    public var code: CloseCode

    /// The peer's reason, or ours where we failed the connection.
    public var reason: String

    /// An outcome; see the properties.
    public init(code: CloseCode, reason: String) {
        self.code = code
        self.reason = reason
    }
}
