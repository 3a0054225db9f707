// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// What a process that carries out a plan has to say while it runs, and must ask.
///
/// Nothing here blocks, so connections are served all the time.
protocol LoadObserver: AnyObject {
    /// Connections that are open now and messages so far; a few times a second.
    func progressed(openConnections: Int, messages: UInt64)

    /// All connections are open or have failed; said once.
    func allConnected(openConnections: Int)

    /// When the warm-up begins, by `CLOCK_MONOTONIC` in nanoseconds and the same for all processes.
    ///
    /// Asked every few milliseconds after `allConnected`, until it is known.
    func startTime() -> UInt64?

    /// Whether connections may be closed by now, since nobody wants to look at the server any more
    /// as it is with all of them.
    ///
    /// Asked every few milliseconds after the end of the measured time, until it is so.
    func mayClose() -> Bool

    /// Whether the run is to end now, with what was measured so far.
    ///
    /// Asked a few times a second, also while connections are being opened.
    func isToEnd() -> Bool
}

/// Carries out a plan on this thread, and says what came of it.
func runLoad(
    _ plan: LoadPlan,
    observer: any LoadObserver
) throws(LoadFailure) -> LoadReport {
    var engine = try LoadEngine(plan, observer: observer)
    return try engine.run()
}
