// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusProtocol
import ApusRing
import Glibc
import Logging
import Testing

/// The real loop of a worker on a real ring and real sockets, on the test's own thread.
@WorkerActor
private final class RealWorld {
    let http = HTTPServer(port: 0)
    let server: WebSocketServer
    let driver: ConnectionDriver<Ring>
    private let loop: WorkerLoop<Ring>
    private let address: sockaddr_in

    init(_ configure: (inout ServerConfiguration) -> Void) throws {
        var configuration = ServerConfiguration()
        configuration.handshakeTimeout = .seconds(5)
        configure(&configuration)
        let listener = socket(
            AF_INET,
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue),
            0
        )
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        try #require(unsafe withAddress(&place) { unsafe bind(listener, $0, $1) } == 0)
        try #require(listen(listener, 16) == 0)
        let named = unsafe withAddress(&place) { pointer, size in
            var size = size
            return unsafe getsockname(listener, pointer, &size)
        }
        try #require(named == 0)
        address = place
        server = WebSocketServer(httpServer: http, configuration: configuration)
        driver = ConnectionDriver(
            ring: try Ring(),
            configuration: configuration,
            listeners: [WorkerListener(descriptor: listener, httpServer: http)],
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            now: Self.now()
        )
        loop = WorkerLoop(
            driver: driver,
            executor: LoopExecutor(),
            clock: Self.now,
            control: { _ in }
        )
    }

    private static func now() -> Instant {
        Instant(nanoseconds: monotonicNanoseconds())
    }

    /// A connected socket that has sent the bytes.
    func client(sending text: String) throws -> Int32 {
        let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var place = address
        try #require(unsafe withAddress(&place) { unsafe connect(client, $0, $1) } == 0)
        let bytes = Array(text.utf8)
        try #require(
            unsafe send(client, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
        )
        return client
    }

    /// Turns until the condition holds; no turn lasts longer than the handshake timeout.
    func run(until condition: () -> Bool) throws {
        for _ in 0..<100 where !condition() { try loop.turn() }
        try #require(condition())
    }

    /// Sends the bytes on a connection of their own and returns all that comes of it, up to the end
    /// or, where it is accepted, the end of the head.
    func exchange(_ text: String) throws -> String {
        let client = try client(sending: text)
        defer { close(client) }
        var answer: [UInt8] = []
        while true {
            try loop.turn()
            var room = [UInt8](repeating: 0, count: 4096)
            let count = unsafe recv(client, &room, room.count, Int32(MSG_DONTWAIT))
            if count == 0 || count < 0 && errno != EAGAIN { break }
            answer += room.prefix(max(0, count))
            if answer.starts(with: "HTTP/1.1 101".utf8), answer.suffix(4) == [13, 10, 13, 10] {
                break
            }
        }
        return String(decoding: answer, as: UTF8.self)
    }

    func drain() throws {
        driver.beginDrain()
        while !driver.isDrained { try loop.turn() }
    }
}

private func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

private func withAddress(
    _ address: inout sockaddr_in,
    _ body: (UnsafeMutablePointer<sockaddr>, socklen_t) -> Int32
) -> Int32 {
    unsafe withUnsafeMutablePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
}

@Suite struct `Requests through real sockets` {
    private func request(_ fields: String...) -> String {
        let own = [
            "GET / HTTP/1.1", "Host: example.com", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ]
        return (own + fields + ["", ""]).joined(separator: "\r\n")
    }

    @Test func `page of another site is refused, that of this one accepted with cookies`() throws {
        try inWorker {
            let world = try RealWorld { $0.originPolicy = .sameOrigin }
            world.server.onRequest { request in
                try request.accept(
                    origin: request.origin,
                    cookies: [SetCookie("__Host-a", "b", path: "/", isSecure: true)]
                )
            }
            let refused = try world.exchange(request("Origin: https://evil.example"))
            #expect(refused.hasPrefix("HTTP/1.1 403 Forbidden\r\n"))
            #expect(refused.hasSuffix("\r\n\r\npages of this origin may not connect here"))
            let accepted = try world.exchange(request("Origin: https://example.com"))
            #expect(accepted.contains("\r\nSet-Cookie: __Host-a=b; Path=/; Secure\r\n"))
            #expect(world.driver.counters.originsRefused == 1)
            try world.drain()
        }
    }

    @Test(arguments: [true, false])
    func `request that waits hears at once that its client has gone`(byReset: Bool) throws {
        try inWorker {
            let world = try RealWorld { _ in }
            var goneCount = 0
            world.server.onRequest { request in request.onClientGone { goneCount += 1 } }
            let client = try world.client(sending: request())
            try world.run { world.server.pendingRequests.count == 1 }
            var linger = linger(l_onoff: byReset ? 1 : 0, l_linger: 0)
            let size = socklen_t(MemoryLayout<linger>.size)
            unsafe setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, size)
            close(client)
            try world.run { goneCount == 1 }
            #expect(world.server.pendingRequests.isEmpty)
            #expect(world.driver.counters.handshakesTimedOut == 0)
            try world.drain()
            #expect(goneCount == 1)
        }
    }

    @Test func `client behind trusted proxies has its own address`() throws {
        try inWorker {
            let world = try RealWorld {
                $0.trustedProxies = ["127.0.0.0/8"]
                $0.forwardedField = .xForwardedFor
                $0.proxyProtocol = .required
            }
            world.server.onRequest { request in
                try request.reject(
                    status: 429,
                    reason: "for the log",
                    body: ResponseBody(
                        text: request.remoteAddresses.joined(separator: " "),
                        contentType: "text/html"
                    )
                )
            }
            let answer = try world.exchange(
                "PROXY TCP4 127.9.9.9 127.0.0.1 1 2\r\n"
                    + request("X-Forwarded-For: 1.1.1.1, x, 2.2.2.2")
            )
            #expect(answer.hasPrefix("HTTP/1.1 429 Too Many Requests\r\n"))
            #expect(answer.hasSuffix("\r\n\r\n2.2.2.2 127.9.9.9 127.0.0.1"))
            #expect(try world.exchange(request()) == "")
            #expect(world.driver.counters.proxyHeadersRefused == 1)
            try world.drain()
        }
    }
}
