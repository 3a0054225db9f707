// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusSystem
import Histogram
import Testing

@testable import ApusLoad

@Suite struct `Messages between processes` {
    @Test func `come out whole, however they are cut`() throws {
        var plan = LoadPlan.echo(rate: 12.5)
        plan.headers = [["A", "line\nbreak"]]
        let line = try MessageLine.encode(Instruction.carryOut(plan))
        var buffer = LineBuffer()
        var plans: [LoadPlan] = []
        for byte in line + line {
            buffer.append([byte])
            while let whole = buffer.next() {
                if case .carryOut(let plan) = try MessageLine.decode(whole) as Instruction {
                    plans.append(plan)
                }
            }
        }
        #expect(plans == [plan, plan])
    }

    @Test func `wait in the buffer when several came at once`() throws {
        var buffer = LineBuffer()
        #expect(!buffer.hasLine)
        let line = try MessageLine.encode(Instruction.end)
        buffer.append(line + line + line.dropLast())
        #expect(buffer.hasLine)
        #expect(buffer.next() != nil)
        #expect(buffer.hasLine)
        #expect(buffer.next() != nil)
        #expect(!buffer.hasLine)
        #expect(buffer.next() == nil)
        buffer.append([UInt8(ascii: "\n")])
        #expect(buffer.hasLine)
    }

    @Test func `bring latencies as they were recorded`() throws {
        let report = try #require(LoadOutcome.ofTwoProcesses().processes.first)
        let line = try MessageLine.encode(ProcessMessage.report(report)).dropLast()
        guard case .report(let copy) = try MessageLine.decode(line) as ProcessMessage else {
            Issue.record("it is another message")
            return
        }
        #expect(copy.latency.totalCount == 1000)
        #expect(copy.latency.valueAtPercentile(50) == report.latency.valueAtPercentile(50))
        #expect(copy.latency.max == report.latency.max)
        #expect(copy.messages == report.messages)
    }
}

@Suite struct `A tree of processes` {
    @Test func `has this process, its threads' time and its memory`() {
        let tree = ProcessTree(root: apus_process_number())
        #expect(tree.isAlive)
        #expect(tree.processes.first == apus_process_number())
        let before = tree.cpuOfThreads.values.reduce(0, +)
        var sum: UInt64 = 1
        for number in 0..<3_000_000 { sum = sum &* 31 &+ UInt64(number) }
        #expect(sum != 0)
        #expect(tree.cpuOfThreads.values.reduce(0, +) > before)
        #expect(tree.memory.resident > 1 << 20)
        #expect((tree.memory.proportional ?? 0) <= tree.memory.resident)
        #expect(tree.processorCount >= 1)
    }

    @Test func `of a process that is not there is nothing`() {
        let tree = ProcessTree(root: 1 << 30)
        #expect(!tree.isAlive)
        #expect(tree.cpuOfThreads.isEmpty)
        #expect(tree.memory.resident == 0)
    }
}

@Suite struct `A server` {
    @Test func `is saturated when one of its threads or all its processors have no pause`() {
        func usage(_ cpu: UInt64, thread: Double, of processors: Int) -> ServerUsage.ProcessorTime {
            ServerUsage.ProcessorTime(
                nanoseconds: cpu,
                elapsedNanoseconds: 1000,
                busiestThread: thread,
                processorCount: processors
            )
        }
        #expect(usage(950, thread: 0.95, of: 4).isSaturated)
        #expect(usage(1900, thread: 0.5, of: 2).isSaturated)
        #expect(!usage(1000, thread: 0.5, of: 2).isSaturated)
    }

    @Test func `is looked at for the last time when a run ends early`() {
        var sampler = ServerSampler(ProcessTree(root: apus_process_number()))
        sampler.connecting()
        sampler.look(at: 1000, in: 1000..<5000)
        sampler.end(at: 3000)
        #expect(sampler.usage?.processorTime?.elapsedNanoseconds == 2000)
        // What ended once does not end again.
        sampler.end(at: 4000)
        #expect(sampler.due(in: 1000..<5000) == nil)
        #expect(sampler.usage?.processorTime?.elapsedNanoseconds == 2000)
    }

    @Test func `has used its time in the measured time, however late it is looked at`() {
        var sampler = ServerSampler(ProcessTree(root: apus_process_number()))
        sampler.look(at: 1200, in: 1000..<5000)
        sampler.look(at: 9000, in: 1000..<5000)
        #expect(sampler.usage?.processorTime?.elapsedNanoseconds == 3800)
    }

    @Test func `has no processor time where it was not looked at before the end`() {
        var sampler = ServerSampler(ProcessTree(root: apus_process_number()))
        sampler.look(at: 9000, in: 1000..<5000)
        #expect(sampler.usage != nil)
        #expect(sampler.usage?.processorTime == nil)
    }

    @Test func `has memory alone when nothing was measured`() throws {
        var sampler = ServerSampler(ProcessTree(root: apus_process_number()))
        sampler.connecting()
        sampler.end(at: 3000)
        let usage = try #require(sampler.usage)
        #expect(usage.processorTime == nil)
        #expect(usage.memory.resident > 1 << 20)
        var outcome = LoadOutcome.ofTwoProcesses()
        outcome.server = usage
        let result = LoadResult(outcome, of: .echo())
        #expect(result.server?.cpuSeconds == nil)
        #expect(try result.json().contains("\"rss_bytes\":"))
        #expect(try !result.json().contains("busiest_thread"))
        #expect(ResultTable(result).text.contains("\nserver memory  RSS"))
        #expect(!ResultTable(result).text.contains("on processors"))
    }
}
