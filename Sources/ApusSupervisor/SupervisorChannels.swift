// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusSystem
import Glibc

/// What the supervisor has open for all workers.
struct SupervisorChannels {
    static let signals = [
        SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU, SIGCHLD,
    ]

    let signals: BlockedSignals

    /// Tells workers, which hold the reader, that the supervisor is gone, however it ended.
    ///
    /// The one writer is here: without it they read the end.
    let lifeline: apus_pipe

    /// Stands for the supervisor, for workers that want it to end: they may have no descriptor left.
    let supervisor: Int32

    init() throws(SupervisorError) {
        supervisor = try SupervisorError.check(
            "pidfd_open",
            apus_process_open(apus_process_number())
        )
        var lifeline = apus_pipe()
        do throws(SupervisorError) {
            try SupervisorError.check("pipe2", unsafe apus_pipe_open(&lifeline))
        } catch {
            apus_descriptor_close(supervisor)
            throw error
        }
        self.lifeline = lifeline
        do throws(SupervisorError) {
            signals = try BlockedSignals(Self.signals)
        } catch {
            apus_descriptor_close(supervisor)
            apus_descriptor_close(lifeline.reader)
            apus_descriptor_close(lifeline.writer)
            throw error
        }
        // Neither can fail. A parent that ignores SIGCHLD would have our children reaped for us.
        _ = apus_signals_set_ignored(SIGCHLD, false)
        _ = apus_signals_set_ignored(SIGPIPE, true)
    }

    /// In a new worker: leaves the lifeline's reader, what stands for the supervisor, and the worker's
    /// signals blocked.
    func prepareWorker() {
        apus_descriptor_close(lifeline.writer)
        apus_descriptor_close(signals.descriptor)
        WorkerSignals.prepare(blockedBefore: signals.blockedBefore)
    }

    /// In the supervisor, at its end.
    func close() {
        signals.close()
        apus_descriptor_close(supervisor)
        apus_descriptor_close(lifeline.reader)
        apus_descriptor_close(lifeline.writer)
    }
}
