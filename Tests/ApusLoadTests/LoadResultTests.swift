// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Histogram
import Testing

@testable import ApusLoad

@Suite struct `The result of a run` {
    @Test func `adds processes up and divides by the time that was measured`() {
        let result = LoadResult(.ofTwoProcesses().withServer(), of: .echo())
        #expect(result.messages == 2000)
        #expect(result.messagesPerSecond == 2000)
        #expect(result.bytesPerSecond == 40_000)
        #expect(result.connections == .init(asked: 100, opened: 100, failed: 0))
        #expect(result.client.busiest == 0.4)
        #expect(result.plan.processes == 2)
        // A second of processor time in a second, for 2000 messages; the late look does not count.
        #expect(result.server?.cpuMicrosecondsPerMessage == 500)
        #expect(abs(result.latency.p50 - 500) < 1)
        #expect(abs(result.latency.p99_9 - 999) < 2)
        #expect(abs(result.latency.mean - 500.5) < 1)
    }

    @Test func `has both latencies of the open model, that from the intended time first`() {
        let open = LoadResult(.ofTwoProcesses(), of: .echo(rate: 1000))
        #expect(abs(open.latency.p50 - 1000) < 2)
        #expect(abs((open.latencyFromSend?.p50 ?? 0) - 500) < 1)
        #expect(LoadResult(.ofTwoProcesses(), of: .echo()).latencyFromSend == nil)
    }

