// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

package struct SupervisorConfiguration: Sendable {
    /// How many slots there are; each listener set must have as many.
    package var workerCount: Int

    /// Opened before; the supervisor closes them at its end.
    package var listeners: [ListenerSet]

    /// How long workers may drain.
    ///
    /// They keep it themselves; the supervisor kills a moment later.
    package var drainTimeoutNanoseconds: UInt64

    /// How long a worker may take until it accepts; then it is killed.
    package var bootTimeoutNanoseconds: UInt64

    package init(
        workerCount: Int,
        listeners: [ListenerSet],
        drainTimeoutNanoseconds: UInt64 = 10_000_000_000,
        bootTimeoutNanoseconds: UInt64 = 10_000_000_000
    ) {
        precondition(workerCount > 0, "a supervisor needs a worker")
        self.workerCount = workerCount
        self.listeners = listeners
        self.drainTimeoutNanoseconds = drainTimeoutNanoseconds
        self.bootTimeoutNanoseconds = bootTimeoutNanoseconds
    }
}
