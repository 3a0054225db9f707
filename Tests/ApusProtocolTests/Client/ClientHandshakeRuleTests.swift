// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Testing

@Suite(.rfc6455("4.1"))
struct `Answers to a client's handshake` {
    private static let draft = ResponseDraft.handshake

    @Test(arguments: [
        ResponseVector("the RFC's example", draft, .open),
        ResponseVector(
            "names and values in any case",
            draft.replacing("Upgrade", with: "UPGRADE: WebSocket")
                .replacing("Connection", with: "connection: uPgRaDe"),
            .open
        ),
        ResponseVector(
            "Upgrade among other connection options",
            draft.replacing("Connection", with: "Connection: keep-alive", "Connection: a, Upgrade"),
            .open
        ),
        ResponseVector("other fields", draft.adding("Server: x", "Set-Cookie: a=b"), .open),
        ResponseVector("no reason", draft.answering("HTTP/1.1 101 "), .open),
        ResponseVector(
            "the other subprotocol",
            draft.replacing("Sec-WebSocket-Protocol", with: "Sec-WebSocket-Protocol: superchat"),
            .open(protocol: "superchat")
        ),
        ResponseVector(
            "an empty list of extensions",
            draft.adding("Sec-WebSocket-Extensions:"),
            .open
        ),
    ])
    func `opens`(vector: ResponseVector) throws {
        try vector.verify()
    }

    @Test(arguments: [
        ResponseVector("no Upgrade", draft.replacing("Upgrade"), .upgradeMissing),
        ResponseVector(
            "an empty Upgrade",
            draft.replacing("Upgrade", with: "Upgrade:"),
            .upgradeNotWebSocket
        ),
        ResponseVector(
            "another Upgrade",
            draft.replacing("Upgrade", with: "Upgrade: h2c"),
            .upgradeNotWebSocket
        ),
        ResponseVector(
            "a second Upgrade",
            draft.replacing("Upgrade", with: "Upgrade: websocket, h2c"),
            .upgradeNotWebSocket
        ),
        ResponseVector("no Connection", draft.replacing("Connection"), .connectionNotUpgrade),
        ResponseVector(
            "another Connection",
            draft.replacing("Connection", with: "Connection: Upgraded, keep-alive"),
            .connectionNotUpgrade
        ),
    ])
    func `fail where the protocol did not change`(vector: ResponseVector) throws {
        try vector.verify()
    }

    private static func accept(_ lines: String...) -> ResponseDraft {
        var changed = draft.replacing("Sec-WebSocket-Accept")
        changed.fields += lines.map { "Sec-WebSocket-Accept: \($0)" }
        return changed
    }

    @Test(arguments: [
        ResponseVector("no accept", accept(), .acceptMissing),
        ResponseVector("an empty one", accept(""), .acceptWrong),
        ResponseVector("another key's", accept("T3pPLMBiTxaQ9kYGzzhZRbK+xOo="), .acceptWrong),
        ResponseVector("small letters", accept("s3pplmbitxaq9kygzzhzrbk+xoo="), .acceptWrong),
        ResponseVector("no padding", accept("s3pPLMBiTxaQ9kYGzzhZRbK+xOo"), .acceptWrong),
        ResponseVector("the key itself", accept("dGhlIHNhbXBsZSBub25jZQ=="), .acceptWrong),
        ResponseVector(
            "twice the right one",
            accept("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            .acceptRepeated
        ),
        ResponseVector(
            "two in a line",
            accept("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=, a"),
            .acceptWrong
        ),
    ])
    func `fail without the proof that our key was read`(vector: ResponseVector) throws {
        try vector.verify()
    }

    private static func selecting(_ lines: String...) -> ResponseDraft {
        var changed = draft.replacing("Sec-WebSocket-Protocol")
        changed.fields += lines.map { "Sec-WebSocket-Protocol: \($0)" }
        return changed
    }

    @Test(arguments: [
        ResponseVector("none", selecting(), .protocolMissing),
        ResponseVector("an empty one", selecting(""), .protocolNotRequested),
        ResponseVector("another", selecting("chats"), .protocolNotRequested),
        ResponseVector("in another case", selecting("Chat"), .protocolNotRequested),
        ResponseVector("two in a line", selecting("chat, superchat"), .protocolNotRequested),
        ResponseVector("two lines", selecting("chat", "superchat"), .protocolRepeated),
        ResponseVector("the same twice", selecting("chat", "chat"), .protocolRepeated),
    ])
    func `fail with a subprotocol that is not one of ours`(vector: ResponseVector) throws {
        try vector.verify()
    }

    @Test func `fail with a subprotocol where none was offered`() throws {
        try ResponseVector("one", Self.draft, .protocolNotRequested).verify(offering: [])
        try ResponseVector("none", Self.selecting(), .open(protocol: nil)).verify(offering: [])
    }

    @Test(arguments: ["permessage-deflate", "a;b", ",", "\"", "permessage-deflate; x=1"])
    func `fail with an extension`(value: String) throws {
        try ResponseVector(
            value,
            Self.draft.adding("Sec-WebSocket-Extensions: \(value)"),
            .extensionNotRequested
        ).verify()
    }

    @Test(arguments: [200, 204, 301, 400, 401, 403, 404, 426, 500, 503, 599])
    func `with another status are ordinary responses`(status: Int) throws {
        let draft = ResponseDraft(
            statusLine: "HTTP/1.1 \(status) Whatever it is",
            fields: ["Content-Length: 2", "Location: /a"]
        )
        let action = try answerInEveryWay(draft.bytes + [0x68, 0x69])
        guard case .httpResponse(let head, let consumed) = action else {
            Issue.record("\(action)")
            return
        }
        #expect(head.status == status)
        #expect(head.reason == "Whatever it is")
        #expect(head.firstValue(of: "location") == "/a")
        #expect(head.fieldCount == 2)
        #expect(consumed == draft.bytes.count)
    }

    @Test func `every rule has a section and a sentence of its own`() {
        let violations = ClientHandshakeViolation.allCases
        #expect(violations.allSatisfy { $0.section.hasPrefix("RFC ") && $0.reason.hasSuffix(".") })
        #expect(Set(violations.map(\.reason)).count == violations.count)
    }
}

@Suite(.rfc9112("4"))
struct `Response heads` {
    private static func line(_ line: String, _ outcome: ResponseOutcome) -> ResponseVector {
        ResponseVector(line.debugDescription, ResponseDraft.handshake.answering(line), outcome)
    }

