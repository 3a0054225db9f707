// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusTLS

/// Memory that the sessions of one thread take turns in: ciphertext to be sent, plaintext to be read.
@safe
package final class TLSWire {
    // Sessions have its address, and it.
    let pointer = UnsafeMutablePointer<apus_tls_wire>.allocate(capacity: 1)

    package init() {
        unsafe pointer.initialize(to: apus_tls_wire())
    }

    deinit {
        unsafe apus_tls_wire_clear(pointer)
        unsafe pointer.deallocate()
    }

    /// Ciphertext that sessions have brought forth since ``removeOutput()``, to be sent as it is.
    package var output: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(
            start: pointer.pointee.output,
            count: pointer.pointee.output_count
        )
    }

    /// The output was taken.
    package func removeOutput() {
        unsafe pointer.pointee.output_count = 0
    }

    /// What the last receive brought, until the next one of any of its sessions; may be written to.
    package var plaintext: UnsafeMutableRawBufferPointer {
        unsafe UnsafeMutableRawBufferPointer(
            start: pointer.pointee.plaintext,
            count: pointer.pointee.plaintext_count
        )
    }

    /// How many of its sessions are busy, and keep buffers of 34 KB: 256 at most.
    package var busySessionCount: Int { unsafe Int(pointer.pointee.busy_count) }
}