    @Test func `has the keys that programs know`() throws {
        let json = try LoadResult(.ofTwoProcesses().withServer(), of: .echo(rate: 1)).json()
        #expect(!json.contains("\n"))
        for key in [
            "messages", "messages_per_second", "bytes_per_second", "latency_us", "handshake_us",
            "latency_from_send_us", "p50", "p90", "p99", "p99_9", "p99_99", "max", "mean",
            "connections", "asked", "opened", "failed", "errors", "lost", "duplicated", "reordered",
            "corrupted", "server", "cpu_seconds", "cpu_us_per_message", "rss_bytes", "pss_bytes",
            "client_bound", "duration_seconds", "plan", "machine", "version", "date", "interrupted",
        ] {
            #expect(json.contains("\"\(key)\":"), "\(key)")
        }
        #expect(
            try JSONDecoder().decode(LoadResult.self, from: Data(json.utf8)).messages == 2000
        )
    }

    @Test func `keeps values of header fields to itself`() throws {
        var plan = LoadPlan.echo()
        plan.headers = [["Authorization", "Bearer secret"]]
        let json = try LoadResult(.ofTwoProcesses(), of: plan).json()
        #expect(json.contains("Authorization"))
        #expect(!json.contains("secret"))
    }

    @Test func `ends with 0 only if nothing whatever went wrong`() {
        let flawless = LoadResult(.ofTwoProcesses(), of: .echo())
        #expect(flawless.exitCode == 0)
        func changed(_ change: (inout LoadReport) -> Void) -> Int32 {
            var outcome = LoadOutcome.ofTwoProcesses()
            change(&outcome.processes[1])
            return LoadResult(outcome, of: .echo()).exitCode
        }
        #expect(changed { $0.lost = 1 } == 1)
        #expect(changed { $0.duplicated = 1 } == 1)
        #expect(changed { $0.reordered = 1 } == 1)
        #expect(changed { $0.corrupted = 1 } == 1)
        #expect(changed { $0.connectionsFailed = 1 } == 1)
        #expect(changed { $0.errors = ["refused": 1] } == 1)
        #expect(LoadResult(.ofTwoProcesses(busy: 0.99), of: .echo()).exitCode == 0)
        var ended = LoadOutcome.ofTwoProcesses()
        ended.isInterrupted = true
        #expect(LoadResult(ended, of: .echo()).exitCode == 130)
    }

    @Test func `is a table with units`() {
        let text = ResultTable(LoadResult(.ofTwoProcesses().withServer(), of: .echo())).text
        #expect(text.contains("2,000 messages/s"))
        #expect(text.contains("100 opened of 100"))
        #expect(text.contains("500 µs a message"))
        #expect(text.contains("RSS 98.6 KiB, PSS 88.8 KiB"))
        #expect(!text.contains("a connection more"))
        var many = LoadOutcome.ofTwoProcesses().withServer()
        many.processes[0].connectionsOpened = 1950
        #expect(
            ResultTable(LoadResult(many, of: .echo())).text.contains("50 B a connection more")
        )
    }

    @Test(arguments: [
        (20...20, "20 B text"), (1024...1024, "1 KiB text"), (20...1024, "20 B to 1 KiB text"),
    ])
    func `names sizes with one unit each`(sizes: ClosedRange<Int>, words: String) {
        var plan = LoadPlan.echo()
        plan.sizes = sizes
        #expect(PlanFigures(plan, processes: 1).sentence.contains(", \(words), "))
    }

    @Test func `tells of each message that was sent late`() {
        var outcome = LoadOutcome.ofTwoProcesses()
        #expect(!ResultTable(LoadResult(outcome, of: .echo(rate: 1e6))).text.contains("\nlate"))
        outcome.processes[1].missedDeadlines = 1
        let result = LoadResult(outcome, of: .echo(rate: 1e6))
        #expect(!result.clientBound)
        #expect(ResultTable(result).text.contains("\nlate           1 sent over 1 ms after"))
    }

    @Test(arguments: [(1, 50), (99, 90), (100, 99), (999, 99), (1000, 99.9), (10_000, 99.99)])
    func `has no percentile that no message lies beyond`(count: Int, highest: Double) {
        var latencies = LoadReport.noLatencies()
        for microsecond in 1...count { latencies.record(UInt64(microsecond) * 1000) }
        let figures = LatencyFigures(latencies)
        let told = [50, 90, 99, 99.9, 99.99].filter(figures.tells)
        #expect(told == [50, 90, 99, 99.9, 99.99].filter { count > 1 && $0 <= highest })
    }

    @Test func `shows a dash for what too few messages do not tell`() throws {
        var outcome = LoadOutcome.ofTwoProcesses()
        outcome.processes.removeLast()
        let text = ResultTable(LoadResult(outcome, of: .echo())).text
        let row = try #require(text.split(separator: "\n").first { $0.hasPrefix("latency") })
        let cells = row.split { $0 == " " }.filter { $0 != "µs" && $0 != "ms" }
        #expect(cells.count == 8)
        #expect(cells[4] != "–")
        #expect(cells[5] == "–")
    }

    @Test func `praises no replies where none came`() {
        var outcome = LoadOutcome.ofTwoProcesses()
        #expect(ResultTable(LoadResult(outcome, of: .echo())).text.contains("each came once"))
        for process in outcome.processes.indices { outcome.processes[process].messages = 0 }
        let text = ResultTable(LoadResult(outcome, of: .echo())).text
        #expect(text.contains("none came"))
        #expect(!text.contains("each came once"))
    }

    @Test func `that was the load's limit has no throughput, and says so`() {
        let result = LoadResult(.ofTwoProcesses(busy: 0.97), of: .echo())
        #expect(result.clientBound)
        let text = ResultTable(result).text
        #expect(text.contains("NOT a result"))
        #expect(text.contains("--processes"))
        #expect(!text.contains("messages/s"))
    }

    @Test func `names errors by kind, the most frequent first`() {
        var outcome = LoadOutcome.ofTwoProcesses()
        outcome.processes[0].errors = ["refused": 2, "HTTP 503": 1000]
        outcome.processes[1].lost = 3
        let text = ResultTable(LoadResult(outcome, of: .echo())).text
        #expect(text.contains("HTTP 503 1,000, refused 2"))
        #expect(text.contains("lost 3"))
    }
}
