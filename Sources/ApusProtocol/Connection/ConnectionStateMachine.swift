// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import ApusCodec

/// One WebSocket connection after its opening handshake, RFC 6455 §5 to §7, without I/O.
///
/// Bytes, times and the application's wishes go in; actions come out. The caller owns the bytes:
/// payloads are unmasked and checked where they lie, or on their way into the caller's memory for a
/// message, and actions name ranges of the one or the other.
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
/// Where in a frame and a message the next byte lies is the business of a `MessageDecoder`. Between
/// messages that has nothing to remember, so an idle connection has none.
public struct ConnectionStateMachine: ~Copyable {
    enum State {
        case open
        case closing
        case closed
    }

    /// A decoder that remembers something, outside of the machine: most connections need none.
    final class DecoderBox {
        var decoder: MessageDecoder

        init(_ decoder: MessageDecoder) {
            self.decoder = decoder
        }
    }

    /// How it ended, outside of the machine for the same reason.
    final class OutcomeBox {
        let outcome: ConnectionOutcome

        init(_ outcome: ConnectionOutcome) {
            self.outcome = outcome
        }
    }

    /// What it has to remember: a connection that is over decodes nothing more.
    enum Memory {
        case nothing
        case decoder(DecoderBox)
        case outcome(OutcomeBox)
    }

    // In the least room, since a server has many of them that are idle.
    private(set) var configuration: ConnectionConfiguration
    var memory = Memory.nothing
    var lastActivity: Instant
    /// While it is open when the last ping was sent, and from then on the deadline.
    var mark = Instant(nanoseconds: 0)
    var state = State.open
    /// Whether that ping waits for an answer.
    var isPingSent = false
    let role: Role

    /// What the handshake agreed on compression; nil: no message may be compressed.
    ///
    /// To be set before the first bytes. Whether a message is compressed its first part says, in
    /// `isCompressed`; such text is not checked, and limits count what is on the wire.
    public var deflate: DeflateAgreement? {
        didSet {
            if deflate != nil, let deflating = configuration.deflating { configuration = deflating }
        }
    }

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

    var box: DecoderBox? {
        get { if case .decoder(let box) = memory { box } else { nil } }
        set { memory = newValue.map { .decoder($0) } ?? .nothing }
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
