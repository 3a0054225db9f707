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
        runDelay: Double? = nil,
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
            runDelay: runDelay,
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

    @Test func `is one that waited for a processor, however the server was`() {
        #expect(reason(runDelay: 0.1) == nil)
        let starved = reason(busy: 0.4, runDelay: 0.55, isServerSaturated: true)
        #expect(starved?.hasPrefix("the load waited for a processor 55 % of the time") == true)
        #expect(reason(rate: 1000, runDelay: 0.11) != nil)
        var outcome = LoadOutcome.ofTwoProcesses()
        outcome.runDelay = 0.11
        #expect(LoadResult(outcome, of: .echo()).clientBound)
        #expect(LoadResult(outcome, of: .echo()).client.runDelay == 0.11)
    }

    @Test func `waited as long as the process that waited longest`() {
        var delays: [Int32: [UInt64]] = [1: [150, 100], 2: [1400, 1000]]
        var sampler = RunDelaySampler(processes: [1, 2]) { delays[$0]?.popLast() ?? 0 }
        sampler.look(at: 999, in: 1000..<2000)
        #expect(delays[1]?.count == 2)
        sampler.look(at: 1000, in: 1000..<2000)
        #expect(sampler.due(in: 1000..<2000) == 2000)
        sampler.look(at: 2000, in: 1000..<2000)
        #expect(sampler.longest == 0.4)
        #expect(sampler.due(in: 1000..<2000) == nil)
    }

    @Test func `is not one that holds connections`() {
        #expect(reason(mode: .idle, busy: 1) == nil)
    }
}
