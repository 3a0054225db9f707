// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusProtocol
import HTTPTypes
import Testing

@Suite struct Router {
    /// The answer to a request, once its connection is open or over.
    @WorkerActor
    private static func answer(
        _ world: World,
        _ target: String,
        fields: String = ""
    ) throws -> VirtualPeer {
        let peer = world.connect()
        peer.requestUpgrade(target: target, fields: fields)
        try world.run { peer.isOpen || peer.isOver }
        return peer
    }

    @WorkerActor
    private static func drain(_ world: World) throws {
        #expect(world.driver.counters.handlerErrors == 0)
        try world.drain()
        world.expectIdle()
    }

    @Test func `requests go by path, and each endpoint has its handler`() throws {
        try inWorker {
            let world = World()
            let router = WebSocketRouter(server: world.server)
            var asked: [String] = []
            router.mount("/echo") { request in
                asked.append("echo")
                let connection = try request.accept()
                connection.onMessage { [unowned connection] message in connection.send(message) }
            }
            router.mount("/rooms/:room") { request in
                asked.append("room \(request.parameters["room"] ?? "?")")
                try request.accept()
            }
            let echo = try Self.answer(world, "/echo?x=/rooms/1")
            echo.sendText("back")
            try world.run { echo.messages == [Array("back".utf8)] }
            _ = try Self.answer(world, "/rooms/caf%C3%A9?y")
            #expect(asked == ["echo", "room caf\u{E9}"])
            let stray = try Self.answer(world, "/rooms/1/2")
            #expect(stray.status == 404)
            #expect(stray.body == Array("nothing is served at this path".utf8))
            let odd = try Self.answer(world, "/rooms/%2e%2e")
            #expect(odd.status == 400)
            #expect(asked.count == 2)
            #expect(world.driver.counters.handshakesRefused == 2)
            try Self.drain(world)
        }
    }

