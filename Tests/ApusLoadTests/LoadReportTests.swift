// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Histogram
import Testing

@testable import ApusLoad

@Suite struct `Reports of several processes` {
    @Test func `add up, and their latencies are one distribution`() {
        var first = LoadReport()
        first.messages = 3
        first.errors = ["refused": 1, "timeout": 2]
        first.elapsedNanoseconds = 10
        first.latency.record(1_000)
        var second = LoadReport()
        second.messages = 4
        second.errors = ["timeout": 5]
        second.elapsedNanoseconds = 12
        second.latency.record(1_000_000, count: 3)

        first.add(second)

        #expect(first.messages == 7)
        #expect(first.errors == ["refused": 1, "timeout": 7])
        #expect(first.elapsedNanoseconds == 12)
        #expect(first.latency.totalCount == 4)
        #expect(first.latency.valueAtPercentile(25) / 10 == 100)
        #expect(first.latency.max / 10_000 == 100)
    }
}
