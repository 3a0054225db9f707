// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// What a supervisor does for its workers besides keeping them alive, between two turns of its loop.
///
/// It is done in the process that later workers are forked from, and so is there for them.
package struct SupervisorDuties {
    /// What is done again and again, for the first time after `nanoseconds`.
    package typealias Periodic = (nanoseconds: UInt64, action: () -> Void)

    /// Reads anew what may have changed outside, because of a HUP; nil: a HUP has no meaning.
    ///
    /// The workers get the signal too if it returns true.
    package var reload: (() -> Bool)?

    package var periodic: Periodic?

    package init(reload: (() -> Bool)? = nil, periodic: Periodic? = nil) {
        self.reload = reload
        self.periodic = periodic
    }
}
