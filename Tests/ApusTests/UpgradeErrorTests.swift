// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusProtocol
import Testing

@Suite struct `Upgrade errors` {
    private struct Mistake: Error {}

    /// A world that keeps what it hears; the requests are its own to decide.
    @WorkerActor
    private final class Listening {
        let world: World
        var errors: [UpgradeError] = []

        init(_ configure: (inout ServerConfiguration) -> Void = { _ in }) {
            world = World(configure: configure)
            world.server.onUpgradeError { [unowned self] error in errors.append(error) }
        }

        /// The status that a peer gets, which is on its way before the error is told.
        func send(_ text: String) throws -> Int? {
            let peer = world.connect(from: "192.0.2.7")
            peer.write(text.utf8)
            try world.run { peer.isOver }
            return peer.status
        }

        func drain() throws {
            try world.drain()
            world.expectIdle()
        }
    }

    private static let upgrade = """
        Upgrade: websocket\r
        Connection: Upgrade\r
        Sec-WebSocket-Version: 13\r
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r

        """

    @Test(arguments: [
        ("Host: a\r\nUpgrade: websocket\r\n", HandshakeViolation.connectionNotUpgrade),
        ("Host: a\r\nSec-WebSocket-Key: a\r\n", .upgradeMissing),
        (upgrade, .hostMissing),
        ("Host: a\r\nContent-Length: 0\r\n" + upgrade, .bodyOnUpgrade),
        (
            "Host: a\r\n" + upgrade.replacing("Version: 13", with: "Version: 8"),
            .versionNotSupported
        ),
    ])
    func `tell of malformed requests`(fields: String, violation: HandshakeViolation) throws {
        try inWorker {
            let test = Listening()
            test.world.serveEcho()
            let refusal = violation.refusal
            #expect(try test.send("GET / HTTP/1.1\r\n\(fields)\r\n") == refusal.status)
            #expect(
                test.errors == [
                    UpgradeError(
                        remoteAddress: "192.0.2.7",
                        status: refusal.status,
                        reason: refusal.reason,
                        violation: violation
                    )
                ]
            )
            try test.drain()
        }
    }

    @Test func `tell of origins that are not welcome`() throws {
        try inWorker {
            let test = Listening { $0.originPolicy = .sameOrigin }
            test.world.serveEcho()
            let text = "GET / HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\n\(Self.upgrade)\r\n"
            #expect(try test.send(text) == 403)
            #expect(test.errors.map(\.status) == [403])
            #expect(test.errors.map(\.violation) == [nil])
            try test.drain()
        }
    }

    @Test func `tell of requests that nobody is there for`() throws {
        try inWorker {
            let test = Listening()
            #expect(try test.send("GET / HTTP/1.1\r\nHost: a\r\n\(Self.upgrade)\r\n") == 404)
            #expect(test.errors.map(\.status) == [404])
            try test.drain()
        }
    }

    @Test(arguments: [
        "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "noise\r\n",
    ])
    func `do not tell of what asks for no upgrade`(text: String) throws {
        try inWorker {
            let test = Listening()
            test.world.serveEcho()
            #expect(try test.send(text) != nil)
            #expect(test.errors.isEmpty)
            try test.drain()
        }
    }

    @Test func `do not tell of what the application refuses`() throws {
        try inWorker {
            let test = Listening()
            test.world.server.onRequest { request in
                if request.path == "/throw" { throw Mistake() }
                try request.reject()
            }
            for path in ["/", "/throw"] {
                _ = try test.send("GET \(path) HTTP/1.1\r\nHost: a\r\n\(Self.upgrade)\r\n")
            }
            #expect(test.errors.isEmpty)
            try test.drain()
        }
    }

    @Test func `may be thrown at, which is counted`() throws {
        try inWorker {
            let test = Listening()
            test.world.server.onUpgradeError { throw $0 }
            #expect(try test.send("GET / HTTP/1.1\r\n\(Self.upgrade)\r\n") == 400)
            #expect(test.world.driver.counters.handlerErrors == 1)
            try test.drain()
        }
    }
}
