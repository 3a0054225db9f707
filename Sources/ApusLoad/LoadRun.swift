// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// What a process that carries out a plan has to say while it runs, and must ask.
protocol LoadObserver: AnyObject {
    /// Connections that are open now and messages so far; a few times a second.
    func progressed(openConnections: Int, messages: UInt64)

    /// All connections are open or have failed; returns when the warm-up begins, by
    /// `CLOCK_MONOTONIC` in nanoseconds, the same for all processes.
    func allConnected() -> UInt64
}
