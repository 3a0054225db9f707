// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import ApusTestSupport
import Glibc
import HTTPTypes
import Testing

@Suite struct `Ways through a proxy` {
    private static let established = Array("HTTP/1.1 200 Connection established\r\n\r\n".utf8)

    @WorkerActor
    private func world(
        _ proxy: String = "http://10.0.0.7:3128",
        faults: Faults = .none
    ) throws -> ClientWorld {
        let route = ClientRoute.proxy(try HTTPProxy(proxy))
        let test = ClientWorld(faults: faults) { $0.route = route }
        test.prepare = {
            $0.tunnelResponse = Self.established
            $0.echoes = true
        }
        return test
    }

    @Test(
        .rfc6455("4.1"),
        arguments: [Faults.none, Faults(splitReceives: 100, splitByteCountMax: 1)]
    )
    func `handshake goes through the tunnel, and frames behind it`(faults: Faults) throws {
        try inWorker {
            let test = try world("http://me:pass@10.0.0.7:3128", faults: faults)
            // The name is for the proxy alone.
            test.world.driver.lookUp = { host, _, _ in Issue.record("\(host) is looked up") }
            test.prepare = {
                $0.tunnelResponse = Self.established
                $0.greeting = VirtualServer.frame(1, [0x68, 0x69])
                $0.echoes = true
            }
            let (connection, server) = try test.open("ws://example.com/chat", protocols: ["a"])
            #expect(server.address == "10.0.0.7" && server.port == 3128)
            let expected = """
                CONNECT example.com:80 HTTP/1.1\r
                Host: example.com:80\r
                Proxy-Authorization: Basic bWU6cGFzcw==\r
                \r

                """
            #expect(server.tunnelRequest == expected)
            #expect(
                server.request?.hasPrefix("GET /chat HTTP/1.1\r\nHost: example.com\r\n") == true
            )
            #expect(server.field("Proxy-Authorization") == nil)
            #expect(connection.remoteAddress == "10.0.0.7")
            #expect(connection.protocol == "a")
            connection.sendUTF("hello")
            try test.world.run { test.messages == [Array("hi".utf8), Array("hello".utf8)] }
            connection.close()
            try test.world.run { test.closes == [.normalClosure] }
            try test.expectIdle()
        }
    }

    @Test func `name of a proxy is looked up`() throws {
        try inWorker {
            let test = try world("http://proxy.example.com:3128")
            test.world.driver.lookUp = { host, port, done in
                #expect(host == "proxy.example.com" && port == 3128)
                done(AddressLookup.known("10.0.0.8", port: port))
            }
            let (_, server) = try test.open("ws://example.com:8080/")
            #expect(server.tunnelRequest?.hasPrefix("CONNECT example.com:8080 ") == true)
            #expect(server.field("Host") == "example.com:8080")
            test.world.driver.lookUp = { _, _, done in done([]) }
            try test.client.connect("ws://example.com/")
            #expect(test.failures == [.nameNotFound("proxy.example.com")])
        }
    }

    @Test func `request waits for the tunnel`() throws {
        try inWorker {
            let test = try world()
            test.prepare = { $0.tunnelResponse = [] }
            try test.client.connect("ws://10.0.0.1/")
            try test.world.run { test.servers.first?.tunnelRequest != nil }
            try test.world.run(milliseconds: 5000)
            let server = test.servers[0]
            #expect(server.request == nil)
            server.write(Self.established)
            try test.world.run { test.connections.count == 1 }
            #expect(test.failures.isEmpty)
        }
    }

    @Test(arguments: [
        ("HTTP/1.1 502 No\r\n\r\nbody", ConnectFailure.proxyResponse(HTTPResponse(status: 502))),
        ("SSH-2.0-x\r\n", .invalidProxyResponse(.malformedStatusLine)),
        ("HTTP/1.1 200 OK\r\nA: ", .timedOut),
        ("", .timedOut),
    ])
    func `client is told once what a proxy did`(text: String, failure: ConnectFailure) throws {
        try inWorker {
            let test = try world()
            test.prepare = { $0.tunnelResponse = Array(text.utf8) }
            test.client.onHTTPResponse { Issue.record("\($0) is not the server's") }
            let start = test.world.ring.now
            let told = try test.fail()
            if case .proxyResponse(let response) = told {
                #expect(response.status.code == 502)
            } else {
                #expect(told == failure)
            }
            let elapsed = test.world.ring.now - start
            #expect(elapsed == (failure == .timedOut ? 10_000_000_000 : 0))
            try test.expectIdle()
            #expect(test.failures.count == 1)
            #expect(test.servers[0].request == nil)
        }
    }

    @Test func `status of a proxy comes with its fields`() throws {
        try inWorker {
            let test = try world()
            let response = "HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=\"a\"\r\n\r\n"
            test.prepare = { $0.tunnelResponse = Array(response.utf8) }
            guard case .proxyResponse(let head) = try test.fail() else {
                Issue.record("\(test.failures)")
                return
            }
            #expect(head.status.code == 407)
            #expect(head.headerFields[.proxyAuthenticate] == "Basic realm=\"a\"")
        }
    }

    @Test func `proxy that goes away is told as the proxy's failure`() throws {
        try inWorker {
            let test = try world()
            test.prepare = {
                $0.tunnelResponse = []
                $0.end()
            }
            #expect(try test.fail() == .invalidProxyResponse(.connectionClosed))
            try test.expectIdle()
        }
    }

    @Test func `server behind a proxy fails as any other`() throws {
        try inWorker {
            let test = try world()
            test.prepare = {
                $0.tunnelResponse = Self.established
                $0.answersRequest = false
            }
            let start = test.world.ring.now
            #expect(try test.fail() == .timedOut)
            #expect(test.world.ring.now - start == 10_000_000_000)
            #expect(test.servers[0].request != nil)
            test.prepare = {
                $0.tunnelResponse = Self.established
                $0.response = Array("HTTP/1.1 404 a\r\n\r\n".utf8)
            }
            try test.client.connect("ws://10.0.0.1/")
            try test.world.run { test.failures.count == 2 }
            guard case .httpResponse(let response) = test.failures[1] else {
                Issue.record("\(test.failures)")
                return
            }
            #expect(response.status == .notFound)
            try test.expectIdle()
        }
    }

    @Test func `abort ends an attempt that waits for its proxy`() throws {
        try inWorker {
            let test = try world()
            test.prepare = { $0.tunnelResponse = [] }
            try test.client.connect("ws://10.0.0.1/")
            try test.world.run { test.servers.first?.tunnelRequest != nil }
            test.client.abort()
            #expect(test.failures == [.aborted])
            try test.expectIdle()
        }
    }
}

