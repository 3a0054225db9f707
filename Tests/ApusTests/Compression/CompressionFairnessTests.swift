// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusTestSupport
import Testing

/// Bytes on the wire say little of the time that they take: a few are inflated to many.
@Suite struct `Fairness of inflation` {
    private static let limit = 1 << 20

    @Test(arguments: [true, false])
    func `a peer whose messages are as large as allowed delays nobody`(assembles: Bool) throws {
        try inWorker {
            let world = World {
                $0.compression = .shared
                $0.assembleFragments = assembles
            }
            var inflated: [UInt8] = []
            var byteCount = 0
            var number: UInt8 = 0
            var closed: CloseCode?
            world.server.onRequest { request in
                let connection = try request.accept()
                connection.onMessage { [unowned connection] message in
                    guard message.byteCount == Self.limit else {
                        connection.send(message)
                        return
                    }
                    inflated.append(message.withBytes { $0[0] })
                    // It pauses by itself as well, and goes on in the same turn or later.
                    if inflated.count % 7 == 0 { connection.pause() }
                    if inflated.count % 14 == 0 { connection.resume() }
                }
                connection.onFrame { [unowned connection] part in
                    if part.isFirst, part.byteCount < 100 {
                        connection.sendBytes(part.bytes)
                        return
                    }
                    byteCount += part.byteCount
                    if let first = part.bytes.first { number = first }
                    guard part.isLast, byteCount >= Self.limit else { return }
                    inflated.append(number)
                    #expect(byteCount == inflated.count * Self.limit)
                }
                connection.onClose { code, _ in closed = code }
            }
            let neighbour = try world.open()
            let attacker = try DeflatingPeer(world)
            let numbers = (0..<50).map { UInt8($0) }
            let messages = numbers.map {
                attacker.compressed([UInt8](repeating: $0, count: Self.limit))
            }
            let attack = messages.flatMap { DeflatingPeer.frames(2, $0) }
            // All of it comes with one receive, and the peer's end behind it.
            #expect(attack.count < 65_536)
            attacker.peer.write(attack)
            attacker.peer.end()
            for round in 1...5 {
                let before = inflated.count
                neighbour.sendText("\(round)")
                var turnCount = 0
                while neighbour.messages.count < round, turnCount < 10 {
                    let before = inflated.count
                    try world.turn()
                    #expect(inflated.count <= before + 1)
                    turnCount += 1
                }
                #expect(neighbour.messages.count == round)
                #expect(inflated.count <= before + 4)
            }
            #expect(inflated.count < 25)
            while inflated.count < numbers.count {
                for connection in world.server.connections where connection.isPaused {
                    connection.resume()
                }
                try world.turn()
            }
            #expect(inflated == numbers)
            try world.run { closed != nil }
            #expect(closed == .abnormalClosure)
            try world.drain()
            world.expectIdle()
            #expect(world.compressionGauges == [0, 0, 0])
            #expect(world.driver.compression.waiting.isEmpty)
            // What is given to the inflater again, since nobody wanted more, is counted once.
            let wireByteCount = messages.reduce(0) { $0 + $1.count }
            #expect(world.driver.counters.wireBytesInflated == wireByteCount)
        }
    }

    @Test(arguments: [true, false])
    func `peers together have no more inflated in a turn than one`(assembles: Bool) throws {
        try inWorker {
            let world = World {
                $0.compression = .shared
                $0.assembleFragments = assembles
            }
            // Whose messages have come to their end, in order.
            var ended: [UInt8] = []
            world.server.onRequest { request in
                let connection = try request.accept()
                var number: UInt8 = 0
                connection.onMessage { [unowned connection] message in
                    guard message.byteCount == Self.limit else {
                        connection.send(message)
                        return
                    }
                    ended.append(message.withBytes { $0[0] })
                }
                connection.onFrame { [unowned connection] part in
                    if part.isFirst, part.byteCount < 100 {
                        connection.sendBytes(part.bytes)
                        return
                    }
                    if let first = part.bytes.first { number = first }
                    if part.isLast { ended.append(number) }
                }
            }
            let neighbour = try world.open()
            let attackers = try (0..<20).map { _ in try DeflatingPeer(world) }
            // The first comes with three messages, and may not keep the others waiting for those.
            let counts = attackers.indices.map { $0 == 0 ? 3 : 1 }
            for (number, attacker) in attackers.enumerated() {
                let message = [UInt8](repeating: UInt8(number), count: Self.limit)
                for _ in 0..<counts[number] { attacker.send(2, message) }
            }
            let late = try DeflatingPeer(world)
            late.send(2, [42])
            var turnCount = 0
            while ended.count < 22 || late.messages.isEmpty {
                let byteCount = world.driver.counters.bytesInflated
                let echoCount = neighbour.messages.count
                neighbour.sendText("\(turnCount)")
                try world.turn()
                let inflated = world.driver.counters.bytesInflated - byteCount
                #expect(inflated < 2 * Self.limit)
                if turnCount > 2 { #expect(neighbour.messages.count > echoCount) }
                turnCount += 1
                try #require(turnCount < 1000)
            }
            // Only it was there before anybody waited.
            #expect(Set(ended.prefix(21)).count == 20, "\(ended)")
            #expect(late.messages == [[42]])
            #expect(world.driver.counters.bytesInflatedInTurnMax < 2 * Self.limit)
            #expect(world.driver.compression.waiting.isEmpty)
            try world.drain()
            world.expectIdle()
        }
    }
}
