// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec

extension ConnectionStateMachine {
    /// The application closes.
    ///
    /// True: a Close frame is due now; false: one went out before, or the connection is over. From
    /// here on nothing may be sent, and only the peer's Close is processed, RFC 6455 §7.1.2.
    public mutating func close(at now: Instant) -> Bool {
        guard case .open = state else { return false }
        state = .closing
        mark = now.advanced(by: configuration.closeTimeout)
        box?.decoder.awaitClose()
        return true
    }

    /// We give the connection up for a reason of our own; what is told to the application.
    ///
    /// True: a Close frame with the code is due; false: one went out before. Once the connection is
    /// closed its outcome and its deadline stay as they are.
    public mutating func fail(with outcome: ConnectionOutcome, at now: Instant) -> Bool {
        if case .closed = state { return false }
        let sendClose = isOpen
        end(with: outcome, at: now)
        return sendClose
    }

    /// The transport ended; nil if the application was told of the end before.
    ///
    /// Without the peer's Close that is 1006, RFC 6455 §7.1.5.
    public mutating func transportClosed(at now: Instant) -> ConnectionOutcome? {
        if case .closed = state { return nil }
        let lost = ConnectionOutcome(code: .abnormalClosure, reason: "connection lost")
        end(with: lost, at: now)
        return lost
    }

    /// How the connection ended; nil while it is open or closing.
    public var closeOutcome: ConnectionOutcome? {
        if case .outcome(let box) = memory { box.outcome } else { nil }
    }

    mutating func fail(_ violation: ProtocolViolation, at now: Instant) -> ConnectionAction {
        let ours = ConnectionOutcome(code: violation.closeCode, reason: violation.description)
        return .fail(violation, sendClose: fail(with: ours, at: now))
    }

    mutating func peerClosed(
        _ code: CloseCode,
        reason: [UInt8],
        at now: Instant
    ) -> ConnectionAction {
        let reply = isOpen
        let reason = String(decoding: reason, as: UTF8.self)
        end(with: ConnectionOutcome(code: code, reason: reason, isClean: true), at: now)
        return .peerClosed(code: code, reply: reply)
    }

    private mutating func end(with outcome: ConnectionOutcome, at now: Instant) {
        memory = .outcome(OutcomeBox(outcome))
        // A deadline that runs already is kept: a peer cannot prolong its own end.
        if isOpen { mark = now.advanced(by: configuration.closeTimeout) }
        state = .closed
    }
}
