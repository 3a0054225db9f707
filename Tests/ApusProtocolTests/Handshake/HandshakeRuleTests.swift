// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Testing

@Suite(.rfc6455("4.2.1"))
struct `Handshake rules` {
    private static let good = HeadDraft.handshake

    @Test func `server takes the handshake of the RFC`() {
        HandshakeVector("RFC 6455 §1.2", Self.good, .upgrade).verify()
    }

    @Test(arguments: ["POST", "HEAD", "OPTIONS", "PUT", "get", "CONNECT"])
    func `handshake is a GET`(method: String) {
        let draft = Self.good.requesting("\(method) /chat HTTP/1.1")
        HandshakeVector(method, draft, .methodNotAllowed).verify()
        HandshakeVector("with body", draft.adding("Content-Length: 5"), .methodNotAllowed).verify()
    }

    @Test(
        .rfc9112("3.2"),
        arguments: [
            "a", "A.example.com", "example.com:", "example.com:1", "example.com:65535",
            "127.0.0.1:80",
            "[::1]", "[::1]:8080", "[::ffff:127.0.0.1]", "a_b", "x%41", "xn--bcher-kva.example.",
        ]
    )
    func `server takes a host with an optional port`(host: String) {
        HandshakeVector(host, Self.good.replacing("Host", with: "Host: \(host)"), .upgrade).verify()
        HandshakeVector(host, HeadDraft.ordinary.replacing("Host", with: "host:\(host)"), .request)
            .verify()
    }

    @Test(
        .rfc9112("3.2"),
        arguments: [
            "", ":80", "a b", "a,b", "a, b", "me@a", "me:pw@a", "a:b", "a:80:80", "a:65536",
            "a:+80",
            "a:18446744073709551616", "a/", "a?b", "a\\b", "a\"b", "<a>", "ä", "%", "%4", "%4g",
            "a\tb",
            "[", "[]", "[::1", "::1", "[::1]a", "[g::]", "[1]", "[::1]:65536", "[fe80::1%25eth0]",
        ]
    )
    func `server refuses a host that is none`(host: String) {
        HandshakeVector(host, Self.good.replacing("Host", with: "Host: \(host)"), .hostInvalid)
            .verify()
        HandshakeVector(
            host,
            HeadDraft.ordinary.replacing("Host", with: "Host: \(host)"),
            .hostInvalid
        ).verify()
    }

    @Test(.rfc9112("3.2"), arguments: [HeadDraft.handshake, HeadDraft.ordinary])
    func `every request has one Host`(draft: HeadDraft) {
        HandshakeVector("none", draft.replacing("Host"), .hostMissing).verify()
        HandshakeVector("two", draft.adding("host: server.example.com"), .hostRepeated).verify()
        let nul = draft.replacing("Host", with: "Host: a\u{0}b")
        HandshakeVector("NUL", nul, .malformedFieldValue).verify()
    }

    @Test(arguments: [
        HandshakeVector("case", good.replacing("Upgrade", with: "uPGRADE: WebSocket"), .upgrade),
        HandshakeVector(
            "list",
            good.replacing("Upgrade", with: "Upgrade: h2c, websocket"),
            .upgrade
        ),
        HandshakeVector(
            "list first",
            good.replacing("Upgrade", with: "Upgrade: websocket, h2c"),
            .upgrade
        ),
        HandshakeVector(
            "two lines",
            good.replacing("Upgrade", with: "Upgrade: h2c", "Upgrade: websocket"),
            .upgrade
        ),
        HandshakeVector("missing", good.replacing("Upgrade"), .upgradeMissing),
        HandshakeVector(
            "h2c",
            good.replacing("Upgrade", with: "Upgrade: h2c"),
            .upgradeNotWebSocket
        ),
        HandshakeVector("empty", good.replacing("Upgrade", with: "Upgrade:"), .upgradeNotWebSocket),
        HandshakeVector(
            "prefix",
            good.replacing("Upgrade", with: "Upgrade: websocket2"),
            .upgradeNotWebSocket
        ),
        HandshakeVector(
            "versioned",
            good.replacing("Upgrade", with: "Upgrade: websocket/13"),
            .upgradeNotWebSocket
        ),
        HandshakeVector(
            "h2c alone",
            HeadDraft.ordinary.adding("Upgrade: h2c"),
            .upgradeNotWebSocket
        ),
    ])
    func `Upgrade lists websocket`(vector: HandshakeVector) {
        vector.verify()
    }

