// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import ApusTLS
import HTTPTypes
import Testing

@Suite struct `A connection with TLS` {
    /// A world with one open connection.
    @WorkerActor
    private static func open(
        configure: (inout ServerConfiguration) -> Void = { _ in }
    ) throws -> (world: World, connection: WebSocketConnection, peer: VirtualPeer) {
        let world = World(tls: try .made(), configure: configure)
        var connection: WebSocketConnection?
        world.server.onRequest { connection = try $0.accept() }
        let peer = try world.open()
        return (world, try #require(connection), peer)
    }

    @Test(arguments: [0, 1, 125, 4095, 4096, 16_380, 16_384, 70_000, 300_000, 1_000_000])
    func `message of any size comes back, however it is cut`(byteCount: Int) throws {
        for faults in [Faults.none, Faults(shortSends: 50, shortSendByteCountMax: 9000)] {
            try inWorker {
                let world = World(faults: faults, tls: try .made())
                world.serveEcho()
                let peer = try world.open()
                let message = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 &* 37) }
                peer.send(2, message)
                peer.sendText("behind it")
                try world.run { peer.messages.count == 2 }
                #expect(peer.messages == [message, Array("behind it".utf8)])
                peer.sendClose()
                try world.run { peer.isOver }
                try world.drain()
                world.expectIdle()
            }
        }
    }

    @Test func `replies of a turn ride with the wait, in one record`() throws {
        try inWorker {
            let world = World(tls: try .made())
            world.serveEcho()
            let peer = try world.open()
            world.ring.sentByRing = []
            world.ring.sentNow = []
            for text in ["a", "bc", "def"] { peer.sendText(text) }
            try world.run { peer.messages.count == 3 }
            // 12 bytes of frames in a record of TLS 1.3, which adds 22.
            #expect(world.ring.sentByRing == [12 + 22])
            #expect(world.ring.sentNow == [])
        }
    }

    @Test func `end is a Close, close_notify and a FIN`() throws {
        try inWorker {
            let (world, _, peer) = try Self.open()
            peer.sendClose()
            try world.run { peer.isOver }
            #expect(peer.closeCode == 1000)
            #expect(peer.tls?.sawClose == true)
            #expect(peer.sawEnd && !peer.sawReset)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(arguments: [true, false])
    func `end without a Close is 1006, with close_notify or without`(says: Bool) throws {
        try inWorker {
            let (world, connection, peer) = try Self.open()
            var ends: [UInt16] = []
            connection.onClose { code, _ in ends.append(code.rawValue) }
            if says {
                peer.tls?.session.close()
                peer.writeRaw(peer.tls?.takeOutput() ?? [])
            } else {
                peer.end()
            }
            try world.run { !ends.isEmpty }
            #expect(ends == [1006])
            peer.end()
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `record that was tampered with ends it with 1006 and an alert`() throws {
        try inWorker {
            let (world, connection, peer) = try Self.open()
            var ends: [UInt16] = []
            connection.onClose { code, _ in ends.append(code.rawValue) }
            connection.sendUTF("is lost, for it was not sent yet")
            peer.tls?.send([0x81, 0x80, 1, 2, 3, 4])
            var record = peer.tls?.takeOutput() ?? []
            record[record.count - 1] ^= 1
            peer.writeRaw(record)
            try world.run { peer.isOver }
            #expect(ends == [1006])
            #expect(peer.tls?.session.failure?.alert == "bad record mac")
            #expect(world.driver.counters.tlsSessionsFailed == 1)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `peer that reads nothing is waited for, and messages that wait can be dropped`()
        throws
    {
        try inWorker {
            let (world, connection, peer) = try Self.open {
                $0.maxSendQueue = 100_000
                $0.slowConsumerPolicy = .dropOldest
            }
            peer.isReading = false
            let message = Array(repeating: UInt8(ascii: "m"), count: 3000)
            var results: [SendResult] = []
            for number in 0..<100 {
                results.append(connection.sendBytes(message + [UInt8(number)]))
                try world.run(milliseconds: 1)
            }
            #expect(results.contains(.displaced))
            #expect(connection.bufferedAmount <= 100_000)
            #expect(world.driver.counters.messagesDropped > 0)
            peer.isReading = true
            try world.run { peer.messages.last == message + [99] }
            // What was encrypted is never dropped: what came is whole, and in order.
            let numbers = peer.messages.compactMap(\.last)
            #expect(numbers == numbers.sorted())
            #expect(numbers.count == 100 - world.driver.counters.messagesDropped)
            #expect(connection.bufferedAmount == 0)
        }
    }

    @Test func `pong overtakes what waits, but nothing that is encrypted`() throws {
        try inWorker {
            let (world, connection, peer) = try Self.open()
            peer.socket.outboundByteCountMax = 1000
            peer.isReading = false
            for number in 0..<6 {
                connection.sendBytes(Array(repeating: UInt8(number), count: 20_000))
                try world.run(milliseconds: 1)
            }
            peer.send(9, [42])
            try world.run(milliseconds: 10)
            peer.isReading = true
            try world.run { peer.messages.count == 6 }
            #expect(peer.complaint == nil)
            #expect(peer.messages.map(\.first) == [0, 1, 2, 3, 4, 5])
            let pong = try #require(peer.frames.firstIndex { $0.opcode == 10 })
            #expect(pong < 6)
        }
    }

    @Test func `paused connection keeps what came, decrypted`() throws {
        try inWorker {
            let (world, connection, peer) = try Self.open()
            var texts: [String] = []
            connection.onMessage { [unowned connection] message in
                texts.append(message.utf8Data ?? "")
                connection.pause()
            }
            for text in ["a", "b", "c"] { peer.sendText(text) }
            try world.run(milliseconds: 5)
            #expect(texts == ["a"])
            for count in 2...3 {
                connection.resume()
                try world.run { texts.count == count }
            }
            #expect(texts == ["a", "b", "c"])
        }
    }

    @Test func `request says that it came by TLS`() throws {
        try inWorker {
            let world = World(tls: try .made()) { $0.originPolicy = .sameOrigin }
            var requests: [(isSecure: Bool, scheme: String?)] = []
            world.server.onRequest { request in
                requests.append((request.isSecure, request.httpRequest.scheme))
                #expect(request.peerCertificate == nil)
                try request.accept()
            }
            world.http.onRequest { request in
                requests.append((request.isSecure, request.scheme))
                return HTTPAnswer(status: .ok, text: "secret")
            }
            _ = try world.open(fields: "Origin: https://test\r\n")
            let plain = world.connect()
            plain.requestUpgrade(fields: "Origin: http://test\r\n")
            try world.run { plain.status == 403 }
            let ordinary = world.connect()
            ordinary.write("GET / HTTP/1.1\r\nHost: test\r\n\r\n".utf8)
            try world.run { ordinary.status == 200 }
            #expect(requests.map(\.isSecure) == [true, true])
            #expect(requests.map(\.scheme) == ["https", "https"])
        }
    }
}

@Suite struct `A TLS handshake` {
    @Test func `may be cut anywhere, and a client that goes then is forgotten`() throws {
        try inWorker {
            let tls = try TLSListener.made()
            let hello = VirtualTLS.client().takeOutput()
            for count in stride(from: 0, to: hello.count, by: 3) {
                let world = World(tls: tls)
                let peer = world.connectPlainly()
                peer.writeRaw(hello[..<count])
                peer.end()
                try world.run { peer.isOver }
                try world.drain()
                world.expectIdle()
            }
        }
    }

    @Test func `ends at the deadline, without a word`() throws {
        try inWorker {
            let world = World(tls: try .made())
            let silent = world.connectPlainly()
            let slow = world.connectPlainly()
            slow.writeRaw(VirtualTLS.client().takeOutput().dropLast())
            try world.run { silent.isOver && slow.isOver }
            #expect(world.driver.counters.handshakesTimedOut == 2)
            #expect(silent.byteCount == 0 && slow.byteCount == 0)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `is not made for a client that is one too many, or that comes at the end`() throws {
        try inWorker {
            let world = World(tls: try .made()) { $0.maxConnections = 1 }
            world.serveEcho()
            let first = try world.open()
            let second = world.connect()
            try world.run { second.isOver }
            #expect(second.byteCount == 0)
            #expect(world.driver.counters.connectionsRefused == 1)
            first.sendClose()
            try world.run { first.isOver }
            let third = world.connectPlainly()
            third.writeRaw([22, 3, 1])
            try world.run(milliseconds: 5)
            try world.drain()
            #expect(third.isOver)
            world.expectIdle()
        }
    }

    @Test func `that fails is told of by an alert, and counted`() throws {
        try inWorker {
            let world = World(tls: try .made())
            let peer = world.connectPlainly()
            // A record of an alert in place of a hello, and one that is none.
            peer.writeRaw([21, 3, 3, 0, 2, 1, 90] + Array(repeating: 99, count: 40))
            try world.run { peer.isOver }
            #expect(world.driver.counters.tlsHandshakesFailed == 1)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(arguments: ["GET / HTTP/1.1\r\n", "P", "post"])
    func `is asked for of a client that sends a plain request`(request: String) throws {
        try inWorker {
            let world = World(tls: try .made())
            let peer = world.connectPlainly()
            peer.writeRaw(request.utf8)
            try world.run { peer.isOver }
            #expect(peer.status == 400)
            #expect(
                String(decoding: peer.body, as: UTF8.self)
                    == "this port speaks TLS: https:// or wss://"
            )
            #expect(world.driver.counters.plainRequestsRefused == 1)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `is refused by an alert where TLS is not spoken`() throws {
        try inWorker {
            let world = World()
            let peer = world.connect()
            peer.tls = .client()
            try world.run { peer.isOver }
            #expect(peer.tls?.session.failure?.alert == "handshake failure")
            #expect(world.driver.counters.tlsHellosRefused == 1)
            #expect(world.driver.counters.handshakesRefused == 0)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `is kept apart from the header of a proxy`() throws {
        try inWorker {
            let world = World(tls: try .made()) {
                $0.proxyProtocol = .required
                $0.trustedProxies = ["10.0.0.0"]
            }
            var addresses: [String] = []
            world.server.onRequest { request in
                addresses.append(request.remoteAddress)
                try request.accept()
            }
            let peer = world.connectPlainly()
            peer.writeRaw("PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\r\n".utf8)
            peer.tls = .client()
            peer.requestUpgrade()
            try world.run { peer.isOpen }
            #expect(addresses == ["192.0.2.7"])
        }
    }

    @Test func `goes with a certificate that was read again`() throws {
        try inWorker {
            let (first, second) = (
                try TLSIdentity.selfSigned(names: ["a"]), try TLSIdentity.selfSigned(names: ["b"])
            )
            #expect(first.certificate != second.certificate)
            let listener = try TLSListener.made()
            let before = listener.certificates
            try listener.reload()
            // One that was made is not made again: clients may have pinned it.
            #expect(listener.certificates == before)
        }
    }
}
