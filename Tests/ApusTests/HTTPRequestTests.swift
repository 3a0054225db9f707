// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusProtocol
import ApusTestSupport
import HTTPTypes
import Testing

/// Asks for a target by an ordinary request.
func ordinaryRequest(
    _ target: String = "/",
    method: String = "GET",
    fields: String = "",
    body: String = ""
) -> [UInt8] {
    Array("\(method) \(target) HTTP/1.1\r\nHost: test\r\n\(fields)\r\n\(body)".utf8)
}

@Suite struct `HTTP requests` {
    private static let second: UInt64 = 1_000_000_000

    /// Answers with method, path and body.
    @WorkerActor
    private func mirror(
        methods: [HTTPRequest.Method] = [.get, .post],
        configure: (inout ServerConfiguration) -> Void = { _ in }
    ) -> World {
        let world = World(configure: configure)
        world.http.onRequest(methods: methods) { request in
            let body = String(decoding: request.body, as: UTF8.self)
            return HTTPAnswer(
                status: .ok,
                text: "\(request.method.rawValue) \(request.path ?? "") \(body)"
            )
        }
        world.driver.wallClock = { 784_111_777 }
        return world
    }

    @Test func `are answered one after the other on one connection`() throws {
        try inWorker {
            let world = mirror()
            let peer = world.connect()
            for number in 0..<3 {
                peer.write(ordinaryRequest("/\(number)"))
                try world.run { peer.head != nil }
                let response = try #require(peer.takeResponse())
                #expect(
                    response.head == """
                        HTTP/1.1 200 OK\r
                        Content-Type: text/plain; charset=utf-8\r
                        Date: Sun, 06 Nov 1994 08:49:37 GMT\r
                        Content-Length: 7\r
                        \r

                        """
                )
                #expect(response.body == "GET /\(number) ")
            }
            #expect(!peer.isOver)
            #expect(world.driver.counters.requestsAnswered == 3)
            #expect(world.driver.counters.connectionsAccepted == 1)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `are answered in order when they come all at once`() throws {
        try inWorker {
            let world = mirror()
            let peer = world.connect()
            for number in 0..<50 {
                peer.write(
                    ordinaryRequest(
                        "/\(number)",
                        method: "POST",
                        fields: "Content-Length: 3\r\n",
                        body: "abc"
                    )
                )
            }
            var bodies: [String] = []
            try world.run {
                while let response = peer.takeResponse() { bodies.append(response.body) }
                return bodies.count == 50
            }
            #expect(bodies == (0..<50).map { "POST /\($0) abc" })
            // Those of one piece leave in one piece.
            #expect(world.ring.sentNow.count < 5)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(arguments: [1, 2, 7, 190])
    func `are the same whatever pieces they come in`(byteCount: Int) throws {
        try inWorker {
            let world = mirror()
            world.serveEcho()
            world.ring.bufferByteCount = byteCount
            let peer = world.connect()
            peer.write(
                ordinaryRequest(
                    "/a",
                    method: "POST",
                    fields: "Transfer-Encoding: chunked\r\n",
                    body: "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: u\r\n\r\n"
                )
            )
            peer.write(
                ordinaryRequest("/b", method: "POST", fields: "Content-Length: 2\r\n", body: "xy")
            )
            peer.write(ordinaryRequest("/c"))
            peer.requestUpgrade()
            peer.sendText("hello")
            var bodies: [String] = []
            try world.run {
                while let response = peer.takeResponse() { bodies.append(response.body) }
                return peer.messages.count == 1
            }
            #expect(bodies == ["POST /a abcde", "POST /b xy", "GET /c "])
            #expect(peer.messages == [Array("hello".utf8)])
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(.rfc9110("9.3.2")) func `by HEAD get what GET gets, without the body`() throws {
        try inWorker {
            let world = mirror(methods: [.get])
            let peer = world.connect()
            peer.write(ordinaryRequest("/a") + ordinaryRequest("/a", method: "HEAD"))
            peer.write(ordinaryRequest("/ab", method: "HEAD") + ordinaryRequest("/b"))
            try world.run(milliseconds: 1)
            let get = try #require(peer.takeResponse())
            let head = try #require(peer.takeResponse(toHead: true))
            let other = try #require(peer.takeResponse(toHead: true))
            // The handler sees the method, and this one answers with it.
            let length = get.head.replacing("Content-Length: 7", with: "Content-Length: 8")
            #expect(head.head == length)
            #expect(other.head.contains("Content-Length: 9\r\n"))
            #expect(peer.takeResponse()?.body == "GET /b ")
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(
        .rfc9110("9.1"),
        arguments: [
            ("POST", 405), ("PUT", 405), ("DELETE", 405), ("OPTIONS", 405), ("TRACE", 405),
            ("PATCH", 405), ("BREW", 501), ("get", 501),
        ]
    )
    func `by a method that is not served are refused, and the connection goes on`(
        method: String,
        status: Int
    ) throws {
        try inWorker {
            let world = mirror(methods: [.get])
            let peer = world.connect()
            peer.write(ordinaryRequest(method: method) + ordinaryRequest("/next"))
            try world.run { peer.head != nil }
            #expect(peer.status == status)
            let response = try #require(peer.takeResponse())
            #expect(response.head.contains("Allow: GET, HEAD\r\n") == (status == 405))
            #expect(response.head.contains("Date: "))
            #expect(peer.takeResponse()?.body == "GET /next ")
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `by a method that is not served close where they have a body`() throws {
        try inWorker {
            let world = mirror(methods: [.get])
            for fields in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
                let peer = world.connect()
                peer.write(ordinaryRequest(method: "POST", fields: fields))
                peer.write(ordinaryRequest("/smuggled"))
                try world.run { peer.isOver }
                #expect(peer.head?.contains("Connection: close\r\n") == true)
                #expect(peer.status == 405)
                #expect(peer.takeResponse() != nil && peer.takeResponse() == nil)
            }
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `without a handler learn that this is a WebSocket server`() throws {
        try inWorker {
            let world = World()
            world.serveEcho()
            let peer = world.connect()
            peer.write(ordinaryRequest() + ordinaryRequest(method: "HEAD"))
            peer.requestUpgrade()
            try world.run { peer.head != nil }
            let response = try #require(peer.takeResponse())
            #expect(response.head.hasPrefix("HTTP/1.1 426 Upgrade Required\r\n"))
            #expect(response.head.contains("Upgrade: websocket\r\n"))
            #expect(response.head.contains("Connection: Upgrade\r\n"))
            #expect(peer.takeResponse(toHead: true)?.body == "")
            // Which it may take up at once.
            try world.run { peer.isOpen }
            #expect(world.driver.counters.requestsAnswered == 2)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `may be followed by a WebSocket, which has nothing of HTTP left`() throws {
        try inWorker {
            let world = mirror()
            world.serveEcho()
            let peer = world.connect()
            peer.write(ordinaryRequest("/a"))
            try world.run { peer.head != nil }
            #expect(peer.takeResponse()?.body == "GET /a ")
            try world.run(milliseconds: 4_000)
            peer.requestUpgrade()
            peer.sendText("early")
            try world.run { peer.messages.count == 1 }
            #expect(world.driver.table.all.allSatisfy { $0.opening == nil })
            try world.run(milliseconds: 30_000)
            #expect(peer.isOpen && !peer.isOver)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `behind a refused handshake are not read`() throws {
        try inWorker {
            let world = mirror()
            let peer = world.connect()
            peer.write(ordinaryRequest("/a"))
            peer.requestUpgrade()
            peer.write(ordinaryRequest("/b"))
            try world.run { peer.isOver }
            #expect(peer.takeResponse()?.body == "GET /a ")
            #expect(peer.status == 404)
            #expect(peer.takeResponse() != nil && peer.takeResponse() == nil)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `that are malformed close, whatever follows`() throws {
        try inWorker {
            let world = mirror()
            let peer = world.connect()
            peer.write(ordinaryRequest("/a"))
            peer.write("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".utf8)
            peer.write(ordinaryRequest("/b"))
            try world.run { peer.isOver }
            #expect(peer.takeResponse()?.body == "GET /a ")
            #expect(peer.status == 400)
            #expect(peer.head?.contains("Connection: close\r\n") == true)
            #expect(peer.takeResponse() != nil && peer.takeResponse() == nil)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `that end the connection by their word or the answer's do so`() throws {
        try inWorker {
            let world = World()
            world.http.onRequest { request in
                let fields: HTTPFields = request.path == "/last" ? [.connection: "x, Close"] : [:]
                return HTTPAnswer(HTTPResponse(status: .ok, headerFields: fields))
            }
            for bytes in [
                ordinaryRequest(fields: "Connection: close\r\n"), ordinaryRequest("/last"),
            ] {
                let peer = world.connect()
                peer.write(bytes + ordinaryRequest())
                try world.run { peer.isOver }
                let response = try #require(peer.takeResponse())
                #expect(response.head.contains("\r\nConnection: close\r\n"))
                #expect(peer.takeResponse() == nil)
            }
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `are the only one of a connection where keep-alive is off`() throws {
        try inWorker {
            let world = mirror { $0.httpKeepAliveTimeout = nil }
            let peer = world.connect()
            peer.write(ordinaryRequest())
            try world.run { peer.isOver }
            #expect(peer.head?.contains("\r\nConnection: close\r\n") == true)
            try world.drain()
            world.expectIdle()
        }
    }

    private struct Mistake: Error {}
    private struct Teapot: HTTPStatusError {
        var status: Int { 418 }
        var reason: String { "short and stout" }
    }

    @Test func `whose handler throws get 500 or the error's status, and the next is served`()
        throws
    {
        try inWorker {
            let world = World()
            world.http.onRequest { request in
                switch request.path {
                case "/mistake": throw Mistake()
                case "/teapot": throw Teapot()
                case "/injected":
                    return HTTPAnswer(
                        HTTPResponse(status: .ok, headerFields: [.transferEncoding: "chunked"])
                    )
                default: return HTTPAnswer(status: .ok, text: "fine")
                }
            }
            let peer = world.connect()
            for target in ["/mistake", "/teapot", "/injected", "/"] {
                peer.write(ordinaryRequest(target))
            }
            var answers: [String] = []
            try world.run {
                while let response = peer.takeResponse() {
                    answers.append(response.head.prefix(12) + " " + response.body)
                }
                return answers.count == 4
            }
            #expect(
                answers == [
                    "HTTP/1.1 500 internal error", "HTTP/1.1 418 short and stout",
                    "HTTP/1.1 500 internal error", "HTTP/1.1 200 fine",
                ]
            )
            #expect(world.driver.counters.handlerErrors == 2)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `know the client's address, each its own`() throws {
        try inWorker {
            let proxies = try TrustedProxies(["10.0.0.0/8"])
            let world = World {
                $0.trustedProxies = proxies
                $0.forwardedField = .xForwardedFor
            }
            world.http.onRequest { HTTPAnswer(status: .ok, text: $0.remoteAddress) }
            let peer = world.connect(from: "10.1.2.3")
            peer.write(ordinaryRequest(fields: "X-Forwarded-For: 192.0.2.1\r\n"))
            peer.write(ordinaryRequest())
            try world.run(milliseconds: 1)
            #expect(peer.takeResponse()?.body == "192.0.2.1")
            #expect(peer.takeResponse()?.body == "10.1.2.3")
            try world.drain()
            world.expectIdle()
        }
    }
}
