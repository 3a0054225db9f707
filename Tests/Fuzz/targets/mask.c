// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * Masking: every variant, in place and copying, whole and in two pieces, against a byte loop.
 * Input: size and whether to add a lot to it, offset, cut, where the two buffers start, key; the
 * rest is the payload, repeated.
 */

#include "fuzz.h"

enum { LONG = 512, SHIFT_LIMIT = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_size) {
    input from = {data, data_size};
    size_t size = take(&from, 1);
    /* Once in a while the kernels' loops over many blocks. */
    size += take(&from, 1) < 16 ? LONG : 0;
    size_t offset = (size_t)take(&from, 8);
    size_t cut = take(&from, 2) % (size + 1);
    size_t source_shift = take(&from, 1) % SHIFT_LIMIT;
    size_t target_shift = take(&from, 1) % SHIFT_LIMIT;
    uint8_t key_bytes[4];
    for (size_t i = 0; i < 4; i++) {
        key_bytes[i] = (uint8_t)take(&from, 1);
    }
    uint32_t key;
    memcpy(&key, key_bytes, 4);

    exact source = exact_make(size, source_shift);
    exact expected = exact_make(size, 0);
    for (size_t i = 0; i < size; i++) {
        source.bytes[i] = from.size > 0 ? from.bytes[i % from.size] : (uint8_t)i;
        expected.bytes[i] = source.bytes[i] ^ key_bytes[(offset % 4 + i) % 4];
    }

    size_t count = available_variants();
    for (size_t i = 0; i < count; i++) {
        use_variant(i);
        exact target = exact_make(size, target_shift);
        apus_mask_copy(target.bytes, source.bytes, size, key, offset);
        CHECK(memcmp(target.bytes, expected.bytes, size) == 0);

        /* Masking is its own inverse: in place, and with a cut anywhere. */
        apus_mask(target.bytes, size, key, offset);
        CHECK(memcmp(target.bytes, source.bytes, size) == 0);
        apus_mask(target.bytes, cut, key, offset);
        CHECK(memcmp(target.bytes, expected.bytes, cut) == 0);
        CHECK(memcmp(target.bytes + cut, source.bytes + cut, size - cut) == 0);
        apus_mask(target.bytes + cut, size - cut, key, offset + cut);
        CHECK(memcmp(target.bytes, expected.bytes, size) == 0);
        exact_end(target);
    }
    exact_end(source);
    exact_end(expected);
    return 0;
}
