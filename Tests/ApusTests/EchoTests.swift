// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusTestSupport
import Testing

/// What goes in comes out, whatever the kernel and the peers do.
@Suite struct EchoOnScriptedRing {
    @Test func `every message comes back once and in order, with TLS too`() throws {
        let tls = try TLSListener.made()
        for seed in 1...60 as ClosedRange<UInt64> {
            try EchoRun.run(seed: seed, faults: .all, tls: tls)
        }
    }

    @Test(arguments: NamedFaults.each)
    func `every message comes back once and in order`(plan: NamedFaults) throws {
        for seed in 1...40 as ClosedRange<UInt64> {
            try EchoRun.run(seed: seed, faults: plan.faults)
        }
    }

    @Test(arguments: [0, 1, 2, 3] as [UInt64])
    func `every message comes back once and in order under all faults`(part: UInt64) throws {
        for seed in 1...300 as ClosedRange<UInt64> {
            try EchoRun.run(seed: 10_000 * (part + 1) + seed, faults: .all)
        }
    }
}

/// Several peers that send numbered messages, a ledger of what came back, and the worker's end.
private enum EchoRun {
    private final class Ledger {
        let peer: VirtualPeer
        var sent: [[UInt8]] = []
        var isReset = false

        init(_ peer: VirtualPeer) {
            self.peer = peer
        }
    }

    static func run(seed: UInt64, faults: Faults, tls: TLSListener? = nil) throws {
        try inWorker {
            let world = World(seed: seed, faults: faults, tls: tls)
            world.serveEcho()
            var random = SplitMix(seed: seed ^ 0xA5A5)
            let ledgers = (0..<random.upTo(5)).map { _ in
                let ledger = Ledger(world.connect())
                script(ledger, in: world, &random)
                return ledger
            }
            try world.run { ledgers.allSatisfy { $0.peer.isOver || $0.isReset } }
            world.ring.faults.descriptorShortages = 0
            try world.drain()
            world.expectIdle()
            for ledger in ledgers { check(ledger, seed: seed) }
            try #require(world.ring.misuses.isEmpty, "seed \(seed)")
        }
    }

    @WorkerActor
    private static func script(_ ledger: Ledger, in world: World, _ random: inout SplitMix) {
        let peer = ledger.peer
        let ring = world.ring
        peer.socket.outboundByteCountMax = random.chance(50) ? 65536 : 64 + random.upTo(2000)
        let messageCount = random.upTo(12)
        for number in 0..<messageCount {
            let most = random.chance(10) ? 20_000 : random.chance(30) ? 300 : 20
            let length = random.upTo(most)
            ledger.sent.append((0..<length).map { UInt8(truncatingIfNeeded: $0 &+ number * 7) })
        }
        let messages = ledger.sent
        // All at once with the request, or each at a time of its own.
        let isBurst = random.chance(40)
        var times = messages.map { _ in UInt64(isBurst ? 0 : random.upTo(2000)) * 1_000_000 }
        times.sort()
        let isFragmented = random.chance(30)
        peer.requestUpgrade()
        for (time, message) in zip(times, messages) {
            let cut = isFragmented ? random.upTo(message.count) : message.count
            let hasPing = random.chance(20)
            ring.after(time) {
                peer.send(2, Array(message[..<cut]), isFinal: cut == message.count)
                if hasPing { peer.send(9, [1, 2, 3]) }
                if cut < message.count { peer.send(0, Array(message[cut...])) }
            }
        }
        // It closes when it has everything.
        peer.onFrame = { [unowned peer] _ in
            if peer.messages.count == messageCount, !peer.hasSentClose { peer.sendClose() }
        }
        if random.chance(ring.faults.deafPeers) {
            let start = UInt64(random.upTo(500)) * 1_000_000
            ring.after(start) { peer.isReading = false }
            ring.after(start + UInt64(random.upTo(3000)) * 1_000_000) { peer.isReading = true }
        }
        if random.chance(ring.faults.resets) {
            ring.after(UInt64(random.upTo(2500)) * 1_000_000) {
                ledger.isReset = !peer.isOver
                peer.reset()
            }
        }
    }

    private static func check(_ ledger: Ledger, seed: UInt64) {
        let peer = ledger.peer
        #expect(peer.complaint == nil, "seed \(seed)")
        if ledger.isReset {
            #expect(peer.messages.count <= ledger.sent.count, "seed \(seed)")
            #expect(Array(ledger.sent.prefix(peer.messages.count)) == peer.messages, "seed \(seed)")
        } else {
            #expect(peer.messages == ledger.sent, "seed \(seed)")
            #expect(peer.closeCode == 1000, "seed \(seed)")
            #expect(peer.unfinishedByteCount == 0, "seed \(seed)")
            #expect(peer.sawEnd && !peer.sawReset, "seed \(seed)")
        }
    }
}
