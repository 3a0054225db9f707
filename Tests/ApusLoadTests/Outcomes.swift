// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Histogram

@testable import ApusLoad

extension LoadPlan {
    /// An echo, closed or open.
    static func echo(rate: Double? = nil) -> LoadPlan {
        var plan = LoadPlan(url: "ws://127.0.0.1:3001/a?b=c&d=e")
        plan.rate = rate
        return plan
    }
}

extension LoadOutcome {
    /// Two processes, a second long, with a thousand messages of 1 to 1000 µs each.
    static func ofTwoProcesses(busy: Double = 0.4) -> LoadOutcome {
        var report = LoadReport()
        for microsecond in 1...1000 {
            report.latency.record(UInt64(microsecond) * 1000)
            report.latencyFromIntended.record(UInt64(microsecond) * 2000)
        }
        report.messages = 1000
        report.payloadBytes = 20_000
        report.connectionsAsked = 50
        report.connectionsOpened = 50
        report.elapsedNanoseconds = 1_000_000_000
        report.cpuNanoseconds = UInt64(busy * 1e9)
        var idler = report
        idler.cpuNanoseconds = 100_000_000
        return LoadOutcome(
            processes: [report, idler],
            server: nil,
            isInterrupted: false,
            date: "2026-11-23T14:00:00Z"
        )
    }

    /// With what a server used, of which a tenth of a second went by beyond the measured one.
    func withServer() -> LoadOutcome {
        var outcome = self
        outcome.server = ServerUsage(
            processorTime: ServerUsage.ProcessorTime(
                nanoseconds: 1_100_000_000,
                elapsedNanoseconds: 1_100_000_000,
                busiestThread: 0.95,
                processorCount: 2
            ),
            memoryBefore: ProcessTree.Memory(resident: 1000, proportional: 900),
            memory: ProcessTree.Memory(resident: 101_000, proportional: 90_900)
        )
        return outcome
    }
}