    @Test func `accept selects the route's subprotocol in the client's spelling`() throws {
        try inWorker {
            let world = World()
            let router = WebSocketRouter(server: world.server)
            var protocols: [String?] = []
            for name in [nil, "chat.v2", "chat.v1"] {
                router.mount("/chat", protocol: name) { request in
                    let connection = try request.accept()
                    #expect(connection.protocol == request.protocol)
                    protocols.append(request.protocol)
                }
            }
            let field = "Sec-WebSocket-Protocol: x, Chat.V1, chat.v2\r\n"
            let peer = try Self.answer(world, "/chat", fields: field)
            #expect(peer.head?.contains("\r\nSec-WebSocket-Protocol: Chat.V1\r\n") == true)
            let plain = try Self.answer(world, "/chat")
            #expect(plain.head?.contains("Sec-WebSocket-Protocol") == false)
            #expect(protocols == ["Chat.V1", nil])
            let stranger = try Self.answer(
                world,
                "/chat",
                fields: "Sec-WebSocket-Protocol: chat.v3\r\n"
            )
            #expect(stranger.status == 400)
            #expect(
                stranger.body == Array("the subprotocol has to be none or chat.v2 or chat.v1".utf8)
            )
            try Self.drain(world)
        }
    }

    @Test func `request has all that the server's own has`() throws {
        try inWorker {
            let world = World { configuration in
                configuration.trustedProxies = ["10.0.0.0/8"]
                configuration.forwardedField = .xForwardedFor
            }
            let router = WebSocketRouter(server: world.server)
            var seen = 0
            router.mount("/a/**", protocol: "*") { request in
                let own = request.webSocketRequest
                #expect(request.remoteAddress == "192.0.2.7")
                #expect(request.remoteAddresses == ["192.0.2.7", "10.0.0.0"])
                #expect(request.origin == "https://a.example")
                #expect(request.requestedProtocols == ["p", "q"])
                #expect(request.requestedExtensions.map(\.name) == ["x"])
                #expect(request.cookies.map(\.value) == ["1"])
                #expect(request.host == "test")
                #expect(request.resource == "/a/b?q=1")
                #expect(request.path == "/a/b")
                #expect(request.query == "q=1")
                #expect(request.key == "dGhlIHNhbXBsZSBub25jZQ==")
                #expect(request.webSocketVersion == 13)
                #expect(request.httpRequest == own.httpRequest)
                #expect(request.isPending && own.isPending)
                #expect(request.protocol == "p")
                #expect(request.parameters == ["**": "b"])
                let connection = try request.accept(
                    origin: request.origin,
                    cookies: [SetCookie("s", "2")],
                    fields: [.server: "x"]
                )
                #expect(!request.isPending)
                #expect(connection.protocol == "p")
                seen += 1
            }
            let peer = try Self.answer(
                world,
                "/a/b?q=1",
                fields: """
                    Origin: https://a.example\r
                    Sec-WebSocket-Protocol: p, q\r
                    Sec-WebSocket-Extensions: x\r
                    Cookie: c=1\r
                    X-Forwarded-For: 192.0.2.7\r

                    """
            )
            #expect(seen == 1)
            for line in ["Origin: https://a.example", "Set-Cookie: s=2", "Server: x"] {
                #expect(peer.head?.contains("\r\n\(line)") == true, "\(line)")
            }
            try Self.drain(world)
        }
    }

    private struct Teapot: HTTPStatusError {
        let status = 418
        let reason = "short and stout"
    }

    @Test func `handler may reject, throw, and decide later`() throws {
        try inWorker {
            let world = World()
            let router = WebSocketRouter(server: world.server)
            var kept: WebSocketRouterRequest?
            var goneCount = 0
            router.mount("/reject") { try $0.reject(status: 402, reason: "pay first") }
            router.mount("/throw") { _ in throw Teapot() }
            router.mount("/later") { request in
                kept = request
                request.onClientGone { goneCount += 1 }
            }
            #expect(try Self.answer(world, "/reject").status == 402)
            #expect(try Self.answer(world, "/throw").status == 418)
            let later = world.connect()
            later.requestUpgrade(target: "/later")
            try world.run { kept != nil }
            #expect(world.server.pendingRequests.count == 1)
            try kept?.accept()
            try world.run { later.isOpen }
            let gone = world.connect()
            gone.requestUpgrade(target: "/later")
            try world.run { world.server.pendingRequests.count == 1 }
            gone.reset()
            try world.run { goneCount == 1 }
            try Self.drain(world)
        }
    }

    @Test func `handlers come and go, also within one`() throws {
        try inWorker {
            let world = World()
            let router = WebSocketRouter(server: world.server)
            router.mount("/once") { request in
                router.unmount("/once")
                router.mount("/next") { try $0.accept() }
                try request.accept()
            }
            #expect(try Self.answer(world, "/next").status == 404)
            #expect(try Self.answer(world, "/once").status == 101)
            #expect(try Self.answer(world, "/once").status == 404)
            #expect(try Self.answer(world, "/next").status == 101)
            #expect(world.server.connections.count == 2)
            try Self.drain(world)
        }
    }

    @Test func `router serves several servers, and leaves one`() throws {
        try inWorker {
            let worlds = [World(), World()]
            let router = WebSocketRouter()
            router.mount("/chat") { try $0.accept() }
            for world in worlds {
                #expect(try Self.answer(world, "/chat").status == 404)
                router.attach(to: world.server)
                #expect(try Self.answer(world, "/chat").status == 101)
            }
            router.detach(from: worlds[0].server)
            #expect(try Self.answer(worlds[0], "/chat").status == 404)
            #expect(try Self.answer(worlds[1], "/chat").status == 101)
            for world in worlds { try Self.drain(world) }
        }
    }

    @Test func `mounting twice traps`() async {
        let result = await #expect(
            processExitsWith: .failure,
            observing: [\.standardErrorContent]
        ) {
            let router = WebSocketRouter()
            router.mount("/rooms/:a", protocol: "chat") { _ in }
            router.mount("/rooms/:b", protocol: "CHAT") { _ in }
        }
        expect(result, says: "/rooms/:b has a handler for CHAT; unmount that one first")
    }

    @Test func `unmounting what is not mounted traps`() async {
        let result = await #expect(
            processExitsWith: .failure,
            observing: [\.standardErrorContent]
        ) {
            let router = WebSocketRouter()
            router.mount("/a") { _ in }
            router.unmount("/a", protocol: "chat")
        }
        expect(result, says: "/a has no handler for chat")
    }

    @Test func `malformed pattern traps`() async {
        let result = await #expect(
            processExitsWith: .failure,
            observing: [\.standardErrorContent]
        ) {
            WebSocketRouter().mount("/a/**/b") { _ in }
        }
        expect(result, says: "the pattern /a/**/b has a ** before its end")
    }

    @Test func `malformed subprotocol traps`() async {
        let result = await #expect(
            processExitsWith: .failure,
            observing: [\.standardErrorContent]
        ) {
            WebSocketRouter().mount("/a", protocol: "a/b") { _ in }
        }
        expect(result, says: "a/b is no subprotocol: not a token")
    }

    private func expect(_ result: ExitTest.Result?, says sentence: String) {
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.contains(sentence), "\(text)")
    }
}
