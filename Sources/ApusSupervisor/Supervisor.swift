// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusSystem
import Glibc

/// Starts the workers, keeps each slot filled, and brings them down.
///
/// One thread, no ring, no tasks: a loop over signals, worker descriptors and ready pipes that asks
/// ``RestartPolicy`` and ``ShutdownPlan`` what to do, and does it.
package final class Supervisor {
    struct Slot {
        var worker: WorkerProcess?

        /// How many workers the slot has had.
        var startCount = 0

        /// When it is to be filled again.
        var startAt: UInt64?
    }

    let configuration: SupervisorConfiguration
    let duties: SupervisorDuties
    let log: (SupervisorEvent) -> Void
    let threadCount: () -> Int32

    var slots: [Slot]
    var policy: RestartPolicy

    /// Set once everything is to end.
    var plan: ShutdownPlan?

    /// When the periodic duty is due; nil before the start, and without one.
    private var dutyAt: UInt64?

    private var wasAllReady = false
    private var listenersAreClosed = false
    private var failureLines: [String] = []

    /// - Parameter log: called in the supervisor only, between two turns of its loop.
    package convenience init(
        configuration: SupervisorConfiguration,
        duties: SupervisorDuties = SupervisorDuties(),
        log: @escaping (SupervisorEvent) -> Void
    ) {
        self.init(
            configuration: configuration,
            duties: duties,
            log: log,
            threadCount: { apus_process_thread_count() }
        )
    }

    /// - Parameter threadCount: the threads of this process, or `-errno`; tests have more than one.
    package init(
        configuration: SupervisorConfiguration,
        duties: SupervisorDuties = SupervisorDuties(),
        log: @escaping (SupervisorEvent) -> Void,
        threadCount: @escaping () -> Int32
    ) {
        self.configuration = configuration
        self.duties = duties
        self.log = log
        self.threadCount = threadCount
        slots = Array(repeating: Slot(), count: configuration.workerCount)
        policy = RestartPolicy(slotCount: configuration.workerCount)
    }

    /// Runs `worker` in a process for each slot, until a signal or a failure ends it all.
    ///
    /// Returns, in the supervisor, the exit code: 0 after a drain in time, 1 if connections were cut,
    /// else the code of the failure that ``SupervisorEvent/failed(line:)`` told of. Throws only where
    /// nothing was started, or the loop itself is refused; workers that run then see the lifeline
    /// end when this process exits. The listeners are closed in any case. SIGPIPE stays ignored.
    ///
    /// - Parameters:
    ///   - onAllReady: called once, when every slot accepts for the first time.
    ///   - worker: called in each new process, which then exits with its result.
    package func run(
        onAllReady: () -> Void = {},
        worker: (sending WorkerContext) -> Int32
    ) throws(SupervisorError) -> Int32 {
        defer { closeListeners() }
        try refuseThreads()
        let channels = try SupervisorChannels()
        defer { channels.close() }

        for slot in slots.indices { slots[slot].startAt = 0 }
        var now = apus_clock_monotonic()
        dutyAt = duties.periodic.map { now + $0.nanoseconds }
        while true {
            switch act(asOf: now, channels, worker) {
            case .done(let exitCode):
                return exitCode
            case .wait(let until):
                // Deadlines are judged by the time before the wait, after everything that came
                // during it: who was in time is not blamed for a supervisor that was stopped.
                now = apus_clock_monotonic()
                try wait(until: until, now: now, channels)
            }
            readReports()
            readSignals(channels.signals)
            reap(channels.signals)
            announceReadiness(onAllReady)
        }
    }

    private enum Step {
        case wait(until: UInt64?)
        case done(exitCode: Int32)
    }

    /// Does what is due, and says until when there is nothing more.
    private func act(
        asOf now: UInt64,
        _ channels: SupervisorChannels,
        _ worker: (sending WorkerContext) -> Int32
    ) -> Step {
        if plan == nil {
            doDuty(asOf: now)
            endOverdueBoots(asOf: now)
            for slot in slots.indices where plan == nil {
                guard let startAt = slots[slot].startAt, startAt <= now else { continue }
                slots[slot].startAt = nil
                start(slot, channels, worker)
            }
        }
        while let action = plan?.next(at: now, workersAlive: workersAlive) {
            switch action {
            case .terminate: terminate()
            case .kill: kill()
            case .wait(let until): return .wait(until: until)
            case .done(let exitCode): return .done(exitCode: exitCode)
            }
        }
        let deadlines = slots.compactMap { slot in slot.startAt ?? slot.worker.flatMap(bootDeadline)
        }
        return .wait(until: (deadlines + [dutyAt].compactMap(\.self)).min())
    }

    private func doDuty(asOf now: UInt64) {
        guard let periodic = duties.periodic, let dutyAt, dutyAt <= now else { return }
        self.dutyAt = now + periodic.nanoseconds
        periodic.action()
    }

    private func wait(
        until: UInt64?,
        now: UInt64,
        _ channels: SupervisorChannels
    ) throws(SupervisorError) {
        var entries = [apus_poll_readable(channels.signals.descriptor)]
        for worker in slots.lazy.compactMap(\.worker) {
            entries.append(apus_poll_readable(worker.descriptor))
            if let reader = worker.reader { entries.append(apus_poll_readable(reader)) }
        }
        let nanoseconds = until.map { Int64(clamping: $0 - min($0, now)) } ?? -1
        // What is ready is not looked up: events are rare, and asking everybody forgets nobody.
        try SupervisorError.check("ppoll", unsafe apus_poll(&entries, entries.count, nanoseconds))
    }

    private var workersAlive: Int { slots.count { $0.worker != nil } }

    private func announceReadiness(_ onAllReady: () -> Void) {
        guard plan == nil, slots.allSatisfy({ $0.worker?.readyAt != nil }) else { return }
        failureLines = []
        guard !wasAllReady else { return }
        wasAllReady = true
        log(.allReady)
        onAllReady()
    }

    /// Tells the operator why it does not work, once for what fails alike.
    func fail(_ line: String) {
        guard !failureLines.contains(line) else { return }
        failureLines.append(line)
        if failureLines.count > 16 { failureLines.removeFirst() }
        log(.failed(line: line))
    }

    /// Begins the end.
    func stop(exitCode: Int32, signal: Int32? = nil) {
        guard plan == nil else { return }
        plan = ShutdownPlan(
            startedAt: apus_clock_monotonic(),
            drainTimeoutNanoseconds: configuration.drainTimeoutNanoseconds,
            exitCode: exitCode
        )
        for slot in slots.indices { slots[slot].startAt = nil }
        log(.draining(signal: signal))
    }

    private func terminate() {
        closeListeners()
        // Who has got ready by now has connections to drain; the others have none.
        readReports()
        for worker in slots.lazy.compactMap(\.worker) {
            worker.send(worker.readyAt != nil ? SIGTERM : SIGKILL)
        }
    }

    /// From here on clients are turned away; workers close their copies when they drain.
    private func closeListeners() {
        guard !listenersAreClosed else { return }
        listenersAreClosed = true
        for listeners in configuration.listeners { listeners.close() }
    }

    private func kill() {
        closeListeners()
        log(.killing(count: workersAlive))
        for worker in slots.lazy.compactMap(\.worker) { worker.send(SIGKILL) }
    }
}
