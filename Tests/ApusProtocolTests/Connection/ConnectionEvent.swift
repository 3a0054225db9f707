// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import Testing

/// What comes out of a machine however its bytes were cut: the parts of a message are joined.
enum ConnectionEvent: Equatable, Sendable {
    case message(MessageKind, [UInt8])
    /// The bytes so far of a message of which the end did not come.
    case unfinished(MessageKind, [UInt8])
    case ping([UInt8])
    case pong([UInt8])
    case peerClosed(CloseCode, reason: String, reply: Bool)
    case fail(ProtocolViolation, sendClose: Bool)

    static func text(_ text: String) -> Self { .message(.text, Array(text.utf8)) }
    static func binary(_ bytes: [UInt8]) -> Self { .message(.binary, bytes) }

    /// A broken rule on an open connection: a Close is due.
    static func fail(_ violation: ProtocolViolation) -> Self { .fail(violation, sendClose: true) }

    /// A Close of the peer on an open connection: an answer is due.
    static func peerClosed(_ code: CloseCode, _ reason: String = "") -> Self {
        .peerClosed(code, reason: reason, reply: true)
    }

    /// What the application has to be told where the events end with this one.
    var outcome: ConnectionOutcome? {
        switch self {
        case .message, .unfinished, .ping, .pong: nil
        case .peerClosed(let code, let reason, _):
            ConnectionOutcome(code: code, reason: reason, isClean: true)
        case .fail(let violation, _):
            ConnectionOutcome(code: violation.closeCode, reason: violation.description)
        }
    }
}

/// Both ends, for rules that hold for both.
let bothRoles: [Role] = [.server, .client]

/// The configuration without the timers that a test does not ask for.
extension ConnectionConfiguration {
    static func limits(
        frame: UInt64 = 1 << 20,
        message: UInt64 = 1 << 20,
        fragments: UInt32 = 16384
    ) -> ConnectionConfiguration {
        ConnectionConfiguration(
            frameByteCountMax: frame,
            messageByteCountMax: message,
            fragmentCountMax: fragments,
            keepaliveInterval: nil
        )
    }
}
