// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// The executor of ``WorkerActor``: jobs wait here until the worker's loop runs them, once a turn.
///
/// Those that the loop's own thread adds, as the resumption of a task by a message, cost no lock and
/// no system call: the loop does not sleep while it has any. Those of other threads end its sleep by
/// a write to the wake descriptor (an eventfd that the loop waits for).
@safe
final class LoopExecutor: SerialExecutor {
    private struct Inbox {
        var jobs: [UnownedJob] = []
        var wake: (@Sendable () -> Void)?
    }

    /// Jobs of the loop's thread, which alone may touch these two.
    private nonisolated(unsafe) var jobs: [UnownedJob] = []
    private nonisolated(unsafe) var running: [UnownedJob] = []

    /// Jobs of other threads.
    private let inbox = Mutex(Inbox())
    private let inboxHasJobs = Atomic(false)

    /// The thread that runs the loop; 0 before there is one.
    private let thread = Atomic<UInt>(0)
    /// The thread that makes a task to be run at once; 0 for none.
    private let beginner = Atomic<UInt>(0)

    /// The calling thread runs the loop, and `wake` is called when a job arrives at an empty inbox.
    func attach(wake: @escaping @Sendable () -> Void) {
        let isFirst = thread.compareExchange(
            expected: 0,
            desired: UInt(pthread_self()),
            ordering: .relaxed
        ).exchanged
        precondition(isFirst, "a loop runs in this process already")
        let isWaiting = inbox.withLock { inbox in
            inbox.wake = wake
            return !inbox.jobs.isEmpty
        }
        if isWaiting { wake() }
    }

    /// The calling thread runs the loop no more; jobs wait for the next one that does.
    func detach() {
        inbox.withLock { $0.wake = nil }
        thread.store(0, ordering: .relaxed)
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        let current = UInt(pthread_self())
        guard thread.load(ordering: .relaxed) != current,
            beginner.load(ordering: .relaxed) != current
        else {
            unsafe jobs.append(unowned)
            return
        }
        let wake = inbox.withLock { inbox in
            inbox.jobs.append(unowned)
            inboxHasJobs.store(true, ordering: .releasing)
            return inbox.jobs.count == 1 ? inbox.wake : nil
        }
        wake?()
    }

    /// The same from the loop's thread, where that is known.
    @WorkerActor
    func add(_ job: UnownedJob) {
        unsafe jobs.append(job)
    }

    /// Makes a task and runs it at once, up to where it first waits.
    ///
    /// `Task.immediate` does that as well, but gives the task a preference for an executor, and each
    /// switch of such a task takes a lock: four for each message that it reads.
    @WorkerActor
    func begin(_ make: () -> Task<Void, Never>) -> Task<Void, Never> {
        beginner.store(UInt(pthread_self()), ordering: .relaxed)
        let task = make()
        beginner.store(0, ordering: .relaxed)
        if let job = unsafe jobs.popLast() {
            unsafe job.runSynchronously(on: asUnownedSerialExecutor())
        }
        return task
    }

    /// Whether there is something to run: the loop must not sleep then.
    var hasJobs: Bool { unsafe !jobs.isEmpty || inboxHasJobs.load(ordering: .acquiring) }

    /// Runs the jobs that have arrived; those that they add are for the next turn.
    func runJobs() {
        guard hasJobs else { return }
        if inboxHasJobs.load(ordering: .acquiring) {
            let arrived = inbox.withLock { inbox in
                let arrived = inbox.jobs
                inbox.jobs = []
                inboxHasJobs.store(false, ordering: .relaxed)
                return arrived
            }
            unsafe jobs.append(contentsOf: arrived)
        }
        unsafe swap(&jobs, &running)
        for index in unsafe running.indices {
            unsafe running[index].runSynchronously(on: asUnownedSerialExecutor())
        }
        unsafe running.removeAll(keepingCapacity: true)
    }

    /// The runtime asks where it cannot tell: in synchronous code below the loop.
    func checkIsolated() {
        precondition(isCurrent, "this is not the worker's thread")
    }

    /// Where this is said, a task can begin as part of the loop (`Task.immediate`).
    func isIsolatingCurrentContext() -> Bool? { isCurrent }

    /// Whether the calling thread runs the loop, or there is none yet.
    var isCurrent: Bool {
        let loop = thread.load(ordering: .relaxed)
        return loop == 0 || loop == UInt(pthread_self())
    }
}
