// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusTestSupport
import Testing

/// What is dropped, and what is given to many, leaves contexts as they have to be.
@Suite struct `Compression of what waits` {
    @Test(arguments: [SlowConsumerPolicy.dropNewest, .dropOldest, .keepLatest])
    func `survives messages that are dropped`(policy: SlowConsumerPolicy) throws {
        try inWorker {
            for mode in [Compression.shared, .dedicated(), .dedicated(windowBits: 15)] {
                let world = World {
                    $0.compression = mode
                    $0.slowConsumerPolicy = policy
                    $0.maxSendQueue = 3000
                }
                var connection: WebSocketConnection?
                world.server.onRequest { connection = try $0.accept() }
                let client = try DeflatingPeer(world)
                let open = try #require(connection)
                client.peer.socket.outboundByteCountMax = 2000
                client.peer.isReading = false
                var random = SplitMix(seed: 5)
                var sent: [[UInt8]] = []
                for round in 0..<60 {
                    let message = sampleText(300 + Int(random.next() % 900), seed: UInt64(round))
                    sent.append(message)
                    if round % 3 == 0 {
                        open.sendBytes(message, key: round % 2)
                    } else {
                        open.sendBytes(message, compress: round % 5 != 0)
                    }
                    if round % 10 == 9 {
                        client.peer.readSome(700)
                        try world.turn()
                    }
                }
                client.peer.isReading = true
                try world.run { open.bufferedAmount == 0 }
                let last = sampleText(2000, seed: 99)
                open.sendBytes(last)
                try world.run { client.messages.last == last }
                #expect(client.peer.complaint == nil)
                #expect(world.driver.counters.messagesDropped > 0)
                // Those that came are whole, and in their order.
                var rest = sent[...]
                for message in client.messages.dropLast() {
                    let index = try #require(rest.firstIndex(of: message))
                    rest = rest[(index + 1)...]
                }
            }
        }
    }

    @Test func `is done once for a broadcast`() throws {
        try inWorker {
            let world = World { $0.compression = .dedicated(windowBits: 15) }
            world.server.onRequest { try $0.accept() }
            let clients = try DeflatingPeerTests.offers.map {
                try DeflatingPeer(world, offer: $0)
            }
            let plain = try world.open()
            let message = sampleText(3000)
            let large = sampleText(6000)
            for open in world.server.connections { open.sendBytes(message) }
            world.server.broadcastBytes(message)
            world.server.broadcastBytes(message, compress: false)
            world.server.broadcastBytes(large)
            world.server.broadcastUTF("small")
            for open in world.server.connections { open.sendBytes(message) }
            let expected = [message, message, message, large, Array("small".utf8), message]
            for client in clients {
                try world.run { client.messages.count == 6 }
                #expect(client.messages == expected)
                #expect(client.peer.complaint == nil)
            }
            try world.run { plain.messages.count == 6 }
            #expect(plain.messages == expected)
            #expect(plain.complaint == nil)
            // The window of 9 bits does not reach over the broadcasts: it gets them as they are.
            #expect(clients.map(\.plainCount) == [2, 4, 2])
        }
    }

    @Test func `goes to who is in the midst of another message`() throws {
        try inWorker {
            let world = World { $0.compression = .dedicated() }
            var connection: WebSocketConnection?
            world.server.onRequest { connection = try $0.accept() }
            let client = try DeflatingPeer(world)
            let open = try #require(connection)
            let message = sampleText(2000)
            open.sendBytes(message)
            let writer = try open.beginMessage(.binary)
            writer.write(message)
            #expect(open.sendBytes(message) == .messageOpen)
            world.server.broadcastBytes(message)
            writer.finish()
            open.sendBytes(message)
            open.sendBytes(message)
            try world.run { client.messages.count == 5 }
            #expect(client.messages == Array(repeating: message, count: 5))
            #expect(client.plainCount == 0)
        }
    }

