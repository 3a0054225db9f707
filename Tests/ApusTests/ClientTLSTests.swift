// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import ApusTLS
import ApusTestSupport
import Testing

@Suite struct `A client with TLS` {
    /// A client that trusts the virtual servers' certificate, and such servers.
    @WorkerActor
    private static func world(
        seed: UInt64 = 1,
        faults: Faults = .none,
        roots: TemporaryFile,
        configure: (inout ClientConfiguration) -> Void = { _ in }
    ) -> ClientWorld {
        let test = ClientWorld(seed: seed, faults: faults) {
            $0.tls.trust = .file(roots.path)
            configure(&$0)
        }
        test.prepare = { server in
            server.tls = .server()
            server.echoes = true
        }
        return test
    }

    private static func roots() throws -> TemporaryFile {
        TemporaryFile(try VirtualTLS.certificate.pem)
    }

    @Test func `messages go to a server that it trusts and come back`() throws {
        let roots = try Self.roots()
        for seed in 1...30 as ClosedRange<UInt64> {
            try inWorker {
                let faults = Faults(shortSends: 40, splitReceives: 40)
                let test = Self.world(seed: seed, faults: faults, roots: roots)
                let (connection, server) = try test.open("wss://10.0.0.1/")
                #expect(connection.isSecure)
                #expect(connection.peerCertificate?.names == ["DNS:localhost", "IP:10.0.0.1"])
                let messages = [0, 5, 5000, 40_000].map { Array(repeating: UInt8(7), count: $0) }
                for message in messages { connection.sendBytes(message) }
                try test.world.run { test.messages.count == messages.count }
                #expect(test.messages == messages)
                connection.close()
                try test.world.run { !test.closes.isEmpty }
                try test.expectIdle()
                #expect(server.tls?.sawClose == true)
            }
        }
    }

    @Test func `a server behind a proxy is spoken to in TLS, and the proxy is not`() throws {
        let roots = try Self.roots()
        let proxy = try HTTPProxy("http://10.9.9.9:3128")
        try inWorker {
            let test = Self.world(roots: roots) { $0.route = .proxy(proxy) }
            test.prepare = { server in
                server.tls = .server()
                server.echoes = true
                server.tunnelResponse = Array("HTTP/1.1 200 OK\r\n\r\n".utf8)
            }
            let (connection, server) = try test.open("wss://localhost/")
            #expect(server.tunnelRequest?.hasPrefix("CONNECT localhost:443 ") == true)
            connection.sendUTF("through")
            try test.world.run { !test.messages.isEmpty }
            connection.close()
            try test.expectIdle()
        }
    }

    @Test func `a server is refused that nobody trusted vouches for, or that is another`() throws {
        let roots = try Self.roots()
        try inWorker {
            let stranger = Self.world(roots: roots) { $0.tls = TLSClientConfiguration() }
            #expect(
                try stranger.fail("wss://10.0.0.1/")
                    == .certificateRefused("self-signed certificate")
            )
            let other = Self.world(roots: roots)
            #expect(
                try other.fail("wss://10.0.0.2/") == .certificateRefused("IP address mismatch")
            )
            for test in [stranger, other] {
                #expect(test.servers[0].request == nil)
                try test.expectIdle()
                #expect(test.servers[0].tls?.session.failure?.fault == .refused)
            }
            let careless = Self.world(roots: roots) { $0.tls.trust = .anyone }
            _ = try careless.open("wss://10.0.0.2/")
        }
    }

    @Test func `a server that speaks no TLS, or ends, is told of`() throws {
        let roots = try Self.roots()
        try inWorker {
            let plain = Self.world(roots: roots)
            plain.prepare = { $0.writeRaw("HTTP/1.1 400 Bad Request\r\n\r\n".utf8) }
            guard case .tlsFailed = try plain.fail("wss://10.0.0.1/") else {
                Issue.record("\(plain.failures)")
                return
            }
            try plain.expectIdle()
            let ending = Self.world(roots: roots)
            ending.prepare = { $0.end() }
            #expect(try ending.fail("wss://10.0.0.1/") == .connectionLost)
            try ending.expectIdle()
            let silent = Self.world(roots: roots)
            silent.prepare = { _ in }
            #expect(try silent.fail("wss://10.0.0.1/") == .timedOut)
            try silent.expectIdle()
        }
    }

    @Test func `roots that cannot be read are a mistake of the caller`() {
        inWorker {
            let test = ClientWorld { $0.tls.trust = .file("/nowhere/roots.pem") }
            #expect(
                throws: WebSocketError.invalidRequest(
                    "the roots file /nowhere/roots.pem cannot be read: No such file or directory"
                )
            ) {
                try test.client.connect("wss://10.0.0.1/")
            }
            test.expectNothingHeld()
        }
    }
}
