// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// What the supervisor tells of itself, for a log.
package enum SupervisorEvent: Equatable, Sendable {
    case workerStarted(slot: Int, pid: Int32)
    case workerReady(slot: Int, pid: Int32, afterNanoseconds: UInt64)

    /// `afterNanoseconds`: since its start.
    case workerEnded(slot: Int, pid: Int32, how: WorkerEnd, afterNanoseconds: UInt64)

    /// The slot is filled again after this time.
    case respawning(slot: Int, afterNanoseconds: UInt64)

    /// A worker could not be started.
    case startFailed(slot: Int, error: SupervisorError)

    /// Every slot accepts for the first time.
    case allReady

    /// Workers are asked to drain, because of this signal or, with nil, of a failure.
    case draining(signal: Int32?)

    /// So many workers did not end in time, or were not given any.
    case killing(count: Int)

    /// Passed on to every worker.
    case signalForwarded(Int32)

    /// Has no meaning yet.
    case signalIgnored(Int32)

    /// For the operator: why it does not work. Comes once for workers that fail alike.
    case failed(line: String)
}
