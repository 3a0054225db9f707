// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import Testing

/// The nonce of RFC 6455 §1.3, "the sample nonce", whose key is `dGhlIHNhbXBsZSBub25jZQ==`.
let sampleNonce = Array("the sample nonce".utf8)

/// A response head to be changed by a test and fed to a client.
struct ResponseDraft {
    var statusLine: String
    var fields: [String]

    /// The server's handshake of RFC 6455 §1.3.
    static let handshake = ResponseDraft(
        statusLine: "HTTP/1.1 101 Switching Protocols",
        fields: [
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            "Sec-WebSocket-Protocol: chat",
        ]
    )

    func answering(_ line: String) -> ResponseDraft {
        ResponseDraft(statusLine: line, fields: fields)
    }

    func adding(_ lines: String...) -> ResponseDraft {
        ResponseDraft(statusLine: statusLine, fields: fields + lines)
    }

    /// Puts other lines, or none, in place of those with this name.
    func replacing(_ name: String, with lines: String...) -> ResponseDraft {
        let prefix = name.lowercased() + ":"
        let index = fields.firstIndex { $0.lowercased().hasPrefix(prefix) } ?? fields.count
        var others = fields.filter { !$0.lowercased().hasPrefix(prefix) }
        others.insert(contentsOf: lines, at: index)
        return ResponseDraft(statusLine: statusLine, fields: others)
    }

    var text: String { ([statusLine] + fields).map { $0 + "\r\n" }.joined() + "\r\n" }
    var bytes: [UInt8] { Array(text.utf8) }
}

/// What a client makes of a server's bytes, without the details of a head.
enum ResponseOutcome: Equatable {
    case undecided
    case open(protocol: String?)
    case httpResponse(Int)
    case failed(ClientHandshakeViolation)

    static let open = ResponseOutcome.open(protocol: "chat")

    init(_ action: ClientHandshakeAction) {
        self =
            switch action {
            case .needMoreBytes: .undecided
            case .open(_, let selection, _): .open(protocol: selection)
            case .httpResponse(let head, _): .httpResponse(head.status)
            case .fail(let violation): .failed(violation)
            }
    }
}

/// One response and what has to come of it.
struct ResponseVector: CustomTestStringConvertible {
    let testDescription: String
    let bytes: [UInt8]
    let outcome: ResponseOutcome

    init(_ name: String, _ draft: ResponseDraft, _ outcome: ResponseOutcome) {
        testDescription = name
        bytes = draft.bytes
        self.outcome = outcome
    }

    init(_ name: String, _ draft: ResponseDraft, _ violation: ClientHandshakeViolation) {
        self.init(name, draft, .failed(violation))
    }

    init(raw text: String, _ outcome: ResponseOutcome) {
        testDescription = text.debugDescription
        bytes = Array(text.utf8)
        self.outcome = outcome
    }

    /// Feeds the response whole and in every other way, and expects the outcome.
    func verify(
        offering protocols: [String] = ["chat", "superchat"],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let action = try answerInEveryWay(
            bytes,
            offering: protocols,
            sourceLocation: sourceLocation
        )
        #expect(ResponseOutcome(action) == outcome, sourceLocation: sourceLocation)
    }
}

/// A handshake with the key of the RFC's example.
func clientHandshake(
    offering protocols: [String] = ["chat", "superchat"],
    limits: HandshakeLimits = HandshakeLimits()
) throws -> ClientHandshake {
    try ClientHandshake(
        url: WebSocketURL("ws://server.example.com/chat"),
        protocols: protocols,
        nonce: sampleNonce,
        limits: limits,
        deadline: handshakeDeadline
    )
}

/// Feeds pieces to a new handshake until it decides.
///
/// `consumed` of the action counts from the first byte of the first piece.
func answer(
    _ pieces: [ArraySlice<UInt8>],
    offering protocols: [String] = ["chat", "superchat"],
    limits: HandshakeLimits = HandshakeLimits()
) throws -> ClientHandshakeAction {
    var handshake = try clientHandshake(offering: protocols, limits: limits)
    var fed = 0
    for piece in pieces {
        switch handshake.received(piece.span, at: handshakeStart) {
        case .needMoreBytes: fed += piece.count
        case .open(let head, let selection, let consumed):
            return .open(head, protocol: selection, consumed: fed + consumed)
        case .httpResponse(let head, let consumed):
            return .httpResponse(head, consumed: fed + consumed)
        case .fail(let violation): return .fail(violation)
        }
    }
    return .needMoreBytes
}

/// Feeds the bytes whole, byte by byte, and cut in two at every place.
///
/// Long inputs are cut at places spread over them and at the last ones, where limits are reached.
/// Returns what came of the whole after it was found equal to all others.
@discardableResult
func answerInEveryWay(
    _ bytes: [UInt8],
    offering protocols: [String] = ["chat", "superchat"],
    limits: HandshakeLimits = HandshakeLimits(),
    sourceLocation: SourceLocation = #_sourceLocation
) throws -> ClientHandshakeAction {
    func answered(_ pieces: [ArraySlice<UInt8>]) throws -> ClientHandshakeAction {
        try answer(pieces, offering: protocols, limits: limits)
    }
    let whole = try answered([bytes[...]])
    let single = try answered(bytes.indices.map { bytes[$0...$0] })
    #expect(single == whole, "byte by byte", sourceLocation: sourceLocation)
    let step = bytes.count <= 1_024 ? 1 : bytes.count / 64
    for cut in bytes.indices where cut % step == 0 || cut > bytes.count - 8 {
        let halves = try answered([bytes[..<cut], bytes[cut...]])
        #expect(halves == whole, "cut at \(cut)", sourceLocation: sourceLocation)
    }
    return whole
}

extension ClientHandshake {
    /// Makes the span outside of `#expect`, which could not hold it.
    mutating func received(
        _ bytes: some Sequence<UInt8>,
        at now: Instant
    ) -> ClientHandshakeAction {
        received(Array(bytes).span, at: now)
    }
}

extension ProxyTunnel {
    mutating func received(_ bytes: some Sequence<UInt8>, at now: Instant) -> ProxyTunnelAction {
        received(Array(bytes).span, at: now)
    }
}
