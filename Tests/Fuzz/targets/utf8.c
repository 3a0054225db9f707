// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * UTF-8: every variant, and a text whose pieces go from one variant to the next, against the
 * definition, after each piece.
 * Input: ASCII in front and whether there is a lot of it, repetitions, where a piece starts, the
 * first variant of the mixed text, number of cuts and the cuts; the rest is the text.
 */

#include "fuzz.h"
#include "text.h"

enum { BLOCK_LIMIT = 130, LONG = 512, REPEAT_LIMIT = 4, SHIFT_LIMIT = 64, CUT_LIMIT = 8 };

static int ascending(const void *one, const void *other) {
    size_t a = *(const size_t *)one, b = *(const size_t *)other;
    return (a > b) - (a < b);
}

static void check_state(bool is_valid, apus_utf8_state state, const text *expected) {
    CHECK(is_valid == !expected->is_broken);
    CHECK(!is_valid || (state == 0) == (expected->missing == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_size) {
    input from = {data, data_size};
    size_t plain = take(&from, 1) % BLOCK_LIMIT;
    /* Once in a while the kernels' loops over many blocks. */
    plain += take(&from, 1) < 16 ? LONG : 0;
    size_t repeat = take(&from, 1) % REPEAT_LIMIT;
    size_t shift = take(&from, 1) % SHIFT_LIMIT;
    size_t turn = take(&from, 1) % VARIANTS;
    size_t cuts = take(&from, 1) % CUT_LIMIT;
    uint64_t places[CUT_LIMIT];
    for (size_t i = 0; i < cuts; i++) {
        places[i] = take(&from, 2);
    }
    size_t size = plain + from.size * (repeat + 1);
    exact whole = exact_make(size, 0);
    for (size_t i = 0; i < size; i++) {
        whole.bytes[i] = i < plain ? 'a' : from.bytes[(i - plain) % from.size];
    }
    size_t ends[CUT_LIMIT + 1];
    for (size_t i = 0; i < cuts; i++) {
        ends[i] = places[i] % (size + 1);
    }
    ends[cuts] = size;
    qsort(ends, cuts, sizeof ends[0], ascending);

    size_t count = available_variants();
    apus_utf8_state states[VARIANTS] = {0}, mixed = 0;
    text expected = {0};
    for (size_t i = 0, start = 0; i <= cuts && !expected.is_broken; start = ends[i++]) {
        size_t piece_size = ends[i] - start;
        exact piece = exact_copy(whole.bytes + start, piece_size, shift);
        text_read(&expected, piece.bytes, piece_size);
        for (size_t v = 0; v < count; v++) {
            use_variant(v);
            bool is_valid = apus_utf8_validate(&states[v], piece.bytes, piece_size);
            check_state(is_valid, states[v], &expected);
        }
        use_variant((turn + i) % count);
        bool is_valid = apus_utf8_validate(&mixed, piece.bytes, piece_size);
        check_state(is_valid, mixed, &expected);
        exact_end(piece);
    }
    exact_end(whole);
    return 0;
}
