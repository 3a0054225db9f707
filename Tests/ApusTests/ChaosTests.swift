// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

/// An application that does anything at any time, peers that do as well, and all faults: whatever
/// happens, nothing traps, nothing is misused and nothing is left behind.
@Suite struct Chaos {
    @Test(arguments: [0, 1, 2, 3] as [UInt64])
    func `worker survives applications and peers that do anything`(part: UInt64) throws {
        for seed in 1...60 as ClosedRange<UInt64> {
            try run(seed: 1000 * part + seed)
        }
    }

    private struct Mistake: Error {}

    /// What the application does; its own random numbers keep the ring's in their places.
    @WorkerActor
    private final class Application {
        let world: World
        var random: SplitMix
        var kept: [WebSocketRequest] = []
        var writers: [MessageWriter] = []
        var openCount = 0
        var pendingCount = 0
        /// Another worker that never takes a broadcast, so that its sender has to go on without it.
        var otherWorker: BroadcastReader?

        init(_ world: World, seed: UInt64) {
            self.world = world
            random = SplitMix(seed: seed &* 31)
        }

        func decide(_ request: WebSocketRequest) throws {
            switch random.upTo(10) {
            case 1: throw Mistake()
            case 2: try request.reject()
            case 3...5:
                kept.append(request)
                pendingCount += 1
                request.onClientGone { [unowned self] in
                    pendingCount -= 1
                    try act()
                }
            default: try accept(request)
            }
        }

        func accept(_ request: WebSocketRequest) throws {
            let connection = try request.accept()
            openCount += 1
            connection.onMessage { [unowned self, unowned connection] message in
                connection.send(message)
                try act()
            }
            connection.onClose { [unowned self] _, _ in
                openCount -= 1
                try act()
            }
            connection.onDrain { [unowned self] in try act() }
            connection.onPing { [unowned self] _, pong in
                if random.chance(30) { pong.cancel() }
                try act()
            }
            connection.onFrame { [unowned self, unowned connection] part in
                if part.isLast { connection.sendBytes(part.bytes, key: part.byteCount % 3) }
                try act()
            }
            if random.chance(20) { try act() }
        }

        /// One of those to be decided late; whoever has not heard that its client has gone waits.
        func takeKept() -> WebSocketRequest? {
            let request = kept.popLast()
            if request?.isPending == true { pendingCount -= 1 }
            return request
        }

        func act() throws {
            let all = world.server.connections
            let one = all.isEmpty ? nil : all[random.upTo(all.count) - 1]
            switch random.upTo(24) {
            case 1: for connection in all { connection.sendUTF("to all") }
            case 2: for connection in all { connection.sendBytes(.init(repeating: 1, count: 9000)) }
            case 3: one?.drop()
            case 4: one?.close()
            case 5: throw Mistake()
            case 6: for _ in 0..<10 { one?.sendBytes(.init(repeating: 2, count: 3000)) }
            case 7: one?.ping([1])
            case 8...10: if let request = takeKept(), request.isPending { try accept(request) }
            case 11: try takeKept()?.reject()
            case 12, 13: one?.pause()
            case 14, 15: for connection in all { connection.resume() }
            case 16:
                if let one, let writer = try? one.beginMessage(.binary) { writers.append(writer) }
            case 17: writers.randomElement(using: &random)?.write(.init(repeating: 3, count: 2000))
            case 18: _ = writers.popLast()?.finish()
            case 19: if random.chance(10) { writers = [] }
            case 20: world.server.broadcastUTF("to all")
            case 21, 22:
                let bytes = [UInt8](repeating: 5, count: random.upTo(9000))
                world.server.broadcastBytes(bytes, except: one)
            case 23: otherWorker?.join()
            default: one?.sendUTF("hello")
            }
        }
    }

    private func run(seed: UInt64) throws {
        try inWorker {
            let world = World(seed: seed, faults: .all) {
                $0.maxSendQueue = 30_000
                $0.drainTimeout = .seconds(3)
                $0.slowConsumerPolicy =
                    [.close, .dropNewest, .dropOldest, .keepLatest][Int(seed % 4)]
                $0.assembleFragments = seed % 3 != 0
                $0.fragmentOutgoingMessages = seed % 5 == 0
            }
            let application = Application(world, seed: seed)
            world.server.onRequest { [unowned application] in try application.decide($0) }
            if seed.isMultiple(of: 2) {
                let hub = try BroadcastHub(slotCount: 2, ringByteCount: 8192)
                application.otherWorker = BroadcastReader(hub.region(of: 0), number: 1)
                world.driver.broadcasts.channel = BroadcastChannel(
                    hub,
                    slot: 0,
                    server: world.server,
                    configuration: world.server.configuration
                )
                world.server.host = world.driver
            }
            var random = SplitMix(seed: seed)
            for _ in 0..<random.upTo(10) { script(world.connect(), world.ring, &random) }
            try world.run(milliseconds: UInt64(random.upTo(15_000)))
            #expect(world.server.connections.count == application.openCount, "seed \(seed)")
            #expect(
                world.server.pendingRequests.count == application.pendingCount,
                "seed \(seed)"
            )
            try world.drain()
            world.expectIdle()
            #expect(application.openCount == 0, "seed \(seed)")
            #expect(application.pendingCount == 0, "seed \(seed)")
            #expect(world.peers.allSatisfy { $0.complaint == nil }, "seed \(seed)")
            try #require(world.ring.misuses.isEmpty, "seed \(seed)")
        }
    }

    private func script(_ peer: VirtualPeer, _ ring: ScriptedRing, _ random: inout SplitMix) {
        peer.socket.outboundByteCountMax = 64 + random.upTo(20_000)
        peer.answersClose = random.chance(80)
        peer.endsAfterEnd = random.chance(80)
        peer.requestUpgrade()
        for _ in 0..<random.upTo(30) {
            let kind = random.upTo(40)
            let length = random.upTo(random.chance(20) ? 20_000 : 200)
            ring.after(UInt64(random.upTo(10_000)) * 1_000_000) { [unowned peer] in
                switch kind {
                case 1: peer.reset()
                case 2: peer.end()
                case 3: peer.sendClose()
                case 4: peer.write([0xFF, 0xFF, 0xFF])
                case 5...8: peer.isReading = false
                case 9...14: peer.isReading = true
                case 15...18: peer.send(9, [1, 2])
                case 19: peer.send(2, Array(repeating: 3, count: length), isFinal: false)
                default: peer.send(2, Array(repeating: 4, count: length))
                }
            }
        }
    }
}
