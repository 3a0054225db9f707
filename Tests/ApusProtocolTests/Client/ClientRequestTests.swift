// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Testing

@Suite(.rfc6455("4.1"))
struct `Client's request` {
    private func handshake(
        _ url: String = "ws://server.example.com/chat",
        protocols: [String] = [],
        origin: String? = nil,
        fields: [HeaderField] = [],
        nonce: [UInt8] = sampleNonce
    ) throws -> ClientHandshake {
        try ClientHandshake(
            url: WebSocketURL(url),
            protocols: protocols,
            origin: origin,
            fields: fields,
            nonce: nonce,
            deadline: handshakeDeadline
        )
    }

    @Test(.rfc6455("1.3")) func `says what the RFC's example says`() throws {
        let handshake = try handshake(
            protocols: ["chat", "superchat"],
            origin: "http://example.com",
            fields: [HeaderField("Cookie", "a=b")]
        )
        #expect(
            handshake.request.wireText == """
                GET /chat HTTP/1.1\r
                Host: server.example.com\r
                Upgrade: websocket\r
                Connection: Upgrade\r
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
                Sec-WebSocket-Version: 13\r
                Origin: http://example.com\r
                Sec-WebSocket-Protocol: chat, superchat\r
                Cookie: a=b\r
                \r

                """
        )
    }

    @Test(arguments: [
        (["chat", "superchat"], "http://a", "ws://a/"), ([], nil, "wss://[::1]:9/a?b"),
    ])
    func `is a handshake to our own server`(
        protocols: [String],
        origin: String?,
        url: String
    ) throws {
        let handshake = try handshake(url, protocols: protocols, origin: origin)
        guard case .upgrade(let request, _) = sendHead(handshake.request) else {
            Issue.record("refused: \(handshake.request.wireText)")
            return
        }
        #expect(request.requestedProtocols == protocols)
        #expect(request.origin == origin)
        #expect(request.key == handshake.key)
        #expect(try request.host == WebSocketURL(url).hostField)
        #expect(try request.head.target == WebSocketURL(url).resource)
        #expect(request.requestedExtensions.isEmpty)

        var client = consume handshake
        let response = try request.acceptance(protocol: protocols.last)
        let action = client.received(response, at: handshakeStart)
        #expect(ResponseOutcome(action) == .open(protocol: protocols.last))
    }

    @Test(arguments: [
        ([UInt8](repeating: 0, count: 16), "AAAAAAAAAAAAAAAAAAAAAA=="),
        ([UInt8](repeating: 255, count: 16), "/////////////////////w=="),
        (Array(1...16), "AQIDBAUGBwgJCgsMDQ4PEA=="),
    ])
    func `has the nonce in base64 for a key`(nonce: [UInt8], key: String) throws {
        #expect(try handshake(nonce: nonce).key == key)
    }

    @Test(arguments: ["", "a b", "a,b", "a/b", "ä", "a\r\nb", "\u{0}"])
    func `offers no subprotocol that is no token`(name: String) {
        #expect(throws: HandshakeError.protocolInvalid(name)) {
            _ = try handshake(protocols: ["chat", name])
        }
    }

    @Test func `offers no subprotocol twice`() throws {
        #expect(throws: HandshakeError.protocolRepeated) {
            _ = try handshake(protocols: ["chat", "superchat", "chat"])
        }
        _ = try handshake(protocols: ["chat", "Chat"])
    }

    static let injections: [(HeaderField, HandshakeError)] = [
        (HeaderField("X", "a\r\nY: b"), .fieldValueInvalid(name: "X")),
        (HeaderField("X", "a\nb"), .fieldValueInvalid(name: "X")),
        (HeaderField("X\r\nY", "a"), .fieldNameInvalid("X\r\nY")),
        (HeaderField("X:", "a"), .fieldNameInvalid("X:")),
        (HeaderField("", "a"), .fieldNameInvalid("")),
    ]

    @Test(arguments: injections)
    func `lets no field inject another`(field: HeaderField, error: HandshakeError) {
        #expect(throws: error) { _ = try handshake(fields: [field]) }
    }

    @Test func `lets no origin inject a field`() {
        #expect(throws: HandshakeError.fieldValueInvalid(name: "Origin")) {
            _ = try handshake(origin: "http://a\r\nX: y")
        }
    }

    @Test(arguments: [
        "Host", "Upgrade", "connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version",
        "SEC-WEBSOCKET-EXTENSIONS", "Sec-WebSocket-Protocol", "Origin", "Content-Length",
        "Transfer-Encoding",
    ])
    func `lets nobody write the fields that are its own`(name: String) {
        #expect(throws: HandshakeError.fieldReserved(name)) {
            _ = try handshake(fields: [HeaderField(name, "a")])
        }
    }
}
