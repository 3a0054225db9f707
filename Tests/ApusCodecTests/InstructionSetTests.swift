// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusCodec
import Testing

/// Everything that forces a variant, one test after the other: the choice is the process's.
@Suite("Instruction sets", .serialized)
struct InstructionSetTests {
    @Test func `the scalar variant is available everywhere`() {
        #expect(Variant.available.contains(.scalar))
    }

    @Test func `the codec starts with the best variant`() {
        let order: [Variant] = [.avx512, .avx2, .sse4, .neon, .scalar]
        let best = order.first { Variant.available.contains($0) }
        #expect(Variant(rawValue: apus_variant_current().rawValue) == best)
    }

    @Test(arguments: Variant.allCases)
    func `a variant is selected exactly where it is available`(variant: Variant) {
        let before = apus_variant_current()
        let selected = apus_variant_select(variant.cVariant)
        #expect(selected == Variant.available.contains(variant))
        #expect(apus_variant_current() == (selected ? variant.cVariant : before))
        #expect(apus_variant_select(before))
    }

    @Test func `a variant that nobody has defined is refused`() {
        #expect(!apus_variant_select(apus_variant(rawValue: 99)))
        #expect(!apus_variant_is_available(apus_variant(rawValue: 99)))
    }

    @Test(arguments: Variant.available)
    func `a pointer to no bytes may be NULL`(variant: Variant) {
        variant.use {
            var state: apus_utf8_state = 0
            apus_mask(nil, 0, 1, 0)
            apus_mask_copy(nil, nil, 0, 1, 0)
            #expect(unsafe apus_utf8_validate(&state, nil, 0))
            #expect(unsafe apus_mask_utf8(&state, nil, 0, 1, 0))
            #expect(unsafe apus_mask_utf8_copy(&state, nil, nil, 0, 1, 0))
            #expect(state == 0)
        }
    }
}
