// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import ApusCodec

/// What the caller of ``ConnectionStateMachine/nextAction(of:in:at:)`` must do.
public enum ConnectionAction: Equatable, Sendable {
    /// Deliver, or keep, a part of a message.
    ///
    /// Its bytes lie in those that were received or, where its place is the target, are behind the
    /// beginning of the message already.
    case message(MessagePart)

    /// Answer with a pong of ``ReceivedBatch/controlPayload`` and tell the application.
    case ping

    /// Tell the application; the payload is ``ReceivedBatch/controlPayload``.
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

    /// Whether the peer's Close came and ours went out or is about to, RFC 6455 §7.1.4.
    public var isClean: Bool

    /// The peer's reason, or ours where we failed the connection.
    public var reason: String

    /// An outcome; see the properties.
    public init(code: CloseCode, reason: String, isClean: Bool = false) {
        self.code = code
        self.reason = reason
        self.isClean = isClean
    }
}
