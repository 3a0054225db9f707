// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import ApusTLS
import ApusTestSupport
import Testing

/// What connections with TLS once did wrong.
@Suite struct `Mended defects of TLS` {
    /// A world with one open connection.
    @WorkerActor
    private static func open(
        tls: TLSListener,
        configure: (inout ServerConfiguration) -> Void = { _ in }
    ) throws -> (world: World, connection: WebSocketConnection, peer: VirtualPeer) {
        let world = World(tls: tls, configure: configure)
        var connection: WebSocketConnection?
        world.server.onRequest { connection = try $0.accept() }
        let peer = try world.open()
        return (world, try #require(connection), peer)
    }

    // MARK: Pongs

    @Test(arguments: [false, true])
    func `pong goes behind the rest of a frame that is sealed in part`(isBorrowed: Bool) {
        var pool = OutputPool()
        var queue = OutputQueue()
        // Headers of frames that follow, where none may be looked for.
        var rest = [UInt8](repeating: 0x82, count: 40_000)
        let (sealed, next, payload): ([UInt8], [UInt8], [UInt8]) = ([9, 9], [0x82, 1, 5], [4, 2])
        unsafe rest.withUnsafeMutableBytes { rest in
            if isBorrowed {
                unsafe queue.append(borrowing: rest, from: &pool)
                queue.removeFirst(7, to: &pool)
                queue.own(from: &pool)
            } else {
                unsafe queue.append(UnsafeRawBufferPointer(rest), from: &pool)
            }
        }
        unsafe sealed.withUnsafeBytes { unsafe queue.appendSealed($0, from: &pool) }
        unsafe next.withUnsafeBytes { unsafe queue.append(frames: $0, from: &pool) }
        unsafe payload.withUnsafeBytes {
            let header = FrameHeader(opcode: .pong, payloadByteCount: 2)
            unsafe queue.appendPong(header, $0, from: &pool)
        }
        queue.removeFirst(sealed.count, to: &pool)
        var waiting: [UInt8] = []
        while !queue.isEmpty {
            let part = unsafe Array(queue.firstPart)
            waiting += part
            queue.removeFirst(part.count, to: &pool)
        }
        let count = isBorrowed ? 39_993 : 40_000
        #expect(waiting == Array(repeating: 0x82, count: count) + [0x8A, 2, 4, 2] + next)
        #expect(pool.lentCount == 0)
    }

    @Test func `pong does not come in the midst of an echo that is larger than the kernel takes`()
        throws
    {
        try inWorker {
            let world = World(tls: try .made()) {
                $0.maxReceivedMessageSize = 1 << 21
                $0.maxReceivedFrameSize = 1 << 21
                $0.maxSendQueue = 1 << 22
            }
            world.serveEcho()
            let peer = try world.open()
            peer.socket.outboundByteCountMax = 4000
            peer.isReading = false
            let message = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 37) }
            peer.send(2, message)
            peer.send(9, [42])
            try world.run(milliseconds: 50)
            peer.isReading = true
            try world.run { peer.frames.count == 2 || peer.complaint != nil }
            #expect(peer.complaint == nil)
            #expect(peer.messages == [message])
            #expect(peer.frames.last?.opcode == 10)
        }
    }

    @Test func `what a session says again and again lies together`() {
        var pool = OutputPool()
        var queue = OutputQueue()
        let alert = [UInt8](repeating: 1, count: 24)
        for _ in 0..<1000 {
            unsafe alert.withUnsafeBytes { unsafe queue.appendSealed($0, from: &pool) }
        }
        #expect(queue.byteCount == 24_000)
        #expect(pool.lentCount == 2)
        queue.removeAll(to: &pool)
        #expect(pool.lentCount == 0)
    }

    // MARK: close_notify

    @Test func `message and close_notify in one read are the end of one whose handler drops it`()
        throws
    {
        try inWorker {
            let (world, connection, peer) = try Self.open(tls: .made())
            connection.onMessage { [unowned connection] _ in connection.drop() }
            let tls = try #require(peer.tls)
            tls.send(WireBytes(to: .server).frame(.text, Array("drop".utf8)))
            tls.session.close()
            peer.writeRaw(tls.takeOutput())
            try world.run { peer.isOver }
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `answer of a server and its close_notify in one flight leave a client nothing`()
        throws
    {
        let roots = TemporaryFile(try VirtualTLS.certificate.pem)
        try inWorker {
            let test = ClientWorld { $0.tls.trust = .file(roots.path) }
            test.prepare = { server in
                let tls = VirtualTLS.server()
                server.tls = tls
                server.answersRequest = false
            }
            try test.client.connect("wss://10.0.0.1/")
            try test.world.run { test.servers.first?.request != nil }
            let server = test.servers[0]
            let tls = try #require(server.tls)
            tls.send(Array("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".utf8))
            tls.session.close()
            server.writeRaw(tls.takeOutput())
            try test.world.run { !test.failures.isEmpty }
            guard case .httpResponse = test.failures[0] else {
                Issue.record("\(test.failures)")
                return
            }
            try test.expectIdle()
        }
    }

    @Test func `messages that wait before a close_notify are read and answered`() throws {
        try inWorker {
            let (world, connection, peer) = try Self.open(tls: .made())
            let reply = Array(repeating: UInt8(7), count: 10_000)
            connection.onMessage { [unowned connection] _ in connection.sendBytes(reply) }
            connection.pause()
            peer.endsAfterEnd = false
            let tls = try #require(peer.tls)
            for _ in 0..<5 { tls.send(WireBytes(to: .server).frame(.text, [65])) }
            tls.session.close()
            // Before the receive is cancelled.
            peer.writeRaw(tls.takeOutput())
            try world.run(milliseconds: 5)
            connection.resume()
            try world.run { peer.isOver }
            #expect(peer.messages == Array(repeating: reply, count: 5))
            try world.drain()
            world.expectIdle()
        }
    }

    // MARK: Floods

    @Test func `peer that has a session talk and does not read is cut off`() throws {
        try inWorker {
            let (world, connection, peer) = try Self.open(tls: .made())
            var ends: [UInt16] = []
            connection.onClose { code, _ in ends.append(code.rawValue) }
            peer.socket.outboundByteCountMax = 4000
            peer.isReading = false
            let tls = try #require(peer.tls)
            var roundCount = 0
            while ends.isEmpty, roundCount < 100 {
                // With data in between, which makes it no flood of its own.
                for _ in 0..<100 { #expect(tls.session.updateKeys()) }
                tls.send(WireBytes(to: .server).frame(.pong, []))
                peer.writeRaw(tls.takeOutput())
                try world.run(milliseconds: 1)
                roundCount += 1
            }
            #expect(ends == [1006])
            // 22 bytes and more for each.
            #expect(roundCount <= 40)
        }
    }
}
