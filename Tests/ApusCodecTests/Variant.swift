// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusCodec

/// The instruction sets that the codec knows.
enum Variant: UInt32, CaseIterable, Sendable {
    case scalar, sse4, avx2, avx512, neon

    var cVariant: apus_variant { apus_variant(rawValue: rawValue) }

    /// Those that this processor has.
    static let available = allCases.filter { apus_variant_is_available($0.cVariant) }

    /// Uses this variant for the calls in the body, then the best one again.
    func use(_ body: () throws -> Void) rethrows {
        let best = apus_variant_current()
        precondition(apus_variant_select(cVariant))
        defer { precondition(apus_variant_select(best)) }
        try body()
    }
}
