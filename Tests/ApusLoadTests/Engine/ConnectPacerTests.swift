// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ApusLoad

@Suite struct `A pacer of connects` {
    private static let second: UInt64 = 1_000_000_000

    /// How many may be opened from one time to before another, asked every so many nanoseconds.
    private static func count(
        _ pacer: inout ConnectPacer,
        in times: Range<UInt64>,
        every step: UInt64
    ) -> Int {
        stride(from: times.lowerBound, to: times.upperBound, by: Int(step)).reduce(0) { sum, now in
            var count = 0
            while pacer.take(at: now) { count += 1 }
            return sum + count
        }
    }

    @Test(arguments: [1.0, 3, 20, 5000, 100_000])
    func `allows its rate, also where turns come a little late`(rate: Double) {
        var pacer = ConnectPacer(start: 0, rateMax: rate)
        let count = Self.count(&pacer, in: 0..<10 * Self.second, every: 700_003)
        #expect(count <= Int(10 * rate) + 1)
        #expect(Double(count) >= 9.9 * rate)
    }

    @Test func `makes up for no more than a millisecond of a stall`() {
        var pacer = ConnectPacer(start: 0, rateMax: 5000)
        #expect(Self.count(&pacer, in: 0..<1, every: 1) == 1)
        #expect(Self.count(&pacer, in: 3 * Self.second..<3 * Self.second + 1, every: 1) == 6)
        var slow = ConnectPacer(start: 0, rateMax: 10)
        #expect(Self.count(&slow, in: 5 * Self.second..<5 * Self.second + 1, every: 1) == 1)
        #expect(slow.next == 5 * Self.second + 99_000_000)
    }

    @Test func `begins later in an interval where others begin as well`() {
        #expect(ConnectPacer(start: 1000, rateMax: 1000, offset: 0.25).next == 251_000)
    }

    @Test func `never comes to a second one at a rate that is next to nothing`() {
        var pacer = ConnectPacer(start: 0, rateMax: 1e-12)
        #expect(Self.count(&pacer, in: 0..<1, every: 1) == 1)
        #expect(pacer.next == 100_000_000_000_000_000)
    }
}