    @Test(arguments: [
        line("HTTP/1.1 101 a\tb ä", .open),
        line("HTTP/1.2 101 ", .open),
        line("HTTP/1.0 404 Not Found", .httpResponse(404)),
        line("HTTP/1.0 101 a", .failed(.versionNotSupported)),
        line("HTTP/2.0 101 a", .failed(.versionNotSupported)),
        line("HTTP/2 101 a", .failed(.versionNotSupported)),
        line("HTTP/1.1 101", .failed(.malformedStatusLine)),
        line("HTTP/1.1  101 a", .failed(.malformedStatusLine)),
        line("HTTP/1.1 1010 a", .failed(.malformedStatusLine)),
        line("HTTP/1.1 10 a", .failed(.malformedStatusLine)),
        line("HTTP/1.1 099 a", .failed(.malformedStatusLine)),
        line("HTTP/1.1 600 a", .failed(.malformedStatusLine)),
        line("HTTP/1.1 1x1 a", .failed(.malformedStatusLine)),
        line("HTTP/1.1 +11 a", .failed(.malformedStatusLine)),
        line("HTTP/1.1\t101 a", .failed(.malformedStatusLine)),
        line("HTTP/1.11 101 a", .failed(.malformedStatusLine)),
        line("HTTP/x.1 101 a", .failed(.malformedStatusLine)),
        line("HTTP/1.x 101 a", .failed(.malformedStatusLine)),
        line("HTTP/1,1 101 a", .failed(.malformedStatusLine)),
        line("http/1.1 101 a", .failed(.malformedStatusLine)),
        line(" HTTP/1.1 101 a", .failed(.malformedStatusLine)),
        line("\r\nHTTP/1.1 101 a", .failed(.malformedStatusLine)),
        line("", .failed(.malformedStatusLine)),
        line("HTTP/1.1 101 a\u{0}", .failed(.malformedStatusLine)),
        line("HTTP/1.1 101 a\u{7F}", .failed(.malformedStatusLine)),
        line("HTTP/1.1 101 a\nb: c", .failed(.malformedLineEnd)),
        line("HTTP/1.1 101 a\rb: c", .failed(.malformedLineEnd)),
        line("HTTP/1.1 101 a\r\r", .failed(.malformedLineEnd)),
    ])
    func `start with a status line to the letter`(vector: ResponseVector) throws {
        try vector.verify()
    }

    private static func field(_ line: String, _ outcome: ResponseOutcome) -> ResponseVector {
        ResponseVector(line.debugDescription, ResponseDraft.handshake.adding(line), outcome)
    }

    @Test(
        .rfc9112("5"),
        arguments: [
            field("X:", .open),
            field("X: \t a \t ", .open),
            field("X: ä", .open),
            field(": a", .failed(.malformedFieldName)),
            field("X : a", .failed(.malformedFieldName)),
            field("X", .failed(.malformedFieldName)),
            field("X\u{0}: a", .failed(.malformedFieldName)),
            field("X: a\u{0}", .failed(.malformedFieldValue)),
            field("X: a\u{7F}b", .failed(.malformedFieldValue)),
            field("X: a\rb", .failed(.malformedLineEnd)),
            field("X: a\nY: b", .failed(.malformedLineEnd)),
            field("X: a\r\r\n", .failed(.malformedLineEnd)),
            field("X: a\r\n b", .failed(.foldedLine)),
            field("X: a\r\n\tb", .failed(.foldedLine)),
        ]
    )
    func `have field lines as strict as a request's`(vector: ResponseVector) throws {
        try vector.verify()
    }

    @Test(arguments: [
        ("HTTP/1.1 101 a\r\n\n", ClientHandshakeViolation.malformedLineEnd),
        ("HTTP/1.1 101 a\r\n\r\r", .malformedLineEnd),
        ("HTTP/1.1 101 a\r\n X: a\r\n\r\n", .foldedLine),
        ("HTTP/1.1 101 a\r\n\r\n", .upgradeMissing),
    ])
    func `end with an empty line of CR LF`(
        text: String,
        violation: ClientHandshakeViolation
    ) throws {
        try ResponseVector(raw: text, .failed(violation)).verify()
    }
}
