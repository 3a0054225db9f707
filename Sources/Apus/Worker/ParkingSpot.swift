// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Where one task of the worker's loop waits, and from where the loop takes it up again.
///
/// A continuation would resume by way of the global pool, with two threads to wake for each message.
/// A task that calls an actor is handed to that actor's executor instead. This one keeps it until
/// somebody wants it to go on, and then gives it to the loop, where it came from: the task finds
/// itself on its own actor, and nothing was woken. What is called here does nothing that would need
/// the actor which it is isolated to.
@safe
actor ParkingSpot: SerialExecutor {
    /// Touched by the loop's thread alone: tasks come from there and go back.
    private nonisolated(unsafe) var parked: UnownedJob?
    private var count = 0

    nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe asUnownedSerialExecutor()
    }

    nonisolated func enqueue(_ job: consuming ExecutorJob) {
        unsafe parked = UnownedJob(job)
    }

    /// Waits for ``leave()``.
    func park() {
        // Something has to be done here, or the call might be optimised away.
        count &+= 1
    }

    /// The task that waits, if there is one, goes on when the loop runs its jobs.
    @WorkerActor
    func leave() {
        guard let job = unsafe parked else { return }
        unsafe parked = nil
        WorkerActor.shared.loop.add(job)
    }
}
