// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The rule that a request breaks, one case per rule.
///
/// The raw value is a stable name for logs and metrics. An error only to stand in a `Result`: what a
/// client does wrong is never thrown.
public enum HandshakeViolation: String, Error, CaseIterable {
    // The shape of a request, RFC 9112.

    /// The request does not start with a method.
    case malformedMethod
    /// The method is longer than any that is known.
    case methodTooLong
    /// The request target is malformed.
    case malformedTarget
    /// The request target is too long.
    case targetTooLong
    /// The request line does not end with an HTTP version.
    case malformedVersion
    /// This server speaks HTTP/1.1.
    case unsupportedVersion
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
    /// The request has too many fields.
    case tooManyFields
    /// The request head is too long.
    case headTooLong
    /// The request was not complete in time.
    case deadlinePassed

    // What every request has to say.

    /// The Host field is missing.
    case hostMissing
    /// There is more than one Host field.
    case hostRepeated
    /// The host is not a name or address with an optional port.
    case hostInvalid
    /// There is more than one Content-Length field.
    case contentLengthRepeated
    /// The Content-Length field is not a decimal number.
    case contentLengthInvalid
    /// Content-Length and Transfer-Encoding exclude each other.
    case contentLengthAndTransferEncoding
    /// The last transfer coding is not chunked.
    case transferEncodingNotChunked
    /// Chunked is the only transfer coding that is known.
    case transferCodingUnknown
    /// The only expectation that is known is 100-continue.
    case expectationUnknown

    // The body of a request.

    /// The body of the request is too large.
    case bodyTooLarge
    /// A chunk of the body is malformed.
    case chunkMalformed
    /// The extensions of the chunks are too long.
    case chunkExtensionsTooLong

    // What a handshake has to say, RFC 6455 §4.2.1.

    /// A WebSocket handshake is a GET request.
    case methodNotAllowed
    /// A WebSocket handshake has no body.
    case bodyOnUpgrade
    /// The Upgrade field is missing.
    case upgradeMissing
    /// The Upgrade field does not list websocket.
    case upgradeNotWebSocket
    /// The Connection field does not list Upgrade.
    case connectionNotUpgrade
    /// The Connection field asks for both upgrade and close.
    case connectionCloses
    /// The Sec-WebSocket-Version field is missing.
    case versionMissing
    /// There is more than one Sec-WebSocket-Version field.
    case versionRepeated
    /// This server speaks version 13 of the WebSocket protocol.
    case versionNotSupported
    /// The Sec-WebSocket-Key field is missing.
    case keyMissing
    /// There is more than one Sec-WebSocket-Key field.
    case keyRepeated
    /// The Sec-WebSocket-Key field is not base64 of 16 bytes.
    case keyInvalid
    /// There is more than one Origin field.
    case originRepeated
    /// The Sec-WebSocket-Protocol field is not a list of tokens.
    case protocolsMalformed
    /// A subprotocol is offered more than once.
    case protocolRepeated
    /// The Sec-WebSocket-Extensions field is malformed.
    case extensionsMalformed

    /// The document and section that states the rule.
    public var section: String { account.section }

    /// The answer that tells the client; the connection is closed after it.
    ///
    /// Its sentence is ours alone: nothing that the client sent is repeated in it.
    public var refusal: Refusal {
        let account = account
        return Refusal(
            status: account.status,
            reason: account.reason,
            checkedFields: fields,
            violation: self
        )
    }

    private var fields: [HeaderField] {
        switch self {
        case .methodNotAllowed: [HeaderField("Allow", "GET")]
        case .versionNotSupported:
            [HeaderField("Upgrade", "websocket"), HeaderField("Sec-WebSocket-Version", "13")]
        default: []
        }
    }

    private typealias Account = (status: Int, section: String, reason: String)

