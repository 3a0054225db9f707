// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusSystem
import Glibc

/// Signals that are blocked in this thread and read from a descriptor instead.
struct BlockedSignals {
    let descriptor: Int32
    let blockedBefore: apus_signal_set

    init(_ signals: [Int32]) throws(SupervisorError) {
        let set = Self.set(of: signals)
        descriptor = try SupervisorError.check("signalfd", apus_signals_open(set))
        blockedBefore = apus_signals_block(set)
    }

    /// The next signal and the process that sent it; nil when none is pending.
    func next() -> (signal: Int32, sender: Int32)? {
        var sender: Int32 = 0
        let signal = unsafe apus_signals_next(descriptor, &sender)
        return signal > 0 ? (signal, sender) : nil
    }

    /// Lets the signals act again; those that came before are forgotten.
    func close() {
        while next() != nil {}
        apus_descriptor_close(descriptor)
        _ = apus_signals_set_blocked(blockedBefore)
    }

    static func set(of signals: [Int32]) -> apus_signal_set {
        signals.reduce(0) { $0 | apus_signals_of($1) }
    }
}

/// The signals that a worker acts on, to be read in its loop; one for each worker, for its life.
///
/// TERM and INT ask it to drain. Both may come, and more than once: a Ctrl-C reaches the whole
/// process group, and the supervisor passes TERM on. USR1 asks for its counters, HUP to read its
/// files anew. From the fork on these are blocked, so that none is lost before the worker gets here;
/// USR2, TTIN and TTOU, which concern the supervisor, are ignored.
package struct WorkerSignals: ~Copyable {
    static let read = [SIGTERM, SIGINT, SIGHUP, SIGUSR1]
    static let ignored = [SIGUSR2, SIGTTIN, SIGTTOU]
    static let crashes = [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGQUIT]

    private let signals: BlockedSignals

    package init() throws(SupervisorError) {
        signals = try BlockedSignals(Self.read)
    }

    deinit {
        signals.close()
    }

    /// Readable when a signal is pending; owned by this value.
    package var descriptor: Int32 { signals.descriptor }

    /// The next signal, as `SIGTERM`; nil when none is pending.
    package func next() -> Int32? {
        signals.next()?.signal
    }

    /// Sets up a new worker's signals, given what was blocked before the supervisor began.
    static func prepare(blockedBefore: apus_signal_set) {
        for signal in ignored {
            // Cannot fail for a signal that exists and may be ignored.
            _ = apus_signals_set_ignored(signal, true)
        }
        // Swift's handler prints a backtrace first, for 0.2 s in which the peers of a worker that
        // trapped wait. Who wants it says so by SWIFT_BACKTRACE; others take a core dump.
        if unsafe getenv("SWIFT_BACKTRACE") == nil {
            for signal in crashes { _ = apus_signals_set_ignored(signal, false) }
        }
        _ = apus_signals_set_blocked(blockedBefore | BlockedSignals.set(of: read))
    }
}