    private static func connection(
        _ values: String...,
        outcome: HandshakeOutcome
    ) -> HandshakeVector {
        var draft = good.replacing("Connection")
        for value in values { draft = draft.adding("Connection: \(value)") }
        return HandshakeVector(values.description, draft, outcome)
    }

    @Test(arguments: [
        connection("keep-alive, Upgrade", outcome: .upgrade),
        connection("keep-alive", "upgrade", outcome: .upgrade),
        connection("UPGRADE,", outcome: .upgrade),
        connection(outcome: .refused(.connectionNotUpgrade)),
        connection("", outcome: .refused(.connectionNotUpgrade)),
        connection("keep-alive", outcome: .refused(.connectionNotUpgrade)),
        connection("upgraded", outcome: .refused(.connectionNotUpgrade)),
        connection("keep-alive Upgrade", outcome: .refused(.connectionNotUpgrade)),
        connection("close, upgrade", outcome: .refused(.connectionCloses)),
        connection("upgrade", "Close", outcome: .refused(.connectionCloses)),
    ])
    func `Connection lists upgrade and not close`(vector: HandshakeVector) {
        vector.verify()
    }

    @Test(arguments: [
        ["Content-Length: 0"], ["Content-Length: 5"], ["content-length: 5", "Content-Length: 5"],
        ["Content-Length: 5", "Content-Length: 6"], ["Content-Length: +5"], ["Content-Length:"],
        ["Content-Length: 18446744073709551616"], ["Transfer-Encoding: chunked"],
        ["Transfer-Encoding:\tchunked\t"], ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 5"], ["Transfer-Encoding: identity"],
    ])
    func `handshake has no body`(lines: [String]) {
        let draft = lines.reduce(Self.good) { $0.adding($1) }
        HandshakeVector("body", draft, .bodyOnUpgrade).verify()
    }

    private static func version(
        _ values: String...,
        violation: HandshakeViolation
    ) -> HandshakeVector {
        var draft = good.replacing("Sec-WebSocket-Version")
        for value in values { draft = draft.adding("Sec-WebSocket-Version: \(value)") }
        return HandshakeVector(values.description, draft, violation)
    }

    @Test(
        .rfc6455("4.4"),
        arguments: [
            version("12", violation: .versionNotSupported),
            version("8", violation: .versionNotSupported),
            version("013", violation: .versionNotSupported),
            version("13, 8", violation: .versionNotSupported),
            version("13abc", violation: .versionNotSupported),
            version("", violation: .versionNotSupported),
            version(violation: .versionMissing),
            version("13", "13", violation: .versionRepeated),
            version("13", "8", violation: .versionRepeated),
        ]
    )
    func `version is 13`(vector: HandshakeVector) {
        vector.verify()
    }

    @Test(
        .rfc6455("11.3.1"),
        arguments: [
            "", "dGhlIHNhbXBsZSBub25j", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZTE=",
            "dGhlIHNhbXBsZSBub25jZR==", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBs ZSBub25jZQ==",
            "dGhlIHNhbXBsZSBub25j-Q==", "\"dGhlIHNhbXBsZSBub25jZQ==\"", "!GhlIHNhbXBsZSBub25jZQ==",
            "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
        ]
    )
    func `key is the base64 of 16 bytes`(key: String) {
        let draft = Self.good.replacing("Sec-WebSocket-Key", with: "Sec-WebSocket-Key: \(key)")
        HandshakeVector(key, draft, .keyInvalid).verify()
    }