    private var account: Account {
        switch self {
        case .malformedMethod:
            (400, "RFC 9112 §3.1", "The request does not start with a method.")
        case .methodTooLong:
            (501, "RFC 9112 §3", "The method is longer than any that is known.")
        case .malformedTarget:
            (400, "RFC 9112 §3.2", "The request target is malformed.")
        case .targetTooLong:
            (414, "RFC 9112 §3", "The request target is too long.")
        case .malformedVersion:
            (400, "RFC 9112 §2.3", "The request line does not end with an HTTP version.")
        case .unsupportedVersion:
            (505, "RFC 6455 §4.2.1", "This server speaks HTTP/1.1.")
        case .malformedLineEnd:
            (400, "RFC 9112 §2.2", "A line does not end with CR LF.")
        case .foldedLine:
            (400, "RFC 9112 §5.2", "A line of the head starts with white space.")
        case .malformedFieldName:
            (400, "RFC 9112 §5.1", "A field name is not a token that a colon follows.")
        case .malformedFieldValue:
            (400, "RFC 9110 §5.5", "A field value has a control character.")
        case .fieldLineTooLong:
            (431, "RFC 6585 §5", "A field line is too long.")
        case .tooManyFields:
            (431, "RFC 6585 §5", "The request has too many fields.")
        case .headTooLong:
            (431, "RFC 6585 §5", "The request head is too long.")
        case .deadlinePassed:
            (408, "RFC 9110 §15.5.9", "The request was not complete in time.")
        case .hostMissing:
            (400, "RFC 9112 §3.2", "The Host field is missing.")
        case .hostRepeated:
            (400, "RFC 9112 §3.2", "There is more than one Host field.")
        case .hostInvalid:
            (400, "RFC 9112 §3.2", "The host is not a name or address with an optional port.")
        case .contentLengthRepeated:
            (400, "RFC 9112 §6.3", "There is more than one Content-Length field.")
        case .contentLengthInvalid:
            (400, "RFC 9112 §6.3", "The Content-Length field is not a decimal number.")
        case .contentLengthAndTransferEncoding:
            (400, "RFC 9112 §6.1", "Content-Length and Transfer-Encoding exclude each other.")
        case .transferEncodingNotChunked:
            (400, "RFC 9112 §6.3", "The last transfer coding is not chunked.")
        case .transferCodingUnknown:
            (501, "RFC 9112 §6.1", "Chunked is the only transfer coding that is known.")
        case .expectationUnknown:
            (417, "RFC 9110 §10.1.1", "The only expectation that is known is 100-continue.")
        case .bodyTooLarge:
            (413, "RFC 9110 §15.5.14", "The body of the request is too large.")
        case .chunkMalformed:
            (400, "RFC 9112 §7.1", "A chunk of the body is malformed.")
        case .chunkExtensionsTooLong:
            (400, "RFC 9112 §7.1.1", "The extensions of the chunks are too long.")
        case .methodNotAllowed:
            (405, "RFC 6455 §4.2.1 (1)", "A WebSocket handshake is a GET request.")
        case .bodyOnUpgrade:
            (400, "RFC 6455 §4.2.1", "A WebSocket handshake has no body.")
        case .upgradeMissing:
            (400, "RFC 6455 §4.2.1 (3)", "The Upgrade field is missing.")
        case .upgradeNotWebSocket:
            (400, "RFC 6455 §4.2.1 (3)", "The Upgrade field does not list websocket.")
        case .connectionNotUpgrade:
            (400, "RFC 6455 §4.2.1 (4)", "The Connection field does not list Upgrade.")
        case .connectionCloses:
            (400, "RFC 9112 §9.6", "The Connection field asks for both upgrade and close.")
        case .versionMissing:
            (400, "RFC 6455 §4.2.1 (6)", "The Sec-WebSocket-Version field is missing.")
        case .versionRepeated:
            (400, "RFC 6455 §4.2.1 (6)", "There is more than one Sec-WebSocket-Version field.")
        case .versionNotSupported:
            (426, "RFC 6455 §4.4", "This server speaks version 13 of the WebSocket protocol.")
        case .keyMissing:
            (400, "RFC 6455 §4.2.1 (5)", "The Sec-WebSocket-Key field is missing.")
        case .keyRepeated:
            (400, "RFC 6455 §11.3.1", "There is more than one Sec-WebSocket-Key field.")
        case .keyInvalid:
            (400, "RFC 6455 §4.2.1 (5)", "The Sec-WebSocket-Key field is not base64 of 16 bytes.")
        case .originRepeated:
            (400, "RFC 6454 §7.3", "There is more than one Origin field.")
        case .protocolsMalformed:
            (400, "RFC 6455 §11.3.4", "The Sec-WebSocket-Protocol field is not a list of tokens.")
        case .protocolRepeated:
            (400, "RFC 6455 §4.1 (10)", "A subprotocol is offered more than once.")
        case .extensionsMalformed:
            (400, "RFC 6455 §9.1", "The Sec-WebSocket-Extensions field is malformed.")
        }
    }
}

extension HandshakeViolation {
    /// The rule for field lines that a request breaks.
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
