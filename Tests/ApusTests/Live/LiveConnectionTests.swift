// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import Testing

/// The API of an open connection through real sockets.
@Suite struct LiveConnections {
    @Test func `paused connection reads nothing, and everything after resume`() throws {
        try inWorker {
            let world = try LiveWorld()
            var connection: WebSocketConnection?
            var received: [Int] = []
            world.server.onRequest { request in
                connection = try request.accept()
                connection?.onMessage { [unowned connection] message in
                    received.append(message.byteCount)
                    if received.count % 3 == 1 { connection?.pause() }
                }
            }
            let peer = try world.open()
            for count in 1...300 { peer.send(2, Array(repeating: 1, count: 10 * count)) }
            try world.run { connection?.isPaused == true }
            for _ in 0..<5 { try world.turn() }
            #expect(received == [10])
            try world.run {
                if connection?.isPaused == true { connection?.resume() }
                return received.count == 300
            }
            #expect(received == (1...300).map { 10 * $0 })
            connection?.resume()
            try world.drain()
            #expect(peer.closeCode == 1001)
        }
    }

    @Test func `canceled pong does not go out`() throws {
        try inWorker {
            let world = try LiveWorld()
            world.server.onRequest { request in
                try request.accept().onPing { payload, pong in
                    if payload == [1] { pong.cancel() }
                }
            }
            let peer = try world.open()
            peer.send(9, [1])
            peer.send(9, [2])
            try world.run { !peer.frames.isEmpty }
            #expect(peer.frames == [ServerFrame(opcode: 10, payload: [2])])
            try world.drain()
        }
    }
}

@Suite struct LiveFragments {
    @Test func `large message in pieces arrives whole at a peer that stops and goes on`() throws {
        try inWorker {
            let world = try LiveWorld()
            var connection: WebSocketConnection?
            world.server.onRequest { connection = try $0.accept() }
            let peer = try world.open(receiveBuffer: 4096)
            let sender = try #require(connection)
            peer.isReading = false
            let writer = try sender.beginMessage(.binary)
            let piece = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
            for number in 0..<30 {
                #expect([.sent, .queued].contains(writer.write(piece)))
                if number % 10 == 0 { sender.ping([UInt8(number)]) }
                try world.turn()
            }
            writer.finish()
            sender.sendUTF("end")
            #expect(sender.bufferedAmount > 0)
            peer.isReading = true
            try world.run { peer.messages.last == Array("end".utf8) }
            let data = peer.frames.filter { $0.opcode <= 2 }
            #expect(data.dropLast().flatMap(\.payload) == (0..<30).flatMap { _ in piece })
            #expect(data.map(\.opcode) == [2] + Array(repeating: 0, count: 30) + [1])
            try world.drain()
        }
    }
}

@Suite struct LiveFrameParts {
    @Test func `message of 64 MiB is received in parts without a buffer for it`() throws {
        try inWorker {
            let total = 64 << 20
            let world = try LiveWorld {
                $0.assembleFragments = false
                $0.maxReceivedFrameSize = total
                $0.maxReceivedMessageSize = total
            }
            var byteCount = 0
            var largest = 0
            var isCorrect = true
            var isOver = false
            world.server.onRequest { request in
                try request.accept().onFrame { part in
                    part.withBytes { bytes in
                        for index in stride(from: 0, to: bytes.count, by: 997) {
                            let expected = UInt8(truncatingIfNeeded: (byteCount + index) % 1021)
                            if bytes[index] != expected { isCorrect = false }
                        }
                    }
                    byteCount += part.byteCount
                    largest = max(largest, part.byteCount)
                    isOver = part.isLast
                    #expect(world.driver.messageBuffers.value.lentCount == 0)
                }
            }
            let peer = try world.open()
            let size = (0..<8).reversed().map { UInt8(truncatingIfNeeded: total >> (8 * $0)) }
            peer.write([0x82, 0xFF] + size + [0, 0, 0, 0])
            let pattern = (0..<1021 * 256).map { UInt8(truncatingIfNeeded: $0 % 1021) }
            var sent = 0
            try world.run {
                if sent < total {
                    let start = sent % 1021
                    let end = min(pattern.count, start + total - sent)
                    sent += peer.write(Array(pattern[start..<end]))
                }
                return isOver
            }
            #expect(byteCount == total)
            #expect(isCorrect)
            #expect(largest <= 128 << 10)
            try world.drain()
        }
    }
}

@Suite struct LiveSlowConsumers {
    @Test(arguments: [SlowConsumerPolicy.dropNewest, .dropOldest, .keepLatest])
    func `reader that stops and goes on gets whole messages in order`(
        policy: SlowConsumerPolicy
    ) throws {
        try inWorker {
            let world = try LiveWorld {
                $0.slowConsumerPolicy = policy
                $0.maxSendQueue = 1 << 20
            }
            var connection: WebSocketConnection?
            world.server.onRequest { connection = try $0.accept() }
            let peer = try world.open(receiveBuffer: 4096)
            let sender = try #require(connection)
            func payload(_ number: Int) -> [UInt8] {
                let filling = UInt8(truncatingIfNeeded: number &* 31)
                return [UInt8(number & 255), UInt8(number >> 8)]
                    + Array(repeating: filling, count: number &* 7919 % 20_000)
            }
            let count = 2000
            var sent: [Int: [UInt8]] = [:]
            var droppedCount = 0
            for number in 0..<count {
                peer.isReading = number % 500 > 400
                let bytes = payload(number)
                sent[number] = bytes
                let result = sender.sendBytes(bytes, key: number % 50)
                if result == .dropped { droppedCount += 1 }
                #expect(sender.bufferedAmount <= (1 << 20) + 30_000)
                if number % 7 == 0 { try world.turn() }
            }
            peer.isReading = true
            try world.run { sender.bufferedAmount == 0 }
            sender.close()
            try world.run { peer.closeCode != nil }
            // Each is found behind the one before it: unharmed, in order, none twice.
            var next = 0
            for message in peer.messages {
                while next < count, sent[next] != message { next += 1 }
                #expect(next < count)
                next += 1
            }
            #expect(peer.messages.count < count)
            if policy != .dropNewest { #expect(next == count, "the newest is there") }
            #expect(world.driver.counters.messagesDropped == count - peer.messages.count)
            #expect(droppedCount == 0 || policy == .dropNewest)
            try world.drain()
        }
    }
}
