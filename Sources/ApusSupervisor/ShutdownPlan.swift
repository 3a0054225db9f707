// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The way from the first signal to the last worker's end.
///
/// Workers are asked to drain and keep the deadline themselves; who is still there a moment after it
/// is killed. A second signal kills at once.
package struct ShutdownPlan {
    package enum Action: Equatable, Sendable {
        /// Send TERM to all workers, and ask again.
        case terminate

        /// Nothing to do until a worker ends, a signal comes or this time is reached; nil: no limit.
        case wait(until: UInt64?)

        /// Send KILL to all workers, and ask again.
        case kill

        /// No worker is left: exit with this code.
        case done(exitCode: Int32)
    }

    /// What a worker has on top of the drain timeout to cut its connections and to exit.
    package static let marginNanoseconds: UInt64 = 250_000_000

    private enum Phase {
        case asked
        case draining
        case killed
    }

    private let deadline: UInt64
    private var exitCode: Int32
    private var signalCount = 0
    private var phase = Phase.asked

    /// - Parameter exitCode: what is exited with anyway; 0 after a signal, where the drain decides.
    package init(startedAt: UInt64, drainTimeoutNanoseconds: UInt64, exitCode: Int32 = 0) {
        let (patience, isLong) = drainTimeoutNanoseconds.addingReportingOverflow(
            Self.marginNanoseconds
        )
        let (deadline, isEndless) = startedAt.addingReportingOverflow(patience)
        self.deadline = isLong || isEndless ? .max : deadline
        self.exitCode = exitCode
    }

    /// A TERM or an INT came, the one that started this included.
    package mutating func signaled() {
        signalCount += 1
    }

    /// A worker that had served ended; any code but 0 says that connections were cut.
    package mutating func workerEnded(how end: WorkerEnd) {
        if end != .exited(code: 0) { fail() }
    }

    /// What to do now; to be asked again after each event.
    package mutating func next(at now: UInt64, workersAlive: Int) -> Action {
        guard workersAlive > 0 else { return .done(exitCode: exitCode) }
        switch phase {
        case .asked:
            phase = .draining
            return .terminate
        case .draining where signalCount > 1 || now >= deadline:
            phase = .killed
            fail()
            return .kill
        case .draining:
            return .wait(until: deadline)
        case .killed:
            return .wait(until: nil)
        }
    }

    private mutating func fail() {
        if exitCode == 0 { exitCode = 1 }
    }
}
