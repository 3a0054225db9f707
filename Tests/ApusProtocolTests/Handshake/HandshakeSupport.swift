// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import Testing

/// A request head to be changed by a test and sent.
struct HeadDraft {
    var requestLine: String
    var fields: [String]

    /// The client's handshake of RFC 6455 §1.2.
    static let handshake = HeadDraft(
        requestLine: "GET /chat HTTP/1.1",
        fields: [
            "Host: server.example.com",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Origin: http://example.com",
            "Sec-WebSocket-Protocol: chat, superchat",
            "Sec-WebSocket-Version: 13",
        ]
    )

    /// What a browser's first visit may look like.
    static let ordinary = HeadDraft(
        requestLine: "GET /index.html HTTP/1.1",
        fields: ["Host: example.com", "Accept: text/html"]
    )

    func requesting(_ line: String) -> HeadDraft {
        HeadDraft(requestLine: line, fields: fields)
    }

    func adding(_ lines: String...) -> HeadDraft {
        HeadDraft(requestLine: requestLine, fields: fields + lines)
    }

    /// Puts other lines, or none, in place of those with this name.
    func replacing(_ name: String, with lines: String...) -> HeadDraft {
        let prefix = name.lowercased() + ":"
        let index = fields.firstIndex { $0.lowercased().hasPrefix(prefix) } ?? fields.count
        var others = fields.filter { !$0.lowercased().hasPrefix(prefix) }
        others.insert(contentsOf: lines, at: index)
        return HeadDraft(requestLine: requestLine, fields: others)
    }

    var text: String { ([requestLine] + fields).map { $0 + "\r\n" }.joined() + "\r\n" }
    var bytes: [UInt8] { Array(text.utf8) }
}

/// What a machine makes of a client's bytes, without the details of a head.
enum HandshakeOutcome: Equatable {
    case undecided
    case request
    case upgrade
    case refused(HandshakeViolation?)

    init(_ action: HandshakeAction) {
        self =
            switch action {
            case .needMoreBytes: .undecided
            case .request: .request
            case .upgrade: .upgrade
            case .refuse(let refusal): .refused(refusal.violation)
            }
    }
}

/// One input and what has to come of it.
struct HandshakeVector: CustomTestStringConvertible {
    let testDescription: String
    let bytes: [UInt8]
    let outcome: HandshakeOutcome

    init(_ name: String, _ draft: HeadDraft, _ outcome: HandshakeOutcome) {
        self.init(name, draft.bytes, outcome)
    }

    init(_ name: String, _ draft: HeadDraft, _ violation: HandshakeViolation) {
        self.init(name, draft.bytes, .refused(violation))
    }

    init(_ name: String, raw text: String, _ violation: HandshakeViolation) {
        self.init(name, Array(text.utf8), .refused(violation))
    }

    init(_ name: String, _ bytes: [UInt8], _ outcome: HandshakeOutcome) {
        testDescription = name
        self.bytes = bytes
        self.outcome = outcome
    }

    /// Sends the input whole and in every other way, and expects the outcome.
    func verify(sourceLocation: SourceLocation = #_sourceLocation) {
        let action = sendHeadInEveryWay(bytes, sourceLocation: sourceLocation)
        #expect(HandshakeOutcome(action) == outcome, sourceLocation: sourceLocation)
    }
}

/// Long before any deadline of these tests.
let handshakeStart = Instant(nanoseconds: 1_000)
let handshakeDeadline = handshakeStart.advanced(by: .seconds(10))

/// Sends pieces to a new machine until it decides.
///
/// `consumed` of the action counts from the first byte of the first piece.
func sendHead(
    _ pieces: [ArraySlice<UInt8>],
    limits: HandshakeLimits = HandshakeLimits()
) -> HandshakeAction {
    var machine = HandshakeStateMachine(limits: limits, deadline: handshakeDeadline)
    var sent = 0
    for piece in pieces {
        switch machine.received(piece.span, at: handshakeStart) {
        case .needMoreBytes: sent += piece.count
        case .request(let head, let consumed): return .request(head, consumed: sent + consumed)
        case .upgrade(let request, let consumed):
            return .upgrade(request, consumed: sent + consumed)
        case .refuse(let refusal): return .refuse(refusal)
        }
    }
    return .needMoreBytes
}

/// Sends the bytes in one piece.
func sendHead(
    _ bytes: [UInt8],
    limits: HandshakeLimits = HandshakeLimits()
) -> HandshakeAction {
    sendHead([bytes[...]], limits: limits)
}

/// Sends the bytes whole, byte by byte, and cut in two at every place.
///
/// Long inputs are cut at places spread over them and at the last ones, where limits are reached.
/// Returns what came of the whole after it was found equal to all others.
@discardableResult
func sendHeadInEveryWay(
    _ bytes: [UInt8],
    limits: HandshakeLimits = HandshakeLimits(),
    sourceLocation: SourceLocation = #_sourceLocation
) -> HandshakeAction {
    let whole = sendHead(bytes, limits: limits)
    let single = sendHead(bytes.indices.map { bytes[$0...$0] }, limits: limits)
    #expect(single == whole, "byte by byte", sourceLocation: sourceLocation)
    let step = bytes.count <= 1_024 ? 1 : bytes.count / 64
    for cut in bytes.indices where cut % step == 0 || cut > bytes.count - 8 {
        let halves = sendHead([bytes[..<cut], bytes[cut...]], limits: limits)
        #expect(halves == whole, "cut at \(cut)", sourceLocation: sourceLocation)
    }
    return whole
}

/// The handshake that a draft makes; fails the test where it makes none.
func upgradeRequest(_ draft: HeadDraft) throws -> UpgradeRequest {
    guard case .upgrade(let request, _) = sendHead(draft.bytes) else {
        throw UnexpectedOutcome(text: draft.text)
    }
    return request
}

/// The head of an ordinary request; fails the test where it is none.
func ordinaryHead(_ draft: HeadDraft) throws -> RequestHead {
    guard case .request(let head, _) = sendHead(draft.bytes) else {
        throw UnexpectedOutcome(text: draft.text)
    }
    return head
}

struct UnexpectedOutcome: Error {
    let text: String
}

extension HandshakeStateMachine {
    /// Makes the span outside of `#expect`, which could not hold it.
    mutating func received(_ bytes: some Sequence<UInt8>, at now: Instant) -> HandshakeAction {
        received(Array(bytes).span, at: now)
    }
}

extension [UInt8] {
    var wireText: String { String(decoding: self, as: UTF8.self) }
}
