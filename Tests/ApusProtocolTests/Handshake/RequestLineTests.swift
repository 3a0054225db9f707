// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Testing

@Suite(.rfc9112("3"))
struct `Request line` {
    private static func line(_ line: String, _ outcome: HandshakeOutcome) -> HandshakeVector {
        HandshakeVector(line, HeadDraft.ordinary.requesting(line), outcome)
    }

    @Test(arguments: [
        line("GET / HTTP/1.1", .request),
        line("GET //a/../%2e%2e/%00?q=%0d%0a HTTP/1.1", .request),
        line("GET /?a?b HTTP/1.1", .request),
        line("GET http://example.com HTTP/1.1", .request),
        line("GET HTTP://example.com:8080/a?b HTTP/1.1", .request),
        line("GET ws://[::1]:80/a HTTP/1.1", .request),
        line("OPTIONS * HTTP/1.1", .request),
        line("HEAD / HTTP/1.1", .request),
        line("get / HTTP/1.1", .request),
        line("!#$%&'*+-.^_`|~ / HTTP/1.1", .request),
    ])
    func `server takes every form of target`(vector: HandshakeVector) {
        vector.verify()
    }

    @Test(arguments: [
        line("GET * HTTP/1.1", .refused(.malformedTarget)),
        line("GET a HTTP/1.1", .refused(.malformedTarget)),
        line("GET example.com:80 HTTP/1.1", .refused(.malformedTarget)),
        line("GET  / HTTP/1.1", .refused(.malformedTarget)),
        line("GET /a#b HTTP/1.1", .refused(.malformedTarget)),
        line("GET /\u{1B}[31m HTTP/1.1", .refused(.malformedTarget)),
        line("GET /\u{7F} HTTP/1.1", .refused(.malformedTarget)),
        line("GET /\u{0} HTTP/1.1", .refused(.malformedTarget)),
        line("GET /ä HTTP/1.1", .refused(.malformedTarget)),
        line("GET /a\tHTTP/1.1", .refused(.malformedTarget)),
        line("GET ftp://example.com/ HTTP/1.1", .refused(.malformedTarget)),
        line("GET http:/example.com/ HTTP/1.1", .refused(.malformedTarget)),
        line("GET http:///a HTTP/1.1", .refused(.malformedTarget)),
        line("GET http://me@example.com/ HTTP/1.1", .refused(.malformedTarget)),
        line("GET http://a,b/ HTTP/1.1", .refused(.malformedTarget)),
        line("OPTIONS ** HTTP/1.1", .refused(.malformedTarget)),
        line("GET /", .refused(.malformedTarget)),
        line("GET", .refused(.malformedMethod)),
        line(" GET / HTTP/1.1", .refused(.malformedMethod)),
        line("G@T / HTTP/1.1", .refused(.malformedMethod)),
        line("GET\t/ HTTP/1.1", .refused(.malformedMethod)),
        line("\(String(repeating: "M", count: 33)) / HTTP/1.1", .refused(.methodTooLong)),
        line("CONNECT example.com:80 HTTP/1.1", .refused(.methodNotAllowed)),
    ])
    func `server refuses a malformed method or target`(vector: HandshakeVector) {
        vector.verify()
    }

    @Test(
        .rfc6455("4.2.1"),
        arguments: [
            line("GET / HTTP/1.0", .refused(.unsupportedVersion)),
            line("GET / HTTP/1.2", .refused(.unsupportedVersion)),
            line("GET / HTTP/2.0", .refused(.unsupportedVersion)),
            line("GET / HTTP/0.9", .refused(.unsupportedVersion)),
            line("PRI * HTTP/2.0", .refused(.unsupportedVersion)),
            line("GET / HTTP/1.10", .refused(.malformedVersion)),
            line("GET / HTTP/11.1", .refused(.malformedVersion)),
            line("GET / HTTP/1,1", .refused(.malformedVersion)),
            line("GET / HTTP/x.1", .refused(.malformedVersion)),
            line("GET / http/1.1", .refused(.malformedVersion)),
            line("GET /  HTTP/1.1", .refused(.malformedVersion)),
            line("GET / HTTP/1.1 ", .refused(.malformedVersion)),
            line("GET /a b HTTP/1.1", .refused(.malformedVersion)),
        ]
    )
    func `server takes HTTP/1.1 only`(vector: HandshakeVector) {
        vector.verify()
    }

    @Test(.rfc9112("2.2"))
    func `server skips one empty line before the request and no second`() {
        let bytes = HeadDraft.handshake.bytes
        let empty = Array("\r\n".utf8)
        HandshakeVector("one", empty + bytes, .upgrade).verify()
        HandshakeVector("two", empty + empty + bytes, .refused(.malformedMethod)).verify()
        HandshakeVector("LF", [0x0A] + bytes, .refused(.malformedMethod)).verify()
        HandshakeVector("CR", [0x0D] + bytes, .refused(.malformedLineEnd)).verify()
    }

    /// Each input ends at the byte that has to be refused; a reader waiting for an empty line hangs.
    @Test(arguments: [
        HandshakeVector("TLS ClientHello", [0x16], .refused(.malformedMethod)),
        HandshakeVector("zeros", [0x00], .refused(.malformedMethod)),
        HandshakeVector("UTF-16 with mark", [0xFF], .refused(.malformedMethod)),
        HandshakeVector("UTF-16 without mark", [0x47, 0x00], .refused(.malformedMethod)),
        HandshakeVector("SSH", raw: "SSH-2.0-OpenSSH_9.6\r", .malformedMethod),
        HandshakeVector(
            "SSH with comment",
            raw: "SSH-2.0-OpenSSH_9.6 Ubuntu-3\r",
            .malformedTarget
        ),
        HandshakeVector("HTTP/2", raw: "PRI * HTTP/2", .unsupportedVersion),
        HandshakeVector("HTTP/0.9", raw: "GET /\r", .malformedTarget),
        HandshakeVector("PROXY", raw: "PROXY TCP4 1", .malformedVersion),
        HandshakeVector("Redis", raw: "*1\r", .malformedMethod),
        HandshakeVector("a WebSocket frame", [0x81], .refused(.malformedMethod)),
    ])
    func `server refuses what is not HTTP at the first impossible byte`(vector: HandshakeVector) {
        vector.verify()
        #expect(sendHead([UInt8](vector.bytes.dropLast())) == .needMoreBytes)
    }
}
