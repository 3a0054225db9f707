// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusProtocol
import ApusTestSupport
import Testing

@Suite struct DeadlineQueues {
    @Test(arguments: 1...50 as ClosedRange<UInt64>)
    func `queue does what a sorted list does`(seed: UInt64) {
        var random = SplitMix(seed: seed)
        var queue = DeadlineQueue()
        var oracle: [Int: Instant] = [:]
        for step in 0..<400 {
            let slot = random.upTo(40) - 1
            switch random.upTo(10) {
            case 1...6:
                let deadline = Instant(nanoseconds: UInt64(random.upTo(100)))
                queue.set(deadline, slot: slot)
                oracle[slot] = deadline
            case 7...8:
                queue.set(nil, slot: slot)
                oracle[slot] = nil
            default:
                let now = Instant(nanoseconds: UInt64(random.upTo(60)))
                let least = oracle.values.min()
                let popped = queue.popDue(at: now)
                if let least, least <= now {
                    #expect(popped.flatMap { oracle[$0] } == least, "seed \(seed), step \(step)")
                } else {
                    #expect(popped == nil, "seed \(seed), step \(step)")
                }
                if let popped { oracle[popped] = nil }
            }
            #expect(queue.next == oracle.values.min(), "seed \(seed), step \(step)")
            #expect(queue.isEmpty == oracle.isEmpty, "seed \(seed), step \(step)")
        }
    }

    @Test func `all slots come out once, in the order of their deadlines`() {
        var random = SplitMix(seed: 7)
        var queue = DeadlineQueue()
        var deadlines: [UInt64] = []
        for slot in 0..<1000 {
            deadlines.append(random.next() % 500)
            queue.set(Instant(nanoseconds: deadlines[slot]), slot: slot)
        }
        var popped: [Int] = []
        while let slot = queue.popDue(at: Instant(nanoseconds: .max)) { popped.append(slot) }
        #expect(Set(popped).count == 1000)
        #expect(popped.map { deadlines[$0] } == deadlines.sorted())
    }
}
