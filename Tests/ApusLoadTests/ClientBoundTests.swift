// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ApusLoad

@Suite struct `A load that was the limit` {
    private func reason(
        rate: Double? = nil,
        mode: LoadPlan.Mode = .echo,
        messages: UInt64 = 10_000,
        missed: UInt64 = 0,
        corrupted: UInt64 = 0,
        duplicated: UInt64 = 0,
        busy: Double = 0.5,
        isServerSaturated: Bool? = nil
    ) -> String? {
        var plan = LoadPlan(url: "ws://127.0.0.1/")
        plan.rate = rate
        plan.mode = mode
        var report = LoadReport()
        report.messages = messages
        report.missedDeadlines = missed
        report.corrupted = corrupted
        report.duplicated = duplicated
        report.elapsedNanoseconds = 10_000_000_000
        return ClientBound.reason(
            plan: plan,
            report: report,
            busiest: busy,
            isServerSaturated: isServerSaturated
        )
    }

    @Test func `is one that had no pause while the server had`() {
        #expect(reason(busy: 0.89) == nil)
        #expect(reason(busy: 0.91) != nil)
        #expect(reason(busy: 0.91, isServerSaturated: false) != nil)
        #expect(reason(busy: 0.99, isServerSaturated: true) == nil)
    }

    @Test func `is one that missed over a hundredth of its deadlines, however the server was`() {
        #expect(reason(rate: 1000, missed: 100) == nil)
        #expect(reason(rate: 1000, missed: 101) != nil)
        #expect(reason(rate: 1000, missed: 101, isServerSaturated: true) != nil)
        // An impossible rate: few were sent at all.
        let impossible = reason(rate: 1e8, messages: 70_000, missed: 999_990_000, busy: 0.2)
        #expect(impossible?.hasPrefix("100 %") == true)
    }

    @Test func `is one that was busy and did not reach its rate`() {
        #expect(reason(rate: 1000, messages: 9_899, busy: 0.95) != nil)
        #expect(reason(rate: 1000, messages: 9_901, busy: 0.95) == nil)
        // Then it was the server that was slow.
        #expect(reason(rate: 1000, messages: 5_000, busy: 0.2) == nil)
    }

    @Test func `is one that sent nothing, although nothing was in its way`() {
        #expect(reason(messages: 0, busy: 0) != nil)
        #expect(reason(messages: 0, corrupted: 1, busy: 0) == nil)
        #expect(reason(messages: 0, duplicated: 1, busy: 0) == nil)
    }

    @Test func `is not one that holds connections`() {
        #expect(reason(mode: .idle, busy: 1) == nil)
    }
}
