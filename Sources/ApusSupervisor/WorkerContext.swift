// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusSystem
import Glibc

/// What a worker is given at its start; the descriptors are its own until it exits.
package struct WorkerContext {
    /// The place that this worker fills, from 0.
    package let slot: Int

    /// How many workers the slot had before.
    package let generation: Int

    /// This slot's listener of each ``ListenerSet``, in their order.
    package let listeners: [Int32]

    /// Becomes readable, with an end of file, when the supervisor is gone: drain and exit then.
    package let supervisorGone: Int32

    /// To tell the supervisor that this worker accepts connections, or why it cannot.
    package let ready: ReadinessReporter

    /// A descriptor that stands for the process that forked this one.
    let supervisor: Int32

    /// Asks the supervisor to end all workers, as a TERM from elsewhere would; no effect where it is
    /// gone already.
    package func endAll() {
        _ = apus_process_signal(supervisor, SIGTERM)
    }
}
