// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol

/// What came for a connection that has paused: bytes, as far as they are unmasked with what was
/// found in them.
final class HeldInput {
    /// What was received, also what of it is done with: ranges count from its start.
    var bytes: [UInt8]
    /// From where on the machine has not had them.
    var position: Int
    /// What the machine found before.
    var batch = ReceivedBatch()

    init(_ bytes: [UInt8], position: Int) {
        self.bytes = bytes
        self.position = position
    }
}