@Suite struct `Ways to Unix sockets` {
    @Test func `URL says what is asked for there`() throws {
        try inWorker {
            let test = ClientWorld { $0.route = .unixSocket(path: "/run/some where:1.sock") }
            test.world.driver.lookUp = { host, _, _ in Issue.record("\(host) is looked up") }
            var path: String?
            let answer = test.world.ring.answerConnect
            test.world.ring.answerConnect = { address, socket in
                #expect(address[0] == UInt8(AF_UNIX) && address[1] == 0)
                path = String(decoding: address[2...].prefix { $0 != 0 }, as: UTF8.self)
                return answer(address, socket)
            }
            let (_, server) = try test.open("ws://example.com:81/chat?a")
            #expect(path == "/run/some where:1.sock")
            #expect(server.request?.hasPrefix("GET /chat?a HTTP/1.1\r\n") == true)
            #expect(server.field("Host") == "example.com:81")
        }
    }

    @Test(arguments: [ENOENT, ECONNREFUSED, EACCES, EAGAIN, EPROTOTYPE])
    func `socket that cannot be connected to is told`(errno: Int32) throws {
        try inWorker {
            let test = ClientWorld { $0.route = .unixSocket(path: "/run/a.sock") }
            test.world.ring.answerConnect = { _, _ in .refusal(errno) }
            #expect(try test.fail() == .refused(errno: errno))
            try test.expectIdle()
        }
    }

    @Test(arguments: ["", "/a\0b", String(repeating: "a", count: 108)])
    func `path that no socket can have is refused`(path: String) throws {
        inWorker {
            let test = ClientWorld { $0.route = .unixSocket(path: path) }
            #expect(throws: WebSocketError.self) { try test.client.connect("ws://localhost/") }
            test.expectNothingHeld()
        }
    }
}
