// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusTLS

/// Why a session came to its end before its time.
package struct TLSFailure: Error, Hashable, Sendable {
    /// Whose fault it is.
    package enum Fault: Hashable, Sendable {
        /// The peer's: what it sent is no TLS that is spoken here.
        case violation
        /// The peer's: its certificate is refused.
        case certificate
        /// Ours, as the peer says.
        case refused
        /// The peer's: more than 64 KiB without data.
        case flood
        /// This system's.
        case system
    }

    package let fault: Fault

    /// The name of the alert that was sent, or came; nil for none: "bad record mac".
    package let alert: String?

    /// What it is about, in a few words.
    package let reason: String

    init(_ failure: apus_tls_failure) {
        fault =
            switch unsafe failure.fault {
            case APUS_TLS_FAULT_CERTIFICATE: .certificate
            case APUS_TLS_FAULT_REFUSED: .refused
            case APUS_TLS_FAULT_FLOOD: .flood
            case APUS_TLS_FAULT_SYSTEM: .system
            default: .violation
            }
        let code = unsafe failure.alert
        alert = code == 0 ? nil : unsafe String(cString: apus_tls_alert_name(code))
        reason = unsafe failure.text.map { unsafe String(cString: $0) } ?? "\(fault)"
    }
}

extension TLSFailure: CustomStringConvertible {
    package var description: String {
        switch fault {
        case .violation: "the peer breaks the protocol: \(reason)"
        case .certificate: "the peer's certificate is refused: \(reason)"
        case .refused: "the peer refuses: \(alert ?? reason)"
        case .flood: "the peer sends too much without data"
        case .system: "TLS failed here: \(reason)"
        }
    }
}
