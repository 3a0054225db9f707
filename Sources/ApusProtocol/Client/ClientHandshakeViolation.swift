// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The rule that a response to our handshake breaks, one case per rule.
///
/// The raw value is a stable name for logs and metrics. An error only to stand in a `Result`: what a
/// server does wrong is never thrown.
public enum ClientHandshakeViolation: String, Error, CaseIterable {
    // The shape of a response, RFC 9112.

    /// The response does not start with an HTTP status line.
    case malformedStatusLine
    /// The response is not HTTP/1.1.
    case versionNotSupported
    /// The status line is too long.
    case statusLineTooLong
    /// A line does not end with CR LF.
    case malformedLineEnd
    /// A line of the head starts with white space.
    case foldedLine
    /// A field name is not a token that a colon follows.
    case malformedFieldName
    /// A field value has a control character.
    case malformedFieldValue
    /// A field line is too long.
    case fieldLineTooLong
    /// The response has too many fields.
    case tooManyFields
    /// The response head is too long.
    case headTooLong
    /// The server sent too many interim responses.
    case tooManyInterimResponses
    /// The response was not complete in time.
    case deadlinePassed
    /// The server ended the connection before its response.
    case connectionClosed

    // What the answer to a handshake has to say, RFC 6455 §4.1.

    /// The Upgrade field is missing.
    case upgradeMissing
    /// The Upgrade field is not websocket.
    case upgradeNotWebSocket
    /// The Connection field does not list Upgrade.
    case connectionNotUpgrade
    /// The Sec-WebSocket-Accept field is missing.
    case acceptMissing
    /// There is more than one Sec-WebSocket-Accept field.
    case acceptRepeated
    /// The Sec-WebSocket-Accept field does not answer our key.
    case acceptWrong
    /// There is more than one Sec-WebSocket-Protocol field.
    case protocolRepeated
    /// The server selected a subprotocol that was not offered.
    case protocolNotRequested
    /// The server selected none of the subprotocols offered.
    case protocolMissing
    /// The server uses an extension that was not offered.
    case extensionNotRequested
    /// The server's answer to permessage-deflate is not one to what was offered.
    case deflateAnswerInvalid

    /// The document and section that states the rule.
    public var section: String { account.section }

    /// The rule as a sentence of ours; nothing that the server sent is repeated in it.
    public var reason: String { account.reason }

    private var account: (section: String, reason: String) {
        switch self {
        case .malformedStatusLine:
            ("RFC 9112 §4", "The response does not start with an HTTP status line.")
        case .versionNotSupported:
            ("RFC 6455 §4.2.2", "The response is not HTTP/1.1.")
        case .statusLineTooLong:
            ("RFC 9112 §4", "The status line is too long.")
        case .malformedLineEnd:
            ("RFC 9112 §2.2", "A line does not end with CR LF.")
        case .foldedLine:
            ("RFC 9112 §5.2", "A line of the head starts with white space.")
        case .malformedFieldName:
            ("RFC 9112 §5.1", "A field name is not a token that a colon follows.")
        case .malformedFieldValue:
            ("RFC 9110 §5.5", "A field value has a control character.")
        case .fieldLineTooLong:
            ("RFC 9110 §5.4", "A field line is too long.")
        case .tooManyFields:
            ("RFC 9110 §5.4", "The response has too many fields.")
        case .headTooLong:
            ("RFC 9110 §5.4", "The response head is too long.")
        case .tooManyInterimResponses:
            ("RFC 9110 §15.2", "The server sent too many interim responses.")
        case .deadlinePassed:
            ("RFC 6455 §4.1", "The response was not complete in time.")
        case .connectionClosed:
            ("RFC 6455 §4.1", "The server ended the connection before its response.")
        case .upgradeMissing:
            ("RFC 6455 §4.1 (2)", "The Upgrade field is missing.")
        case .upgradeNotWebSocket:
            ("RFC 6455 §4.1 (2)", "The Upgrade field is not websocket.")
        case .connectionNotUpgrade:
            ("RFC 6455 §4.1 (3)", "The Connection field does not list Upgrade.")
        case .acceptMissing:
            ("RFC 6455 §4.1 (4)", "The Sec-WebSocket-Accept field is missing.")
        case .acceptRepeated:
            ("RFC 6455 §11.3.3", "There is more than one Sec-WebSocket-Accept field.")
        case .acceptWrong:
            ("RFC 6455 §4.1 (4)", "The Sec-WebSocket-Accept field does not answer our key.")
        case .protocolRepeated:
            ("RFC 6455 §11.3.4", "There is more than one Sec-WebSocket-Protocol field.")
        case .protocolNotRequested:
            ("RFC 6455 §4.1 (6)", "The server selected a subprotocol that was not offered.")
        case .protocolMissing:
            ("RFC 6455 §4.2.2 (5)", "The server selected none of the subprotocols offered.")
        case .extensionNotRequested:
            ("RFC 6455 §4.1 (5)", "The server uses an extension that was not offered.")
        case .deflateAnswerInvalid:
            ("RFC 7692 §5.1", "The answer to permessage-deflate does not fit the offer.")
        }
    }
}

extension ClientHandshakeViolation {
    /// The rule for field lines that a response breaks.
    init(_ violation: FieldViolation) {
        self =
            switch violation {
            case .malformedLineEnd: .malformedLineEnd
            case .foldedLine: .foldedLine
            case .malformedFieldName: .malformedFieldName
            case .malformedFieldValue: .malformedFieldValue
            case .fieldLineTooLong: .fieldLineTooLong
            case .tooManyFields: .tooManyFields
            case .headTooLong: .headTooLong
            }
    }
}
