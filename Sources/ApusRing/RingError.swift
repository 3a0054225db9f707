// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// A refusal of the system that a ring cannot work around.
package struct RingError: Error, Equatable {
    /// What was attempted, as the manual names it: `io_uring_setup`, `io_uring_enter` or another.
    package let operation: String

    /// The error number, positive.
    package let errno: Int32

    package init(operation: String, errno: Int32) {
        self.operation = operation
        self.errno = errno
    }
}
