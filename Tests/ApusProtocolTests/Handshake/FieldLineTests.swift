// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Testing

@Suite(.rfc9112("5"))
struct `Field lines` {
    private static func line(_ line: String, _ outcome: HandshakeOutcome) -> HandshakeVector {
        HandshakeVector(line.debugDescription, HeadDraft.handshake.adding(line), outcome)
    }

    @Test(arguments: [
        line("X:", .upgrade),
        line("X:a", .upgrade),
        line("X: \t a \t ", .upgrade),
        line("X: a\tb", .upgrade),
        line("X: ä \u{7FF}", .upgrade),
        line("!#$%&'*+-.^_`|~09: a", .upgrade),
        line("X: a: b", .upgrade),
    ])
    func `server takes what the grammar allows`(vector: HandshakeVector) {
        vector.verify()
    }

    @Test(arguments: [
        line(": a", .refused(.malformedFieldName)),
        line("X : a", .refused(.malformedFieldName)),
        line("X\t: a", .refused(.malformedFieldName)),
        line("X", .refused(.malformedFieldName)),
        line("X\u{0}: a", .refused(.malformedFieldName)),
        line("Ä: a", .refused(.malformedFieldName)),
        line("(X): a", .refused(.malformedFieldName)),
        line("X: a\u{0}", .refused(.malformedFieldValue)),
        line("X: \u{0}", .refused(.malformedFieldValue)),
        line("X: a\u{B}b", .refused(.malformedFieldValue)),
        line("X: a\u{1B}b", .refused(.malformedFieldValue)),
        line("X: a\u{7F}b", .refused(.malformedFieldValue)),
        line("X: a\rb", .refused(.malformedLineEnd)),
        line("X: a\nY: b", .refused(.malformedLineEnd)),
        line("X: a\r\rY: b", .refused(.malformedLineEnd)),
        line("X:\n", .refused(.malformedLineEnd)),
        line("X: a\r\n b", .refused(.foldedLine)),
        line("X: a\r\n\tb", .refused(.foldedLine)),
    ])
    func `server refuses what two readers could read in two ways`(vector: HandshakeVector) {
        vector.verify()
    }

    @Test(arguments: [
        HandshakeVector(
            "white space before the first field",
            raw: "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            .foldedLine
        ),
        HandshakeVector(
            "LF after the request line",
            raw: "GET / HTTP/1.1\nHost: a",
            .malformedLineEnd
        ),
        HandshakeVector(
            "CR after the request line",
            raw: "GET / HTTP/1.1\rHost: a",
            .malformedLineEnd
        ),
        HandshakeVector(
            "LF ends the head",
            raw: "GET / HTTP/1.1\r\nHost: a\r\n\n",
            .malformedLineEnd
        ),
        HandshakeVector(
            "CR ends the head",
            raw: "GET / HTTP/1.1\r\nHost: a\r\n\r\r",
            .malformedLineEnd
        ),
    ])
    func `server refuses other line ends than CR LF`(vector: HandshakeVector) {
        vector.verify()
    }

    @Test func `head gives names and values as received`() throws {
        let head = try ordinaryHead(
            HeadDraft.ordinary.adding("X-Empty:", "X-Wide: \t a  b\t ", "x-wide:c", "Accept: */*")
        )
        #expect(head.method == "GET")
        #expect(head.target == "/index.html")
        #expect(head.fieldCount == 6)
        #expect(head.name(at: 3) == "X-Wide")
        #expect(head.value(at: 3) == "a  b")
        #expect(head.value(at: 2) == "")
        #expect(head.values(of: "X-WIDE") == ["a  b", "c"])
        #expect(head.values(of: "X") == [])
        #expect(head.firstValue(of: "accept") == "text/html")
        #expect(head.firstValue(of: "X-Empty") == "")
        #expect(head.firstValue(of: "Cookie") == nil)
        #expect(head.hasField("HOST"))
        #expect(!head.hasField("Hos"))
    }

    @Test(arguments: ["Upgrads", "Sec-WebSocket-Kez", "Sec-WebSocket-Versiom", "Upgradex"])
    func `a name that is nearly a known one is another`(name: String) throws {
        let head = try ordinaryHead(HeadDraft.ordinary.adding("\(name): websocket"))
        #expect(head.firstValue(of: name) == "websocket")
        #expect(!head.hasField("Upgrade"))
    }

    @Test func `known names are known in every case and piece`() {
        let draft = HeadDraft(
            requestLine: "GET / HTTP/1.1",
            fields: [
                "hOST: a", "uPGRADE:\twebsocket", "CONNECTION: a\tb, upgrade",
                "sec-websocket-KEY: dGhlIHNhbXBsZSBub25jZQ==", "SEC-WEBSOCKET-version: 13",
            ]
        )
        let action = sendHeadInEveryWay(draft.bytes)
        #expect(HandshakeOutcome(action) == .upgrade)
    }

    @Test func `list runs over all lines of a name without empty elements`() throws {
        let head = try ordinaryHead(
            HeadDraft.ordinary.adding("Via: a ,, b\t,", "Vias: x", "via: ,C", "Via:")
        )
        #expect(head.list(of: "Via") == ["a", "b", "C"])
        #expect(head.list(of: "Via", contains: "c"))
        #expect(!head.list(of: "Via", contains: "x"))
        #expect(head.list(of: "None") == [])
    }

    @Test func `bytes that are not UTF-8 are replaced`() {
        var bytes = Array("GET / HTTP/1.1\r\nHost: a\r\nX: ".utf8)
        bytes += [0xFF, 0x41, 0x0D, 0x0A, 0x0D, 0x0A]
        guard case .request(let head, consumed: bytes.count) = sendHeadInEveryWay(bytes) else {
            Issue.record("not a request")
            return
        }
        #expect(head.firstValue(of: "X") == "\u{FFFD}A")
    }
}
