// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ApusLoad

@Suite struct `Send times` {
    @Test func `are kept while room grows, whatever the first number is`() {
        for first: UInt64 in [0, 1, 5, 1_000_003] {
            var times = SendTimes()
            for sequence in first..<first + 100 {
                let isKept = times.reserve(first, sequence + 1)
                #expect(isKept)
                times[sequence] = SendTimes.Times(intended: sequence, sent: 2 * sequence)
            }
            for sequence in first..<first + 100 {
                let kept = times[sequence]
                #expect(kept.intended == sequence)
                #expect(kept.sent == 2 * sequence)
            }
            let capacity = times.capacity
            #expect(capacity == 128)
        }
    }

    @Test func `take no more room for messages that follow each other`() {
        var times = SendTimes()
        for sequence: UInt64 in 0..<1000 {
            let isKept = times.reserve(sequence, sequence + 1)
            #expect(isKept)
            times[sequence] = SendTimes.Times(intended: 0, sent: sequence)
        }
        let capacity = times.capacity
        #expect(capacity == 1)
    }

    @Test func `of too many messages at once are refused`() {
        var times = SendTimes()
        let isKept = times.reserve(0, SendTimes.capacityMax + 1)
        #expect(!isKept)
        let capacity = times.capacity
        #expect(capacity == 0)
    }
}
