// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCommandLine
import CApusSystem
import Glibc

/// What came of a run.
struct LoadOutcome {
    var processes: [LoadReport]
    var server: ServerUsage?
    /// The part of the time that a process of the load waited for a processor, at most.
    var runDelay: Double?
    /// It was ended before its time.
    var isInterrupted: Bool
    /// When it began.
    var date: String
}

/// Starts the processes of a run, has them begin at the same time, and looks at the server when
/// the measured time begins and ends.
///
/// The load is always made by processes of its own, also by a single one: this one only waits, so
/// that it is there when it has to look.
final class LoadCoordinator {
    /// So far in the future lies the start, for every process to have heard of it.
    private static let startDelay: UInt64 = 20_000_000
    /// So long after its last deadline a process is given up.
    private static let patience: UInt64 = 30_000_000_000

    private let plan: LoadPlan
    private let shares: [LoadPlan]
    private var server: ServerSampler?
    private var runDelay = RunDelaySampler(processes: [])
    private var processes: [ProcessHandle] = []
    private var progress: ProgressLine
    /// When the measured time begins and ends; unknown until all are connected.
    private var measured: Range<UInt64>?
    private var isInterrupted = false
    private var isEnding = false
    /// The processes know that they may close their connections.
    private var isClosing = false

    init(plan: LoadPlan, processes: Int, serverNumber: Int32?) {
        self.plan = plan
        shares = plan.shares(processes: processes)
        server = serverNumber.map { ServerSampler(ProcessTree(root: $0)) }
        progress = ProgressLine(connections: plan.connections)
    }

    func run() throws(CommandFailure) -> LoadOutcome {
        _ = apus_limit_raise_descriptors()
        // A process that has died must not end this one.
        _ = apus_signals_set_ignored(SIGPIPE, true)
        let signals = apus_signals_of(SIGINT) | apus_signals_of(SIGTERM)
        let blockedBefore = apus_signals_block(signals)
        defer { _ = apus_signals_set_blocked(blockedBefore) }
        let interrupts = apus_signals_open(signals)
        guard interrupts >= 0 else {
            throw CommandFailure(exitCode: 71, message: "no descriptor for signals can be had")
        }
        defer { apus_descriptor_close(interrupts) }

        let date = WallClock.timestamp
        server?.connecting()
        for share in shares { processes.append(try ProcessHandle(share)) }
        runDelay = RunDelaySampler(processes: processes.map(\.number))
        while processes.contains(where: { $0.report == nil }) {
            try wait(interrupts: interrupts)
            var sender: Int32 = 0
            if unsafe apus_signals_next(interrupts, &sender) > 0 { try interrupt() }
            try advance(at: apus_clock_monotonic())
        }
        // It may have been over early, such as when the server closed every connection.
        endLooking()
        progress.clear()
        return LoadOutcome(
            processes: processes.compactMap(\.report),
            server: server?.usage,
            runDelay: runDelay.longest,
            isInterrupted: isInterrupted,
            date: date
        )
    }

    /// Waits until a process says something or something is due.
    private func wait(interrupts: Int32) throws(CommandFailure) {
        let reporting = processes.filter { $0.report == nil }
        var entries = (reporting.map(\.descriptor) + [interrupts]).map(apus_poll_readable)
        let now = apus_clock_monotonic()
        let times = [
            progress.due, server?.due(in: measured), runDelay.due(in: measured), lastDeadline,
        ]
        let due = times.compactMap { $0 }.min()
        let delay = due.map { Int64($0 > now ? $0 - now : 0) } ?? -1
        // As many entries as are said to be.
        _ = unsafe entries.withUnsafeMutableBufferPointer { buffer in
            unsafe apus_poll(buffer.baseAddress, buffer.count, delay)
        }
        for (process, entry) in zip(reporting, entries) where entry.found != 0 {
            try process.listen()
        }
    }

    private func advance(at now: UInt64) throws(CommandFailure) {
        if measured == nil, !isEnding, processes.allSatisfy(\.isConnected) {
            // Churn opens connections all the time; elsewhere none is nothing to measure.
            if plan.mode != .churn, processes.allSatisfy({ $0.openConnections == 0 }) {
                end()
            } else {
                start(at: now + Self.startDelay)
            }
        }
        if let measured {
            server?.look(at: now, in: measured)
            runDelay.look(at: now, in: measured)
            if !isClosing, now >= measured.upperBound { close() }
        }
        if let lastDeadline, now >= lastDeadline {
            throw CommandFailure(
                exitCode: 70,
                message: "a process of the load does not end, long after its time"
            )
        }
        progress.show(
            openConnections: processes.reduce(0) { $0 + $1.openConnections },
            messages: processes.reduce(0) { $0 + $1.messages },
            at: now,
            in: measured
        )
    }

    /// Replies, and then close handshakes, are awaited for as long as the timeout.
    private var lastDeadline: UInt64? {
        measured.map { $0.upperBound + 2 * plan.timeoutNanoseconds + Self.patience }
    }

    private func start(at time: UInt64) {
        let begin = time + plan.warmUpNanoseconds
        measured = begin..<(begin + plan.durationNanoseconds)
        for process in processes { process.tell(.start(at: time)) }
    }

    private func interrupt() throws(CommandFailure) {
        guard !isInterrupted else {
            progress.clear()
            throw CommandFailure(exitCode: 130, message: "ended at once, without a result")
        }
        isInterrupted = true
        endLooking()
        end()
    }

    private func endLooking() {
        let now = apus_clock_monotonic()
        server?.end(at: now)
        runDelay.end(at: now)
    }

    /// The server was looked at with all connections open, and they may go.
    private func close() {
        isClosing = true
        for process in processes where process.report == nil { process.tell(.close) }
    }

    private func end() {
        isEnding = true
        for process in processes where process.report == nil { process.tell(.end) }
    }
}
