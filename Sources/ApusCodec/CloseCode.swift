// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusCodec

/// Why a connection ends, RFC 6455 §7.4.
public struct CloseCode: RawRepresentable, Hashable, Sendable {
    /// The number on the wire.
    public let rawValue: UInt16

    /// The code with this number, whether or not it may be on the wire.
    public init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// The purpose of the connection is fulfilled.
    public static let normalClosure = CloseCode(rawValue: 1000)
    /// The endpoint goes away: a server shuts down, a page is left.
    public static let goingAway = CloseCode(rawValue: 1001)
    /// The peer broke a rule of the protocol.
    public static let protocolError = CloseCode(rawValue: 1002)
    /// The endpoint does not take messages of this type.
    public static let unsupportedData = CloseCode(rawValue: 1003)
    /// The peer's close frame held no code; never on the wire.
    public static let noStatusReceived = CloseCode(rawValue: 1005)
    /// The connection ended without a close frame; never on the wire.
    public static let abnormalClosure = CloseCode(rawValue: 1006)
    /// The content does not fit its type, such as text that is not UTF-8.
    public static let invalidPayload = CloseCode(rawValue: 1007)
    /// A message breaks a rule of the endpoint's own.
    public static let policyViolation = CloseCode(rawValue: 1008)
    /// A message is larger than the endpoint takes.
    public static let messageTooBig = CloseCode(rawValue: 1009)
    /// The client needs an extension that the server did not negotiate.
    public static let mandatoryExtension = CloseCode(rawValue: 1010)
    /// The endpoint failed.
    public static let internalError = CloseCode(rawValue: 1011)
    /// The service restarts; the client may come back after a while.
    public static let serviceRestart = CloseCode(rawValue: 1012)
    /// The service is overloaded; the client may come back later.
    public static let tryAgainLater = CloseCode(rawValue: 1013)
    /// A server behind this gateway gave an invalid answer.
    public static let badGateway = CloseCode(rawValue: 1014)

    /// Whether the code may stand in a close frame: 1000–1003, 1007–1014, 3000–4999.
    public var isValidOnTheWire: Bool { apus_close_code_is_valid(rawValue) }
}
