// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Testing

@Suite struct `Upgrade request` {
    @Test(.rfc6455("1.2")) func `gives what the client asked for`() throws {
        let request = try upgradeRequest(
            HeadDraft.handshake.adding("Sec-WebSocket-Protocol: V2", "Sec-WebSocket-Extensions: x")
        )
        #expect(request.key == "dGhlIHNhbXBsZSBub25jZQ==")
        #expect(request.host == "server.example.com")
        #expect(request.origin == "http://example.com")
        #expect(request.requestedProtocols == ["chat", "superchat", "V2"])
        #expect(request.requestedExtensions.map(\.name) == ["x"])
        #expect(request.head.target == "/chat")
        #expect(request.cookies == [])
    }

    @Test func `what the client leaves out is empty`() throws {
        let draft = HeadDraft.handshake.replacing("Origin").replacing("Sec-WebSocket-Protocol")
        let request = try upgradeRequest(draft)
        #expect(request.origin == nil)
        #expect(request.requestedProtocols == [])
        #expect(request.requestedExtensions == [])
    }

    @Test(
        .rfc9112("3.2"),
        arguments: [
            ("/", "/", nil, "server.example.com"),
            ("/a/b?c=d&e?f", "/a/b", "c=d&e?f", "server.example.com"),
            ("/%00//../?", "/%00//../", "", "server.example.com"),
            ("//a", "//a", nil, "server.example.com"),
            ("ws://other:8080", "/", nil, "other:8080"),
            ("http://other/a?b", "/a", "b", "other"),
            ("WSS://[::1]?b", "/", "b", "[::1]"),
        ]
    )
    func `splits the target and decodes nothing`(
        target: String,
        path: String,
        query: String?,
        host: String
    ) throws {
        let request = try upgradeRequest(HeadDraft.handshake.requesting("GET \(target) HTTP/1.1"))
        #expect(request.path == path)
        #expect(request.query == query)
        #expect(request.host == host)
    }

    @Test(.rfc6455("9.1")) func `reads extensions with their parameters`() throws {
        let line = "Sec-WebSocket-Extensions:"
        let request = try upgradeRequest(
            HeadDraft.handshake.adding(
                "\(line) permessage-deflate; client_max_window_bits; server_max_window_bits=\"1\\0\"",
                "\(line) B;c=d ; C=e,b"
            )
        )
        let extensions = request.requestedExtensions
        #expect(extensions.map(\.name) == ["permessage-deflate", "B", "b"])
        try #require(extensions.count == 3)
        #expect(
            extensions[0].parameters.map(\.name) == [
                "client_max_window_bits", "server_max_window_bits",
            ]
        )
        #expect(extensions[0].parameters.map(\.value) == [nil, "10"])
        #expect(extensions[1].parameters.map(\.name) == ["c", "C"])
        #expect(extensions[1].parameters.map(\.value) == ["d", "e"])
        #expect(extensions[2].parameters.isEmpty)
    }

    @Test(arguments: [
        ("a=b", ["a=b"]),
        ("a=b; c=d;e=f", ["a=b", "c=d", "e=f"]),
        ("a=b,c; d= e f ", ["a=b,c", "d=e f"]),
        ("a=%ZZ%00; b={\"x\":1}", ["a=%ZZ%00", "b={\"x\":1}"]),
        ("a=\"b c\"; d=\"; e=\"\"; f=\"\"\"", ["a=b c", "d=\"", "e=", "f=\""]),
        ("a=b=c; d=", ["a=b=c", "d="]),
        ("a; =b; ; c d=e; f\"=g; h=i", ["h=i"]),
        ("a=1; a=2; A=3", ["a=1", "a=2", "A=3"]),
        (";;;", []),
        ("", []),
    ])
    func `reads cookies and skips what is none`(value: String, cookies: [String]) throws {
        let request = try upgradeRequest(HeadDraft.handshake.adding("Cookie: \(value)"))
        #expect(request.cookies.map { "\($0.name)=\($0.value)" } == cookies)
    }

    @Test func `reads the cookies of all lines`() throws {
        let request = try upgradeRequest(HeadDraft.handshake.adding("Cookie: a=b", "cookie: c=d"))
        #expect(request.cookies.map(\.name) == ["a", "c"])
    }

    @Test func `skips a cookie that is not UTF-8`() throws {
        var bytes = Array(HeadDraft.handshake.text.utf8.dropLast(2))
        bytes += Array("Cookie: a=".utf8) + [0xC3] + Array("; b=c\r\n\r\n".utf8)
        guard case .upgrade(let request, _) = sendHead(bytes) else {
            throw UnexpectedOutcome(text: bytes.wireText)
        }
        #expect(request.cookies.map(\.name) == ["b"])
    }
}
