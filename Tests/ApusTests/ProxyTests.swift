// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

@Suite struct `Clients behind proxies` {
    /// A world that notes whom each request came from.
    @WorkerActor
    private final class Gate {
        let world: World
        var requests: [(client: String, all: [String])] = []
        var connections: [String] = []

        init(_ configure: (inout ServerConfiguration) -> Void) {
            world = World {
                $0.trustedProxies = ["10.0.0.0/8", "unix"]
                configure(&$0)
            }
            world.server.onRequest { [unowned self] request in
                requests.append((request.remoteAddress, request.remoteAddresses))
                connections.append(try request.accept().remoteAddress)
            }
        }

        func request(_ preface: [UInt8] = [], from address: String, fields: String = "") throws {
            let peer = world.connect(from: address)
            peer.write(preface)
            peer.requestUpgrade(fields: fields)
            try world.run { peer.isOpen || peer.isOver }
        }

        func drain() throws {
            try world.drain()
            world.expectIdle()
        }
    }

    private let listed = "X-Forwarded-For: 1.1.1.1, 2.2.2.2\r\nForwarded: for=3.3.3.3\r\n"

    @Test(.bug("https://github.com/theturtle32/WebSocket-Node/issues/80", id: 80))
    func `10: X-Forwarded-For is not believed by default, and of a stranger never`() throws {
        try inWorker {
            let byDefault = World()
            var address: String?
            byDefault.server.onRequest { request in
                address = request.remoteAddress
                #expect(request.remoteAddresses == [request.remoteAddress])
                try request.accept()
            }
            _ = try byDefault.open(fields: listed)
            #expect(address == "10.0.0.0")
            try byDefault.drain()

            let gate = Gate { $0.forwardedField = .xForwardedFor }
            try gate.request(from: "192.0.2.1", fields: listed)
            #expect(gate.requests[0].client == "192.0.2.1")
            #expect(gate.requests[0].all == ["192.0.2.1"])
            try gate.drain()
        }
    }

    @Test func `10: a trusted proxy tells of the client, not the client of itself`() throws {
        try inWorker {
            let gate = Gate { $0.forwardedField = .xForwardedFor }
            try gate.request(from: "10.0.0.1", fields: listed)
            try gate.request(from: "", fields: listed)
            try gate.request(from: "10.0.0.1", fields: "X-Forwarded-For: garbage\r\n")
            #expect(gate.requests.map(\.client) == ["2.2.2.2", "2.2.2.2", "10.0.0.1"])
            #expect(gate.requests[0].all == ["1.1.1.1", "2.2.2.2", "10.0.0.1"])
            #expect(gate.connections == ["2.2.2.2", "2.2.2.2", "10.0.0.1"])
            try gate.drain()
        }
    }

    @Test func `field is the one that is named`() throws {
        try inWorker {
            let gate = Gate { $0.forwardedField = .forwarded }
            try gate.request(from: "10.0.0.1", fields: listed)
            #expect(gate.requests[0].all == ["3.3.3.3", "10.0.0.1"])
            try gate.drain()
        }
    }

    private static let line = Array("PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n".utf8)
    private static let block: [UInt8] =
        Array("\r\n\r\n\0\r\nQUIT\n".utf8) + [0x21, 0x11, 0, 15, 192, 0, 2, 7, 10, 0, 0, 1]
        + [0, 1, 0, 2, 4, 0, 0]

    @Test(arguments: [line, block])
    func `PROXY header names the client`(header: [UInt8]) throws {
        try inWorker {
            let gate = Gate {
                $0.proxyProtocol = .required
                $0.forwardedField = .xForwardedFor
            }
            try gate.request(header, from: "10.0.0.1", fields: listed)
            #expect(gate.requests[0].all == ["192.0.2.7", "10.0.0.1"])
            #expect(gate.requests[0].client == "192.0.2.7")
            #expect(gate.connections == ["192.0.2.7"])
            try gate.drain()
        }
    }

    @Test(arguments: [line, block])
    func `PROXY header may be cut anywhere, and frames follow`(header: [UInt8]) throws {
        try inWorker {
            let gate = Gate { $0.proxyProtocol = .required }
            var received: [String] = []
            gate.world.server.onRequest { request in
                #expect(request.remoteAddress == "192.0.2.7")
                try request.accept().onMessage { received.append($0.utf8Data ?? "") }
            }
            let request =
                "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            let key =
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            let frame = WireBytes(to: .server).frame(.text, Array("hi".utf8))
            let bytes = header + Array(request.utf8) + Array(key.utf8) + frame
            for cut in 0...header.count + 1 {
                let peer = gate.world.connect(from: "10.0.0.1")
                peer.write(bytes[..<cut])
                try gate.world.run(milliseconds: 1)
                peer.write(bytes[cut...])
                try gate.world.run { peer.isOpen || peer.isOver }
                #expect(peer.isOpen, "cut at \(cut)")
            }
            try gate.world.run(milliseconds: 1)
            #expect(received.count == header.count + 2)
            try gate.drain()
        }
    }

