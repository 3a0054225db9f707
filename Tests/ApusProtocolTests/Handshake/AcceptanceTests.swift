// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Testing

@Suite(.rfc6455("4.2.2"))
struct `Acceptances` {
    @Test(.rfc6455("1.2")) func `is that of the RFC's example`() throws {
        let request = try upgradeRequest(HeadDraft.handshake)
        #expect(
            try request.acceptance(protocol: "chat").wireText == """
                HTTP/1.1 101 Switching Protocols\r
                Upgrade: websocket\r
                Connection: Upgrade\r
                Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r
                Sec-WebSocket-Protocol: chat\r
                \r

                """
        )
    }

    @Test func `names no subprotocol where none is selected and adds fields in order`() throws {
        let request = try upgradeRequest(HeadDraft.handshake)
        let fields = [
            HeaderField("Set-Cookie", "a=b; Path=/"), HeaderField("Set-Cookie", "c=\u{E4}"),
            HeaderField("X-Empty", ""),
        ]
        #expect(
            try request.acceptance(fields: fields).wireText == """
                HTTP/1.1 101 Switching Protocols\r
                Upgrade: websocket\r
                Connection: Upgrade\r
                Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r
                Set-Cookie: a=b; Path=/\r
                Set-Cookie: c=ä\r
                X-Empty: \r
                \r

                """
        )
    }

    @Test(arguments: [
        ("chat", "Chat"), ("CHAT", "Chat"), ("V2.chat", "v2.CHAT"), ("x", "x"), ("X", "X"),
    ])
    func `echoes the subprotocol in the client's case`(selection: String, echo: String) throws {
        let line = "Sec-WebSocket-Protocol: Chat, v2.CHAT, x, X"
        let request = try upgradeRequest(
            HeadDraft.handshake.replacing("Sec-WebSocket-Protocol", with: line)
        )
        let text = try request.acceptance(protocol: selection).wireText
        #expect(text.contains("\r\nSec-WebSocket-Protocol: \(echo)\r\n"))
    }

    @Test(arguments: ["", "other", "chat, superchat", "chat ", "chat\r\nX: a"])
    func `never selects a subprotocol that was not offered`(selection: String) throws {
        let request = try upgradeRequest(HeadDraft.handshake)
        #expect(throws: HandshakeError.protocolNotOffered(selection)) {
            try request.acceptance(protocol: selection)
        }
        let bare = try upgradeRequest(HeadDraft.handshake.replacing("Sec-WebSocket-Protocol"))
        #expect(throws: HandshakeError.protocolNotOffered("chat")) {
            try bare.acceptance(protocol: "chat")
        }
    }

    static let injections: [(HeaderField, HandshakeError)] = [
        (HeaderField("X", "a\r\nY: b"), .fieldValueInvalid(name: "X")),
        (HeaderField("X", "a\r\n\r\nbody"), .fieldValueInvalid(name: "X")),
        (HeaderField("X", "a\rb"), .fieldValueInvalid(name: "X")),
        (HeaderField("X", "a\nb"), .fieldValueInvalid(name: "X")),
        (HeaderField("X", "a\u{0}"), .fieldValueInvalid(name: "X")),
        (HeaderField("X", "\u{1B}[2J"), .fieldValueInvalid(name: "X")),
        (HeaderField("X", "\u{7F}"), .fieldValueInvalid(name: "X")),
        (HeaderField("X", String(repeating: "a", count: 24_577)), .fieldValueInvalid(name: "X")),
        (HeaderField("", "a"), .fieldNameInvalid("")),
        (HeaderField("X Y", "a"), .fieldNameInvalid("X Y")),
        (HeaderField("X:", "a"), .fieldNameInvalid("X:")),
        (HeaderField("X\r\nY", "a"), .fieldNameInvalid("X\r\nY")),
        (HeaderField("Ä", "a"), .fieldNameInvalid("Ä")),
    ]

    @Test(arguments: injections)
    func `lets no field inject another`(field: HeaderField, error: HandshakeError) throws {
        let request = try upgradeRequest(HeadDraft.handshake)
        #expect(throws: error) { try request.acceptance(fields: [field]) }
        #expect(throws: error) { try Refusal(status: 403, reason: "", fields: [field]) }
        #expect(throws: error) { try HTTPReply.bytes(status: 200, fields: [field]) }
    }

    @Test(arguments: [
        "Upgrade", "connection", "Sec-WebSocket-Accept", "SEC-WEBSOCKET-PROTOCOL",
        "Sec-WebSocket-Extensions", "Sec-WebSocket-Version", "Content-Length", "Transfer-Encoding",
    ])
    func `leaves its own fields to nobody`(name: String) throws {
        let request = try upgradeRequest(HeadDraft.handshake)
        #expect(throws: HandshakeError.fieldReserved(name)) {
            try request.acceptance(fields: [HeaderField(name, "a")])
        }
    }
}
