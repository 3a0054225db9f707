// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// The executor of ``WorkerActor``: jobs wait here until the worker's loop runs them.
///
/// Jobs may come from any thread; the loop takes them once a turn. Where it sleeps, a write to the
/// wake descriptor (an eventfd that the loop waits for) ends the sleep.
final class LoopExecutor: SerialExecutor {
    private struct Inbox {
        var jobs: [UnownedJob] = []
        var wake: (@Sendable () -> Void)?
    }

    private let inbox = Mutex(Inbox())
    /// The thread that runs the loop; 0 before there is one.
    private let thread = Atomic<UInt>(0)

    /// The calling thread runs the loop, and `wake` is called when a job arrives at an empty inbox.
    func attach(wake: @escaping @Sendable () -> Void) {
        thread.store(UInt(pthread_self()), ordering: .relaxed)
        let isWaiting = inbox.withLock { inbox in
            inbox.wake = wake
            return !inbox.jobs.isEmpty
        }
        if isWaiting { wake() }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        let wake = inbox.withLock { inbox in
            inbox.jobs.append(unowned)
            return inbox.jobs.count == 1 ? inbox.wake : nil
        }
        wake?()
    }

    /// Runs the jobs that have arrived; those that they add are for the next turn.
    func runJobs() {
        let jobs = inbox.withLock { inbox in
            guard !inbox.jobs.isEmpty else { return [UnownedJob]() }
            let jobs = inbox.jobs
            inbox.jobs = []
            return jobs
        }
        for job in jobs {
            unsafe job.runSynchronously(on: asUnownedSerialExecutor())
        }
    }

    /// The runtime asks where it cannot tell: in synchronous code below the loop.
    func checkIsolated() {
        precondition(isCurrent, "this is not the worker's thread")
    }

    /// Whether the calling thread runs the loop, or there is none yet.
    var isCurrent: Bool {
        let loop = thread.load(ordering: .relaxed)
        return loop == 0 || loop == UInt(pthread_self())
    }
}