    @Test func `proxy that speaks for itself, or hides the client, stands for it`() throws {
        try inWorker {
            let gate = Gate {
                $0.proxyProtocol = .required
                $0.forwardedField = .xForwardedFor
            }
            let unknown = Array("PROXY UNKNOWN\r\n".utf8)
            try gate.request(unknown, from: "10.0.0.1")
            try gate.request(unknown, from: "10.0.0.1", fields: listed)
            let unix = Self.block.prefix(13) + [0x31, 0, 216] + Array(repeating: 0, count: 216)
            try gate.request(Array(unix), from: "10.0.0.1")
            #expect(gate.requests.map(\.client) == ["10.0.0.1", "2.2.2.2", ""])
            try gate.drain()
        }
    }

    @Test func `trusted peer without a good PROXY header is dropped without a word`() throws {
        try inWorker {
            let gate = Gate { $0.proxyProtocol = .required }
            let bad = ["", "PROXY TCP4 nonsense\r\n", "PROXY UNKNOWN\n", "\u{16}\u{3}", "proxy "]
            for preface in bad { try gate.request(Array(preface.utf8), from: "10.0.0.1") }
            for peer in gate.world.peers {
                #expect(peer.isOver)
                #expect(peer.byteCount == 0)
            }
            #expect(gate.requests.isEmpty)
            #expect(gate.world.driver.counters.proxyHeadersRefused == bad.count)
            try gate.drain()
        }
    }

    @Test func `PROXY header that does not come, or not whole, ends at the deadline`() throws {
        try inWorker {
            let gate = Gate { $0.proxyProtocol = .required }
            for sent in [0, 5, 20] {
                let peer = gate.world.connect(from: "10.0.0.1")
                peer.write(Self.line.prefix(sent))
                try gate.world.run { peer.isOver }
                #expect(peer.byteCount == 0)
            }
            #expect(gate.world.driver.counters.handshakesTimedOut == 3)
            try gate.drain()
        }
    }

    @Test(arguments: [line, block])
    func `PROXY header of a stranger ends its connection, in whatever pieces`(
        header: [UInt8]
    ) throws {
        try inWorker {
            let gate = Gate { $0.proxyProtocol = .required }
            for cut in 0..<header.count {
                let peer = gate.world.connect(from: "192.0.2.1")
                peer.write(header[..<cut])
                try gate.world.run(milliseconds: 1)
                peer.write(header[cut...])
                try gate.world.run { peer.isOver }
                #expect(peer.byteCount == 0, "cut at \(cut)")
            }
            #expect(gate.requests.isEmpty)
            #expect(gate.world.driver.counters.proxyHeadersRefused == header.count)
            try gate.request(from: "192.0.2.1")
            try gate.request(Array("\r\n".utf8), from: "192.0.2.1")
            #expect(gate.requests.map(\.client) == ["192.0.2.1", "192.0.2.1"])
            try gate.drain()
        }
    }

    @Test func `PROXY header is a bad request where the protocol is off`() throws {
        try inWorker {
            let gate = Gate { _ in }
            try gate.request(Self.line, from: "10.0.0.1")
            try gate.request(Self.block, from: "10.0.0.1")
            #expect(gate.world.peers.map(\.status) == [400, 400])
            #expect(gate.requests.isEmpty)
            try gate.drain()
        }
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func `nothing that is sent in place of a PROXY header is served or left`(seed: UInt64) throws {
        try inWorker {
            let gate = Gate { $0.proxyProtocol = .required }
            var random = SplitMix(seed: seed)
            for round in 0..<60 {
                var bytes = round % 2 == 0 ? Self.line : Self.block
                let place = Int.random(in: 0..<15, using: &random)
                bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                let peer = gate.world.connect(from: "10.0.0.1")
                let cut = Int.random(in: 0...bytes.count, using: &random)
                peer.write(bytes[..<cut])
                if random.next() % 2 == 0 { try gate.world.run(milliseconds: 1) }
                peer.write(bytes[cut...])
                peer.requestUpgrade()
            }
            try gate.world.run(milliseconds: 11_000)
            // Most are refused; a length or a LOCAL that still makes sense is what it says.
            for peer in gate.world.peers { #expect(peer.isOver || peer.isOpen) }
            #expect(gate.world.driver.counters.proxyHeadersRefused > 30, "seed \(seed)")
            try gate.drain()
        }
    }
}
