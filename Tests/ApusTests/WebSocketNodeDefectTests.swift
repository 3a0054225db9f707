// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import Testing

/// What open connections of WebSocket-Node get wrong, by the numbers of our list of its defects.
@Suite struct WebSocketNodeDefects {
    @Test(arguments: [true, false])
    func `6: fragments without payload count, so that their number is limited`(
        assembles: Bool
    ) throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection {
                $0.maxFragments = 100
                $0.assembleFragments = assembles
            }
            peer.send(2, [], isFinal: false)
            for _ in 0..<99 { peer.send(0, [], isFinal: false) }
            try world.run(milliseconds: 1)
            #expect(connection.connected)
            #expect(world.driver.messageBuffers.value.lentCount == 0)
            peer.send(0, [], isFinal: false)
            try world.run { peer.isOver }
            #expect(peer.closeCode == 1008)
            #expect(connection.closeReasonCode == .policyViolation)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(arguments: [true, false])
    func `7: the close timeout lets go of a peer that does nothing, without keepalive too`(
        reads: Bool
    ) throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection { $0.keepaliveInterval = nil }
            peer.answersClose = false
            peer.endsAfterEnd = false
            peer.isReading = reads
            let start = world.ring.now
            connection.close()
            try world.run { world.ring.sockets.isEmpty }
            #expect(world.ring.now - start == 5_000_000_000)
            #expect(connection.closeReasonCode == .abnormalClosure)
            world.expectIdle()
        }
    }

    @Test func `7: shutting down says 1001 and comes to an end, whatever the peers do`() throws {
        try inWorker {
            let (world, connection, silent) = try World.withConnection {
                $0.keepaliveInterval = nil
            }
            silent.answersClose = false
            silent.endsAfterEnd = false
            try world.drain()
            #expect(silent.closeCode == 1001)
            #expect(connection.closeReasonCode == .abnormalClosure)
            world.expectIdle()
        }
    }

    @Test func `8: a Close without a code is 1005, and is answered by one without`() throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection()
            peer.send(8, [])
            try world.run { peer.isOver }
            #expect(connection.closeReasonCode == .noStatusReceived)
            #expect(connection.closeDescription == "")
            #expect(peer.frames == [ServerFrame(opcode: 8, payload: [])])
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(arguments: [1000, 1001, 1003, 1011, 3000, 4999] as [UInt16])
    func `8: the peer's code is echoed and told`(code: UInt16) throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection()
            let bytes = [UInt8(code >> 8), UInt8(code & 255)]
            peer.send(8, bytes + Array("why".utf8))
            try world.run { peer.isOver }
            #expect(connection.closeReasonCode?.rawValue == code)
            #expect(connection.closeDescription == "why")
            #expect(peer.frames == [ServerFrame(opcode: 8, payload: bytes)])
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `8: the peer's answer is told, not what we sent`() throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection()
            peer.answersClose = false
            try connection.close(.goingAway, "ours")
            #expect(connection.closeReasonCode == nil)
            try world.run { peer.closeCode == 1001 }
            peer.send(8, [0x0F, 0xA1] + Array("theirs".utf8))
            try world.run { peer.isOver }
            #expect(connection.closeReasonCode?.rawValue == 4001)
            #expect(connection.closeDescription == "theirs")
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `8: an end without a Close is 1006`() throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection()
            peer.end()
            try world.run { peer.isOver }
            #expect(connection.closeReasonCode == .abnormalClosure)
            #expect(peer.frames.isEmpty)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `13: a reason over 123 bytes is cut between characters`() throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection()
            try connection.close(.normalClosure, "a" + String(repeating: "é", count: 100))
            try world.run { peer.isOver }
            let reason = "a" + String(repeating: "é", count: 61)
            #expect(peer.frames.map(\.payload) == [[0x03, 0xE8] + Array(reason.utf8)])
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(arguments: [124, 125, 126, 1000])
    func `13: a ping has up to 125 bytes`(count: Int) throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection()
            let payload = (0..<count).map { UInt8($0 & 255) }
            connection.ping(payload)
            connection.pong(payload)
            try world.run { peer.frames.count == 2 }
            #expect(
                peer.frames.map(\.payload) == Array(repeating: Array(payload.prefix(125)), count: 2)
            )
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(arguments: [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] as [UInt16])
    func `13: no code goes out that must not, neither by close nor by drop`(code: UInt16) throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection()
            #expect(throws: WebSocketError.invalidCloseCode(code)) {
                try connection.close(CloseCode(rawValue: code), "why")
            }
            #expect(connection.connected)
            connection.drop()
            try world.run { world.ring.sockets.isEmpty }
            #expect(peer.frames.isEmpty)
            #expect(connection.closeReasonCode == .abnormalClosure)
            try world.drain()
            world.expectIdle()
        }
    }

    enum Ending: CaseIterable { case close, drop, peerCloses, peerResets }

    @Test(arguments: Ending.allCases)
    func `14: whatever is sent on a connection that has ended says so`(ending: Ending) throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection()
            switch ending {
            case .close: connection.close()
            case .drop: connection.drop()
            case .peerCloses: peer.sendClose()
            case .peerResets: peer.reset()
            }
            for _ in 0..<2 {
                if ending == .close || ending == .drop || !connection.connected {
                    let results = [
                        connection.sendUTF("a"), connection.sendUTF("a", key: 1),
                        connection.sendBytes([1]), connection.sendBytes([1], key: 1),
                        connection.sendBytes(Array(repeating: 1, count: 100_000)),
                        connection.ping(), connection.pong(),
                        try connection.sendFrame(.continuation, []),
                        try connection.beginMessage(.text).write("a"),
                    ]
                    #expect(results == Array(repeating: .closed, count: results.count))
                }
                try world.run(milliseconds: 10)
                #expect(!connection.connected)
            }
            #expect(peer.messages.isEmpty)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(arguments: [1 << 14, 1 << 16, 1 << 20])
    func `15: a message is one frame, whatever its size`(count: Int) throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection()
            connection.sendBytes(Array(repeating: 7, count: count))
            connection.sendUTF(String(repeating: "a", count: count))
            try world.run { peer.frames.count == 2 }
            #expect(peer.frames.allSatisfy { $0.isFinal && $0.payload.count == count })
            #expect(peer.frames.map(\.opcode) == [2, 1])
            try world.drain()
            world.expectIdle()
        }
    }
}
