// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

/// An application that sends in every way, peers that read or do not, and all faults: what a peer
/// gets it can inflate, and is what was sent.
@Suite struct `Chaos of compression` {
    @Test(arguments: [0, 1, 2, 3] as [UInt64])
    func `contexts are what both ends think they are`(part: UInt64) throws {
        var compressedCount = 0
        for seed in 1...40 as ClosedRange<UInt64> {
            compressedCount += try run(seed: 1000 * part + seed)
        }
        #expect(compressedCount > 500)
    }

    /// What is sent says by its first bytes what the rest is.
    private static func message(_ number: Int) -> [UInt8] {
        let head = Array("\(number % 500) ".utf8)
        return head + sampleText(200 + number % 500 * 7, seed: UInt64(number % 500))
    }

    private func isWhole(_ message: [UInt8]) -> Bool {
        let head = message.prefix { $0 != 0x20 }
        guard let number = Int(String(decoding: head, as: UTF8.self)) else { return false }
        return message == Self.message(number)
    }

    private static let modes: [Compression] = [
        .shared, .dedicated(), .dedicated(windowBits: 9, memoryLevel: 1),
        .dedicated(windowBits: 15, contextsMax: 2),
    ]

    private func run(seed: UInt64) throws -> Int {
        var compressedCount = 0
        try inWorker {
            let world = World(seed: seed, faults: .all) {
                $0.compression = Self.modes[Int(seed % 4)]
                $0.compression.level = 1 + Int(seed % 9)
                $0.maxSendQueue = 20_000
                $0.drainTimeout = .seconds(3)
                $0.slowConsumerPolicy =
                    [.close, .dropNewest, .dropOldest, .keepLatest][Int(seed / 4 % 4)]
                $0.fragmentOutgoingMessages = seed % 5 == 0
                $0.fragmentationThreshold = 500
                $0.keepaliveInterval = .seconds(1)
            }
            var random = SplitMix(seed: seed &* 77)
            var writers: [(writer: MessageWriter, rest: ArraySlice<UInt8>)] = []
            @WorkerActor func act() {
                let all = world.server.connections
                guard !all.isEmpty else { return }
                let one = all[random.upTo(all.count) - 1]
                let message = Self.message(Int(random.next() % 500))
                switch random.upTo(12) {
                case 1: world.server.broadcastBytes(message)
                case 2: world.server.broadcastBytes(message, except: one, compress: false)
                case 3: one.sendBytes(message, key: random.upTo(3))
                case 4: one.sendBytes(message, compress: false)
                case 5:
                    if let writer = try? one.beginMessage(.binary) {
                        writers.append((writer, message[...]))
                    }
                case 6, 7:
                    guard let index = writers.indices.last else { return }
                    let piece = writers[index].rest.prefix(random.upTo(900))
                    switch writers[index].writer.write(Array(piece)) {
                    case .sent, .queued, .displaced: writers[index].rest.removeFirst(piece.count)
                    case .dropped, .overLimit, .messageOpen, .closed: break
                    }
                    if writers[index].rest.isEmpty {
                        switch writers[index].writer.finish() {
                        case .dropped: break
                        default: writers.removeLast()
                        }
                    }
                default: for _ in 0..<random.upTo(4) { one.sendBytes(message) }
                }
            }
            world.server.onRequest { request in
                let connection = try request.accept()
                connection.onMessage { [unowned connection] message in
                    connection.send(message)
                    act()
                }
                connection.onDrain { act() }
            }
            let offers = `Compression on a server`.offers
            let clients = (0..<4).map {
                DeflatingPeer(connectingTo: world, offer: offers[(Int(seed) + $0) % 4])
            }
            for client in clients { script(client, world.ring, &random) }
            try world.run(milliseconds: 12_000)
            writers = []
            try world.drain()
            world.expectIdle()
            #expect(world.compressionGauges == [0, 0, 0], "seed \(seed)")
            for client in clients {
                #expect(client.peer.complaint == nil, "seed \(seed)")
                #expect(client.messages.allSatisfy(isWhole), "seed \(seed)")
            }
            compressedCount = clients.reduce(0) { $0 + $1.compressedByteCounts.count }
        }
        return compressedCount
    }

    private func script(_ client: DeflatingPeer, _ ring: ScriptedRing, _ random: inout SplitMix) {
        client.peer.socket.outboundByteCountMax = 64 + random.upTo(10_000)
        for _ in 0..<40 {
            let kind = random.upTo(40)
            let message = Self.message(Int(random.next() % 500))
            let fragments = random.upTo(3)
            ring.after(UInt64(random.upTo(8_000)) * 1_000_000) { [weak client] in
                guard let client, client.peer.isOpen else { return }
                switch kind {
                case 1: client.peer.end()
                case 2...8: client.peer.isReading = false
                case 9...16: client.peer.isReading = true
                case 17: client.peer.send(2, message)
                default: client.send(2, message, fragments: fragments)
                }
            }
        }
    }
}
