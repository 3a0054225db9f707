// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import Testing

@Suite struct Backpressure {
    @Test func `peer that does not read is not read from, and gets everything later`() throws {
        try inWorker {
            let world = World { $0.maxSendQueue = 40_000 }
            world.serveEcho()
            let peer = try world.open()
            peer.socket.outboundByteCountMax = 2000
            peer.isReading = false
            // What one completion brings has to fit into the queue.
            world.ring.bufferByteCount = 4096
            let count = 100
            for number in 0..<count {
                peer.send(2, Array(repeating: UInt8(number), count: 1000))
                try world.run(milliseconds: 1)
            }
            let connection = try #require(world.server.connections.first)
            #expect(peer.socket.receiving == nil)
            #expect(!peer.socket.inbound.isEmpty)
            #expect(connection.bufferedAmount > 10_000 && connection.bufferedAmount < 12_000)
            peer.isReading = true
            try world.run { peer.messages.count == count }
            #expect(peer.messages.enumerated().allSatisfy { $1.first == UInt8($0) })
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `queue over its limit closes with 1008, and nothing of the message goes out`()
        throws
    {
        try inWorker {
            let world = World { $0.maxSendQueue = 10_000 }
            var connection: WebSocketConnection?
            var code: CloseCode?
            world.server.onRequest { request in
                connection = try request.accept()
                connection?.onClose { closeCode, _ in code = closeCode }
            }
            let peer = try world.open()
            peer.socket.outboundByteCountMax = 1000
            peer.isReading = false
            let sender = try #require(connection)
            var results: [SendResult] = []
            for number in 0..<5 {
                results.append(sender.sendBytes(Array(repeating: UInt8(number), count: 3000)))
                try world.run(milliseconds: 1)
            }
            #expect(results == [.sent, .queued, .queued, .overLimit, .closed])
            #expect(code == .policyViolation)
            #expect(sender.sendUTF("more") == .closed)
            peer.isReading = true
            try world.run { peer.isOver }
            #expect(peer.messages.map(\.first) == [0, 1, 2])
            #expect(peer.closeCode == 1008)
            #expect(world.driver.counters.sendQueueOverflows == 1)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `large burst to a peer that reads is no slow consumer`() throws {
        try inWorker {
            let world = World { $0.maxSendQueue = 10_000 }
            var connection: WebSocketConnection?
            world.server.onRequest { connection = try $0.accept() }
            let peer = try world.open()
            let sender = try #require(connection)
            for _ in 0..<20 { sender.sendBytes(Array(repeating: 1, count: 1000)) }
            #expect(sender.connected)
            try world.run { peer.messages.count == 20 || peer.isOver }
            #expect(peer.messages.count == 20)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `drain handler is called once when all has gone out`() throws {
        try inWorker {
            let world = World()
            var drained = 0
            var connection: WebSocketConnection?
            world.server.onRequest { request in
                connection = try request.accept()
                connection?.onDrain { drained += 1 }
            }
            let peer = try world.open()
            peer.socket.outboundByteCountMax = 1000
            peer.isReading = false
            let sender = try #require(connection)
            for _ in 0..<3 { sender.sendBytes(Array(repeating: 1, count: 2000)) }
            try world.run(milliseconds: 10)
            peer.readSome(500)
            try world.run(milliseconds: 10)
            #expect(drained == 0)
            #expect(sender.bufferedAmount > 0)
            peer.isReading = true
            try world.run { peer.messages.count == 3 }
            try world.run(milliseconds: 10)
            #expect(drained == 1)
            #expect(sender.bufferedAmount == 0)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `of pings to a blocked connection the latest is answered, between two frames`()
        throws
    {
        try inWorker {
            let world = World()
            var connection: WebSocketConnection?
            world.server.onRequest { connection = try $0.accept() }
            let peer = try world.open()
            peer.socket.outboundByteCountMax = 1000
            peer.isReading = false
            let sender = try #require(connection)
            for number in 0..<3 {
                sender.sendBytes(Array(repeating: UInt8(number), count: 20_000))
                try world.run(milliseconds: 1)
            }
            for number in 0..<5 as Range<UInt8> {
                peer.send(9, [number])
                try world.run(milliseconds: 1)
            }
            peer.isReading = true
            try world.run { peer.frames.count == 4 }
            #expect(peer.frames.map(\.opcode) == [2, 10, 2, 2])
            #expect(peer.frames[1].payload == [4])
            #expect(peer.messages.map(\.first) == [0, 1, 2])
            try world.drain()
            world.expectIdle()
        }
    }
}