    /// A handler that hears that all has gone out sends as well, in the midst of a send.
    @Test func `keeps the order of what a handler sends meanwhile`() throws {
        try inWorker {
            let world = World {
                $0.compression = .dedicated()
                $0.maxSendQueue = 3000
                $0.slowConsumerPolicy = .dropNewest
            }
            var connection: WebSocketConnection?
            world.server.onRequest { connection = try $0.accept() }
            let client = try DeflatingPeer(world)
            let open = try #require(connection)
            let message = sampleText(2500)
            open.onDrain { [unowned open] in open.sendBytes(message) }
            client.peer.socket.outboundByteCountMax = 1000
            client.peer.isReading = false
            for _ in 0..<8 {
                for _ in 0..<20 { open.sendBytes(message) }
                client.peer.isReading = true
                try world.run { open.bufferedAmount == 0 }
                client.peer.isReading = false
            }
            #expect(client.messages.allSatisfy { $0 == message })
            #expect(client.peer.complaint == nil)
        }
    }

    @Test func `ends with the connections, and gives back what it had`() throws {
        try inWorker {
            let world = World { $0.compression = .dedicated(contextsMax: 2) }
            world.serveEcho()
            let clients = try (0..<4).map { _ in try DeflatingPeer(world) }
            let message = sampleText(1000)
            for client in clients { client.send(2, message) }
            try world.run { clients.allSatisfy { $0.messages.count == 1 } }
            // Two have contexts; the others are as in shared mode.
            #expect(world.compressionGauges == [2, 2, 0])
            clients[0].peer.sendClose()
            clients[3].peer.sendClose()
            try world.run { clients[0].peer.isOver && clients[3].peer.isOver }
            #expect(world.compressionGauges == [1, 1, 0])
            let next = try DeflatingPeer(world)
            next.send(2, message)
            try world.run { next.messages == [message] }
            #expect(world.compressionGauges == [2, 2, 0])
            // A silent connection lets its compressor go, and gets another one.
            try world.run(milliseconds: 50_000)
            #expect(world.compressionGauges == [2, 0, 0])
            for _ in 0..<2 { next.send(2, message) }
            clients[1].send(2, message)
            try world.run { next.messages.count == 3 && clients[1].messages.count == 2 }
            #expect(next.messages == Array(repeating: message, count: 3))
            try world.drain()
            #expect(world.compressionGauges == [0, 0, 0])
        }
    }

    /// Z05: inflaters are few, and what comes beyond them waits as it is.
    @Test func `has no more inflaters than it may`() throws {
        try inWorker {
            let world = World { $0.compression = .shared }
            world.serveEcho()
            var random = SplitMix(seed: 9)
            let noise = (0..<30_000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            let count = CompressionPool.streamingInflatersMax + 5
            let clients = try (0..<count).map { _ in try DeflatingPeer(world) }
            let data = clients[0].compressed(noise)
            for client in clients {
                var start = DeflatingPeer.frames(2, Array(data[..<20_000]))
                start[0] &= 0x7F
                client.peer.write(start)
            }
            try world.run { clients.allSatisfy { $0.peer.socket.inbound.isEmpty } }
            #expect(world.compressionGauges[2] == CompressionPool.streamingInflatersMax)
            let late = world.connect()
            late.requestUpgrade(fields: "Sec-WebSocket-Extensions: permessage-deflate\r\n")
            try world.run { late.isOpen }
            #expect(late.head?.contains("Extensions") == false)
            for client in clients {
                client.peer.send(0, Array(data[20_000...]))
            }
            try world.run { clients.allSatisfy { $0.messages.count == 1 } }
            #expect(clients.allSatisfy { $0.messages == [noise] })
            try world.drain()
            world.expectIdle()
            #expect(world.compressionGauges == [0, 0, 0])
        }
    }
}

enum DeflatingPeerTests {
    static let offers = [
        "permessage-deflate",
        "permessage-deflate; server_max_window_bits=9",
        "permessage-deflate; server_no_context_takeover",
    ]
}
