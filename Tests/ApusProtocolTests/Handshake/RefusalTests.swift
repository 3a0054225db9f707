// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Testing

@Suite struct `Refusals` {
    private func bytes(_ violation: HandshakeViolation) -> String {
        violation.refusal.bytes().wireText
    }

    @Test func `is a whole response that closes`() {
        #expect(
            bytes(.keyMissing) == """
                HTTP/1.1 400 Bad Request\r
                Content-Type: text/plain; charset=utf-8\r
                Connection: close\r
                Content-Length: 39\r
                \r
                The Sec-WebSocket-Key field is missing.
                """
        )
    }

    @Test(.rfc6455("4.4")) func `of a version says which one is spoken`() {
        #expect(
            bytes(.versionNotSupported) == """
                HTTP/1.1 426 Upgrade Required\r
                Upgrade: websocket\r
                Sec-WebSocket-Version: 13\r
                Content-Type: text/plain; charset=utf-8\r
                Connection: Upgrade, close\r
                Content-Length: 56\r
                \r
                This server speaks version 13 of the WebSocket protocol.
                """
        )
    }

    @Test func `of a method says which one is allowed`() {
        #expect(
            bytes(.methodNotAllowed).hasPrefix("HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\n")
        )
    }

    @Test(arguments: HandshakeViolation.allCases)
    func `carries the rule that was broken`(violation: HandshakeViolation) {
        let refusal = violation.refusal
        #expect(refusal.violation == violation)
        #expect([400, 405, 408, 413, 414, 417, 426, 431, 501, 505].contains(refusal.status))
        #expect(refusal.reason.hasSuffix("."))
        #expect(violation.section.hasPrefix("RFC "))
    }

    @Test func `of the application has its status, fields and reason`() throws {
        let refusal = try Refusal(
            status: 503,
            reason: "Full — später.",
            fields: [HeaderField("Retry-After", "1")]
        )
        #expect(refusal.violation == nil)
        #expect(
            refusal.bytes().wireText == """
                HTTP/1.1 503 Service Unavailable\r
                Retry-After: 1\r
                Content-Type: text/plain; charset=utf-8\r
                Connection: close\r
                Content-Length: 17\r
                \r
                Full — später.
                """
        )
    }

    @Test func `of the application has the body that it gives`() throws {
        let refusal = try Refusal(
            status: 422,
            reason: "no such room",
            body: ResponseBody(Array("{}".utf8), contentType: "application/json")
        )
        #expect(refusal.reason == "no such room")
        #expect(
            refusal.bytes().wireText == """
                HTTP/1.1 422 Unprocessable Content\r
                Content-Type: application/json\r
                Connection: close\r
                Content-Length: 2\r
                \r
                {}
                """
        )
        let empty = try Refusal(status: 403, reason: "secret", body: ResponseBody(text: ""))
        #expect(empty.bytes().wireText.hasSuffix("Content-Length: 0\r\n\r\n"))
    }

    @Test(arguments: ["a\r\nX: b", "a\u{0}"])
    func `has a type that injects no field`(type: String) {
        #expect(throws: HandshakeError.fieldValueInvalid(name: "Content-Type")) {
            try Refusal(status: 400, reason: "", body: ResponseBody([], contentType: type))
        }
    }

    @Test(arguments: [-1, 0, 99, 100, 101, 199, 600, 1_000, Int.max])
    func `has a final status`(status: Int) {
        #expect(throws: HandshakeError.statusInvalid(status)) {
            try Refusal(status: status, reason: "")
        }
        #expect(throws: HandshakeError.statusInvalid(status)) {
            try HTTPReply.bytes(status: status)
        }
    }

    @Test(arguments: ["Connection", "content-length", "Content-Type", "Transfer-Encoding"])
    func `leaves its own fields to nobody`(name: String) {
        #expect(throws: HandshakeError.fieldReserved(name)) {
            try Refusal(status: 400, reason: "", fields: [HeaderField(name, "a")])
        }
    }

    @Test(arguments: [
        (405, "Method Not Allowed"), (418, "Client Error"), (422, "Unprocessable Content"),
        (429, "Too Many Requests"), (451, "Unavailable For Legal Reasons"), (299, "Success"),
        (399, "Redirection"), (499, "Client Error"), (511, "Network Authentication Required"),
        (599, "Server Error"), (308, "Permanent Redirect"),
    ])
    func `has a phrase for every status`(status: Int, phrase: String) throws {
        let text = try Refusal(status: status, reason: "").bytes().wireText
        #expect(text.hasPrefix("HTTP/1.1 \(status) \(phrase)\r\n"))
    }
}

@Suite struct `Ordinary reply` {
    @Test func `has its fields, its length and its body`() throws {
        let body = Array("<p>ä".utf8)
        let fields = [HeaderField("Content-Type", "text/html")]
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\n"
        #expect(
            try HTTPReply.bytes(status: 200, fields: fields, body: body).wireText == head + "<p>ä"
        )
        #expect(
            try HTTPReply.bytes(status: 200, fields: fields, body: body, isHeadOnly: true).wireText
                == head
        )
    }

    @Test(arguments: [204, 304])
    func `has no body where its status has none`(status: Int) throws {
        let text = try HTTPReply.bytes(status: status, body: [0x41]).wireText
        #expect(text.hasSuffix("\r\n\r\n"))
        #expect(!text.contains("Content-Length"))
    }

    @Test func `resets content with none`() throws {
        let text = try HTTPReply.bytes(status: 205, body: [0x41]).wireText
        #expect(text == "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n")
    }

    @Test(.rfc9110("6.6.1")) func `has one date, and says whether the connection ends`() throws {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT"
        let own = "Thu, 01 Jan 1970 00:00:00 GMT"
        let closing = try HTTPReply.bytes(status: 204, date: date, closes: true).wireText
        #expect(
            closing == "HTTP/1.1 204 No Content\r\nConnection: close\r\nDate: \(date)\r\n\r\n"
        )
        let fields = [HeaderField("date", own), HeaderField("Upgrade", "websocket")]
        let dated = try HTTPReply.bytes(status: 426, fields: fields, date: date).wireText
        #expect(dated.contains("date: \(own)\r\n") && !dated.contains(date))
        #expect(dated.contains("Connection: Upgrade\r\n"))
    }

    @Test func `may be a refusal after which the connection goes on`() throws {
        let refusal = try Refusal(status: 404, reason: "nothing")
        let text = refusal.bytes(date: "today", isHeadOnly: true, closes: false).wireText
        #expect(text.hasSuffix("Date: today\r\nContent-Length: 7\r\n\r\n"))
        #expect(!text.contains("Connection"))
    }

    @Test(arguments: ["Content-Length", "transfer-encoding", "Connection"])
    func `is framed by nobody else`(name: String) {
        #expect(throws: HandshakeError.fieldReserved(name)) {
            try HTTPReply.bytes(status: 200, fields: [HeaderField(name, "1")])
        }
    }
}