    @Test(.rfc6455("11.3.1")) func `key comes once`() {
        let second = Self.good.adding("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
        HandshakeVector("twice", second, .keyRepeated).verify()
        HandshakeVector("never", Self.good.replacing("Sec-WebSocket-Key"), .keyMissing).verify()
    }

    @Test(.rfc6455("10.2")) func `origin comes at most once`() {
        HandshakeVector("none", Self.good.replacing("Origin"), .upgrade).verify()
        HandshakeVector("null", Self.good.replacing("Origin", with: "Origin: null"), .upgrade)
            .verify()
        HandshakeVector("two", Self.good.adding("Origin: http://example.com"), .originRepeated)
            .verify()
    }

    private static func protocols(_ value: String, _ outcome: HandshakeOutcome) -> HandshakeVector {
        let line = "Sec-WebSocket-Protocol: \(value)"
        return HandshakeVector(value, good.replacing("Sec-WebSocket-Protocol", with: line), outcome)
    }

    @Test(
        .rfc6455("11.3.4"),
        arguments: [
            protocols("a", .upgrade),
            protocols("chat,Chat , CHAT", .upgrade),
            protocols((0..<100).map(String.init).joined(separator: ", "), .upgrade),
            protocols(String(repeating: "a", count: 4_096), .upgrade),
            protocols("", .refused(.protocolsMalformed)),
            protocols(",", .refused(.protocolsMalformed)),
            protocols("a,,b", .refused(.protocolsMalformed)),
            protocols("a,", .refused(.protocolsMalformed)),
            protocols("a b", .refused(.protocolsMalformed)),
            protocols("a/b", .refused(.protocolsMalformed)),
            protocols("\"a,b\"", .refused(.protocolsMalformed)),
            protocols("ä", .refused(.protocolsMalformed)),
            protocols("a, b, a", .refused(.protocolRepeated)),
        ]
    )
    func `subprotocols are different tokens`(vector: HandshakeVector) {
        vector.verify()
    }

    @Test func `subprotocols of two lines are one list`() {
        let draft = Self.good.adding("Sec-WebSocket-Protocol: other")
        HandshakeVector("different", draft, .upgrade).verify()
        let again = Self.good.adding("Sec-WebSocket-Protocol: chat")
        HandshakeVector("the same", again, .protocolRepeated).verify()
    }

    @Test(
        .rfc6455("9.1"),
        arguments: [
            "a", "a, b", "a;b", "a; b=c; d", "a;b=\"c\"", "a;b=\"\\c\"", "a ; b = c , d",
            "__proto__",
            "permessage-deflate; client_max_window_bits",
            "a" + String(repeating: ";b", count: 1_000),
            (0..<50).map { "e\($0); x" }.joined(separator: ","),
        ]
    )
    func `server takes well-formed extensions`(value: String) {
        let draft = Self.good.adding("Sec-WebSocket-Extensions: \(value)")
        HandshakeVector(value, draft, .upgrade).verify()
    }

    @Test(
        .rfc6455("9.1"),
        arguments: [
            "", ",", "a,", ",a", "a,,b", ";", "a;", "a;;b", "a;=", "a;b=", "a;b=\"", "a;b=\"c",
            "a;b=\"\"", "a;b=\"c d\"", "a;b=\"c\\", "a;b=\"c\\\"", "a;b=\"c\"d", "a;b=c=d", "a b",
            "a=b",
            "a;b=\"c,d\"", "a/b", "ä", String(repeating: ";", count: 4_096),
            "a;b=\"" + String(repeating: "\\a", count: 2_000),
        ]
    )
    func `server refuses malformed extensions`(value: String) {
        let draft = Self.good.adding("Sec-WebSocket-Extensions: \(value)")
        HandshakeVector(value, draft, .extensionsMalformed).verify()
    }
}
