// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusSystem
import Glibc

extension Supervisor {
    /// Throws unless this is the process's one thread.
    func refuseThreads() throws(SupervisorError) {
        let count = try SupervisorError.check("opendir /proc/self/task", threadCount())
        guard count == 1 else { throw .threadsExist(count: Int(count)) }
    }

    /// Fills a slot, or asks the policy when to try again.
    func start(
        _ slot: Int,
        _ channels: SupervisorChannels,
        _ worker: (sending WorkerContext) -> Int32
    ) {
        do throws(SupervisorError) {
            let process = try fork(slot, channels, worker)
            slots[slot].worker = process
            slots[slot].startCount += 1
            policy.started(slot: slot, at: process.startedAt)
            log(.workerStarted(slot: slot, pid: process.pid))
        } catch {
            log(.startFailed(slot: slot, error: error))
            fail(error.description)
            if case .threadsExist = error {
                // Threads do not go away by waiting.
                stop(exitCode: ExitCode.system)
            } else {
                let now = apus_clock_monotonic()
                let jitter = Double.random(in: 0...1)
                carryOut(policy.startFailed(slot: slot, at: now, jitter: jitter), slot, at: now)
            }
        }
    }

    private func fork(
        _ slot: Int,
        _ channels: SupervisorChannels,
        _ worker: (sending WorkerContext) -> Int32
    ) throws(SupervisorError) -> WorkerProcess {
        try refuseThreads()
        let pipe = try ReadinessPipe()
        let startedAt = apus_clock_monotonic()
        let pid = apus_process_fork()
        if pid == 0 {
            apus_descriptor_close(pipe.reader)
            runWorker(slot, pipe.writer, channels, worker)
        }
        apus_descriptor_close(pipe.writer)
        do throws(SupervisorError) {
            try SupervisorError.check("fork", pid)
            return WorkerProcess(
                pid: pid,
                descriptor: try SupervisorError.check("pidfd_open", apus_process_open(pid)),
                reader: pipe.reader,
                startedAt: startedAt
            )
        } catch {
            apus_descriptor_close(pipe.reader)
            if pid > 0 { apus_process_discard(pid) }
            throw error
        }
    }

    /// The new process, from its first line to its exit; keeps open what its context names only.
    private func runWorker(
        _ slot: Int,
        _ writer: Int32,
        _ channels: SupervisorChannels,
        _ worker: (sending WorkerContext) -> Int32
    ) -> Never {
        channels.prepareWorker()
        for sibling in slots.lazy.compactMap(\.worker) { sibling.close() }
        for listeners in configuration.listeners {
            for descriptor in listeners.descriptors(notOfSlot: slot) {
                apus_descriptor_close(descriptor)
            }
        }
        let context = WorkerContext(
            slot: slot,
            generation: slots[slot].startCount,
            listeners: configuration.listeners.map { $0.descriptor(forSlot: slot) },
            supervisorGone: channels.lifeline.reader,
            ready: ReadinessReporter(descriptor: writer),
            supervisor: channels.supervisor
        )
        apus_process_exit(worker(context))
    }
}
