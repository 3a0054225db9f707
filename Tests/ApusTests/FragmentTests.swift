// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import Testing

@Suite struct OutgoingFragments {
    @Test(arguments: [0, 1, 999, 1000, 1001, 2000, 2001, 50_000])
    func `message over the threshold is sent in frames of that size`(count: Int) throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection {
                $0.fragmentOutgoingMessages = true
                $0.fragmentationThreshold = 1000
            }
            let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            #expect(connection.sendBytes(payload) == .sent)
            connection.sendUTF("end")
            try world.run { peer.messages.last == Array("end".utf8) }
            let frames = peer.frames.dropLast()
            #expect(frames.flatMap(\.payload) == payload)
            #expect(frames.count == max(1, (count + 999) / 1000))
            #expect(frames.map(\.opcode) == [2] + Array(repeating: 0, count: frames.count - 1))
            #expect(frames.dropLast().allSatisfy { !$0.isFinal && $0.payload.count == 1000 })
            #expect(frames.last?.isFinal == true)
            #expect(world.driver.counters.messagesSent == 2)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `pings over the threshold are not fragmented`() throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection {
                $0.fragmentOutgoingMessages = true
                $0.fragmentationThreshold = 10
            }
            connection.ping(Array(repeating: 1, count: 125))
            try world.run { peer.frames.count == 1 }
            #expect(peer.frames[0].isFinal && peer.frames[0].payload.count == 125)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `fragmented message over the limit is not sent in part`() throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection {
                $0.fragmentOutgoingMessages = true
                $0.fragmentationThreshold = 1000
                $0.maxSendQueue = 10_000
            }
            peer.socket.outboundByteCountMax = 500
            peer.isReading = false
            #expect(connection.sendBytes(Array(repeating: 1, count: 3000)) == .sent)
            try world.run(milliseconds: 1)
            #expect(connection.sendBytes(Array(repeating: 2, count: 9000)) == .overLimit)
            peer.isReading = true
            try world.run { peer.isOver }
            #expect(peer.frames.map(\.opcode) == [2, 0, 0, 8])
            #expect(peer.closeCode == 1008)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `frames of a message go out as they are, control frames between them`() throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection()
            #expect(try connection.sendFrame(.text, Array("a".utf8), isFinal: false) == .sent)
            #expect(connection.ping([1]) == .sent)
            #expect(try connection.sendFrame(.pong, [2]) == .sent)
            #expect(connection.sendUTF("other") == .messageOpen)
            #expect(connection.sendBytes(Array(repeating: 1, count: 5000)) == .messageOpen)
            #expect(try connection.sendFrame(.continuation, [], isFinal: false) == .sent)
            #expect(try connection.sendFrame(.continuation, Array("b".utf8)) == .sent)
            #expect(connection.sendUTF("other") == .sent)
            #expect(try connection.sendFrame(.binary, Array(repeating: 3, count: 5000)) == .sent)
            try world.run { peer.frames.count == 7 }
            #expect(peer.frames.map(\.opcode) == [1, 9, 10, 0, 0, 1, 2])
            #expect(peer.frames.map(\.isFinal) == [false, true, true, false, true, true, true])
            #expect(world.driver.counters.messagesSent == 3)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `frame that may not come here throws, and nothing of it goes out`() throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection()
            @WorkerActor func refused(
                _ opcode: Opcode,
                _ payload: [UInt8] = [],
                isFinal: Bool = true
            ) -> Bool {
                do throws(WebSocketError) {
                    try connection.sendFrame(opcode, payload, isFinal: isFinal)
                    return false
                } catch {
                    guard case .invalidFrame(let rule) = error else { return false }
                    return !rule.isEmpty
                }
            }
            #expect(refused(.continuation))
            #expect(refused(.ping, isFinal: false))
            for opcode in [.ping, .pong, .close] as [Opcode] {
                #expect(refused(opcode, Array(repeating: 0, count: 126)))
            }
            for opcode in [3, 7, 11, 15, 16, 255] as [UInt8] {
                #expect(refused(Opcode(rawValue: opcode)))
            }
            #expect(refused(.close, [3]))
            #expect(refused(.close, [0x03, 0xED]))
            #expect(refused(.close, [0x03, 0xE8, 0xFF]))
            try connection.sendFrame(.binary, [1], isFinal: false)
            #expect(refused(.text))
            #expect(refused(.binary, isFinal: false))
            #expect(throws: WebSocketError.self) { try connection.beginMessage(.text) }
            try connection.sendFrame(.continuation, [2])
            let writer = try connection.beginMessage(.binary)
            #expect(refused(.continuation))
            #expect(refused(.text))
            #expect(throws: WebSocketError.self) { try connection.beginMessage(.text) }
            writer.finish()
            try world.run { peer.frames.count == 3 }
            #expect(peer.frames.map(\.opcode) == [2, 0, 2])
            #expect(peer.complaint == nil)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(arguments: [[], [0x10, 0xE1], [0x10, 0xE1, 0x68, 0x69]] as [[UInt8]])
    func `Close frame closes with what it says, also within a message`(payload: [UInt8]) throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection()
            try connection.sendFrame(.text, [0x61], isFinal: false)
            #expect(try connection.sendFrame(.close, payload) == .queued)
            #expect(!connection.connected)
            #expect(try connection.sendFrame(.continuation, [0x61]) == .closed)
            #expect(try connection.sendFrame(.text, [0x61]) == .closed)
            try world.run { peer.isOver }
            #expect(peer.frames.map(\.opcode) == [1, 8])
            #expect(peer.frames[1].payload == payload)
            #expect(connection.closeReasonCode?.rawValue == (payload.isEmpty ? 1005 : 4321))
            #expect(connection.closeDescription == (payload.count > 2 ? "hi" : ""))
            try world.drain()
            world.expectIdle()
        }
    }
}

