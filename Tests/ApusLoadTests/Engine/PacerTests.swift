// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ApusLoad

@Suite struct `A pacer` {
    private static let second: UInt64 = 1_000_000_000

    @Test func `has messages due at equal distances from its start`() {
        var pacer = Pacer(start: 1000, rate: 1e6)
        for index in 0..<5 { #expect(pacer.takeDue(at: 10_000) == 1000 + UInt64(index) * 1000) }
        #expect(pacer.next == 6000)
        #expect(pacer.takeDue(at: 5999) == nil)
        #expect(pacer.takeDue(at: 6000) == 6000)
    }

    @Test func `does not slip when it is asked late`() {
        var pacer = Pacer(start: 0, rate: 1000)
        #expect(pacer.takeDue(at: 0) == 0)
        // Nobody asked for a second: all that was due then is still due at its time.
        var times: [UInt64] = []
        while let time = pacer.takeDue(at: Self.second) { times.append(time) }
        #expect(times == (1...1000).map { UInt64($0) * 1_000_000 })
    }

    @Test func `keeps a rate that does not divide a second, for hours`() {
        var pacer = Pacer(start: 0, rate: 3)
        for _ in 0..<30_000 { _ = pacer.takeDue(at: .max) }
        #expect(pacer.next == 10_000 * Self.second)
    }

    @Test func `says how many are due that nobody took`() {
        var pacer = Pacer(start: 1000, rate: 1e6)
        #expect(pacer.dueCount(at: 1000) == 0)
        #expect(pacer.dueCount(at: 1001) == 1)
        #expect(pacer.dueCount(at: 5000) == 4)
        var count: UInt64 = 0
        let isDue = pacer.dueCount(at: 9_500)
        while pacer.takeDue(at: 9_499) != nil { count += 1 }
        #expect(count == isDue)
    }

    @Test func `of a Poisson process has the rate and the spread of one`() {
        var pacer = Pacer(start: 0, rate: 1000, arrivals: .poisson, seed: 5)
        var times: [UInt64] = []
        for _ in 0..<100_000 { if let time = pacer.takeDue(at: .max) { times.append(time) } }
        let gaps = zip(times, times.dropFirst()).map { Double($1 - $0) }
        let mean = gaps.reduce(0, +) / Double(gaps.count)
        let variance = gaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(gaps.count)
        #expect(abs(mean - 1e6) < 2e4)
        // As large as the mean, where a constant rate has none.
        #expect(abs(variance.squareRoot() - mean) < 4e4)
        #expect(times == times.sorted())
    }

    @Test func `of a Poisson process is another with another seed, and the same with the same`() {
        func first(_ seed: UInt64) -> UInt64 {
            Pacer(start: 0, rate: 10, arrivals: .poisson, seed: seed).next
        }
        #expect(first(1) == first(1))
        #expect(first(1) != first(2))
    }
}
