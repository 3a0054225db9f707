// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// What a completion belongs to: the 64 bits that the kernel carries for us as `user_data`.
///
/// Layout: operation 8 bits, generation 24, slot 32. Descriptors and slots are reused, so a
/// completion whose generation is not its slot's belongs to a connection that is gone.
package struct OperationTag: Equatable, Sendable {
    /// The operations that the worker has in flight.
    package enum Kind: UInt8, Sendable {
        case accept = 1
        case receive
        case send
        case writable
        case readable
        case cancel
        case connect
        /// Something to receive, on a connection; ``readable`` is for the worker's own descriptors.
        case arrival
    }

    /// Generations count modulo this.
    package static let generationCount: UInt32 = 1 << 24

    package let rawValue: UInt64

    package init(_ kind: Kind, generation: UInt32, slot: UInt32) {
        assert(generation < Self.generationCount, "generation \(generation) has over 24 bits")
        rawValue = UInt64(kind.rawValue) << 56 | UInt64(generation) << 32 | UInt64(slot)
    }

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// The operation; nil for a value that this process never handed out.
    package var kind: Kind? { Kind(rawValue: UInt8(truncatingIfNeeded: rawValue >> 56)) }

    package var generation: UInt32 {
        UInt32(truncatingIfNeeded: rawValue >> 32) & (Self.generationCount - 1)
    }

    package var slot: UInt32 { UInt32(truncatingIfNeeded: rawValue) }
}
