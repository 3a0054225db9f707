// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import HTTPTypes

/// What clients are told where the server itself refuses.
extension Refusal {
    /// A method that is not served: it is known at least, or not even that, RFC 9110 §9.1.
    static func methodRefused(_ method: String, allowed: [HTTPRequest.Method]) -> Refusal {
        guard knownMethods.contains(method) else {
            return Refusal(fixed: 501, reason: "this method is not known here")
        }
        let allowed = allowed.map(\.rawValue).joined(separator: ", ")
        return Refusal(
            fixed: 405,
            reason: "served here: \(allowed)",
            fields: [HeaderField("Allow", allowed)]
        )
    }

    /// Those of RFC 9110 §9.3, and PATCH.
    private static let knownMethods = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
    ]

    static let upgradeRequired = Refusal(
        fixed: 426,
        reason: "this is a WebSocket server",
        fields: [HeaderField("Upgrade", "websocket")]
    )
    static let originRefused = Refusal(
        fixed: 403,
        reason: "pages of this origin may not connect here"
    )
    static let plainRequest = Refusal(
        fixed: 400,
        reason: "this port speaks TLS: https:// or wss://"
    )
    static let internalError = Refusal(fixed: 500, reason: "internal error")
    static let noHandler = Refusal(
        fixed: 404,
        reason: "no handler is configured to accept the connection"
    )

    /// What a client is told of an error that a handler threw.
    static func telling(_ error: any Error) -> Refusal {
        guard let error = error as? any HTTPStatusError else { return .internalError }
        do {
            return try Refusal(status: error.status, reason: error.reason)
        } catch {
            return .internalError
        }
    }

    static func unavailable(reason: String) -> Refusal {
        Refusal(fixed: 503, reason: reason, fields: [HeaderField("Retry-After", "1")])
    }
}
