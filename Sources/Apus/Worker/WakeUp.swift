// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusRing
import CApusSystem

/// What ends a loop's sleep from another thread: an eventfd that the loop waits for.
///
/// Whoever is about to signal keeps it open, so that no number is written to that is another's now.
final class WakeUp: Sendable {
    let descriptor: Int32

    init() throws(RingError) {
        descriptor = apus_event_open()
        guard descriptor >= 0 else { throw RingError(operation: "eventfd", errno: -descriptor) }
    }

    deinit {
        if descriptor >= 0 { apus_descriptor_close(descriptor) }
    }

    /// Ends the sleep, or the next one.
    func signal() {
        // An eventfd takes and gives eight bytes. It can only be full, and then it wakes anyway.
        var one: UInt64 = 1
        _ = unsafe apus_descriptor_write(descriptor, &one, MemoryLayout<UInt64>.size)
    }

    /// Takes what was signaled, so that the descriptor can be waited for again.
    func clear() {
        var count: UInt64 = 0
        _ = unsafe apus_descriptor_read(descriptor, &count, MemoryLayout<UInt64>.size)
    }
}