@Suite struct MessageWriters {
    @Test func `pieces are frames of one message, others are refused meanwhile`() throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection()
            let writer = try connection.beginMessage(.text)
            #expect(connection.sendUTF("other") == .messageOpen)
            #expect(writer.write("grüße ") == .sent)
            #expect(writer.write("") == .sent)
            try world.run(milliseconds: 1)
            connection.ping()
            #expect(writer.write(Array("an ".utf8)) == .sent)
            #expect(writer.write(Array("alle".utf8).span) == .sent)
            #expect(connection.sendUTF("other") == .messageOpen)
            #expect(writer.finish() == .sent)
            #expect(writer.write("late") == .closed)
            #expect(writer.finish() == .closed)
            #expect(connection.sendUTF("other") == .sent)
            try world.run { peer.messages.last == Array("other".utf8) }
            #expect(peer.frames.map(\.opcode) == [1, 9, 0, 0, 0, 1])
            let text = peer.frames.filter { $0.opcode != 9 }.dropLast().flatMap(\.payload)
            #expect(text == Array("grüße an alle".utf8))
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `writer that writes nothing sends an empty message`() throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection()
            try connection.beginMessage(.binary).finish()
            try world.run { peer.frames.count == 1 }
            #expect(peer.frames == [ServerFrame(opcode: 2, payload: [])])
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `writer that is let go unfinished closes with 1011`() throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection()
            var writer: MessageWriter? = try connection.beginMessage(.text)
            writer?.write("half")
            try world.run { peer.frames.count == 1 }
            #expect(connection.connected)
            writer = nil
            #expect(!connection.connected)
            try world.run { peer.isOver }
            #expect(peer.frames.map(\.opcode) == [1, 8])
            #expect(peer.closeCode == 1011)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `writer outlives its connection without harm`() throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection()
            var writer: MessageWriter? = try connection.beginMessage(.text)
            writer?.write("half")
            peer.sendClose()
            try world.run { peer.isOver }
            #expect(writer?.write("more") == .closed)
            #expect(writer?.finish() == .closed)
            writer = nil
            #expect(connection.closeReasonCode == .normalClosure)
            let late = try connection.beginMessage(.text)
            #expect(late.write("more") == .closed)
            try world.drain()
            world.expectIdle()
        }
    }
}
