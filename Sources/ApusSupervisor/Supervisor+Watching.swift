// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusSystem
import Glibc

extension Supervisor {
    func readReports() {
        for slot in slots.indices { readReport(slot) }
    }

    private func readReport(_ slot: Int) {
        guard let report = slots[slot].worker?.readReport() else { return }
        switch report {
        case .ready:
            let now = apus_clock_monotonic()
            slots[slot].worker?.readyAt = now
            policy.becameReady(slot: slot, at: now)
            guard let worker = slots[slot].worker else { return }
            log(
                .workerReady(
                    slot: slot,
                    pid: worker.pid,
                    afterNanoseconds: now - worker.startedAt
                )
            )
        case .failed(let exitCode, let line):
            slots[slot].worker?.failureCode = exitCode
            slots[slot].worker?.isExplained = true
            fail(line)
        }
    }

    func readSignals(_ signals: BlockedSignals) {
        while let (signal, sender) = signals.next() {
            switch signal {
            case SIGTERM, SIGINT:
                stop(exitCode: 0, signal: signal)
                // A second one kills, but not where workers ask as well: several may.
                if !slots.contains(where: { $0.worker?.pid == sender }) { plan?.signaled() }
            case SIGUSR1:
                forward(signal)
            case SIGHUP where duties.reload != nil && plan == nil:
                if duties.reload?() == true { forward(signal) }
            case SIGCHLD:
                // A wake-up at most: each worker's descriptor tells of its end.
                break
            default:
                log(.signalIgnored(signal))
            }
        }
    }

    private func forward(_ signal: Int32) {
        for worker in slots.lazy.compactMap(\.worker) { worker.send(signal) }
        log(.signalForwarded(signal))
    }

    func reap(_ signals: BlockedSignals) {
        for slot in slots.indices {
            guard let how = slots[slot].worker?.reap() else { continue }
            // What it said last may have come with its end.
            readReport(slot)
            readSignals(signals)
            guard let worker = slots[slot].worker else { continue }
            slots[slot].worker = nil
            worker.close()
            let now = apus_clock_monotonic()
            log(
                .workerEnded(
                    slot: slot,
                    pid: worker.pid,
                    how: how,
                    afterNanoseconds: now - worker.startedAt
                )
            )
            if plan == nil {
                refill(slot, after: worker.meaning(of: how), isExplained: worker.isExplained)
            } else if worker.readyAt != nil {
                plan?.workerEnded(how: how)
            }
        }
    }

    /// Asks the policy what to do about a slot whose worker ended.
    private func refill(_ slot: Int, after how: WorkerEnd, isExplained: Bool) {
        let now = apus_clock_monotonic()
        let action = policy.ended(slot: slot, how: how, at: now, jitter: .random(in: 0...1))
        if case .stop = action, !isExplained {
            fail("workers cannot run: the last one \(how); see what it printed before")
        }
        carryOut(action, slot, at: now)
    }

    func carryOut(_ action: RestartPolicy.Action, _ slot: Int, at now: UInt64) {
        switch action {
        case .respawnNow:
            slots[slot].startAt = 0
            log(.respawning(slot: slot, afterNanoseconds: 0))
        case .respawnAfter(let nanoseconds):
            slots[slot].startAt = now + nanoseconds
            log(.respawning(slot: slot, afterNanoseconds: nanoseconds))
        case .stop(let exitCode):
            stop(exitCode: exitCode)
        }
    }

    /// When a worker that is not ready yet is given up; nil for one that is, or that was.
    func bootDeadline(_ worker: WorkerProcess) -> UInt64? {
        guard worker.readyAt == nil, !worker.isOverdue else { return nil }
        let (deadline, isEndless) = worker.startedAt.addingReportingOverflow(
            configuration.bootTimeoutNanoseconds
        )
        return isEndless ? nil : deadline
    }

    func endOverdueBoots(asOf now: UInt64) {
        for slot in slots.indices {
            guard let worker = slots[slot].worker, let deadline = bootDeadline(worker),
                deadline <= now
            else { continue }
            slots[slot].worker?.isOverdue = true
            slots[slot].worker?.isExplained = true
            let seconds = configuration.bootTimeoutNanoseconds / 1_000_000_000
            fail("a worker was not ready within \(seconds) s; see what it printed before")
            worker.send(SIGKILL)
        }
    }
}

extension WorkerProcess {
    /// Its end, or the code that it reported before it was ended otherwise.
    fileprivate func meaning(of how: WorkerEnd) -> WorkerEnd {
        if case .exited(let code) = how, code != 0 { return how }
        return failureCode.map { .exited(code: $0) } ?? how
    }
}
