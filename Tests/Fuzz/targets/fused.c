// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * Unmasking and UTF-8 in one pass: every variant, in place and copying, and a text whose pieces go
 * from one variant to the next, against a byte loop and the definition, after each piece.
 * Input: ASCII in front and whether there is a lot of it, where the two buffers start, the first
 * variant of the mixed text, offset, key, number of cuts and the cuts; the rest is the text.
 */

#include "fuzz.h"
#include "text.h"

enum { BLOCK_LIMIT = 130, LONG = 512, SHIFT_LIMIT = 64, CUT_LIMIT = 6 };

/* A piece as it is on the wire, what it must become, and what the definition says of it. */
typedef struct piece {
    exact wire;
    const uint8_t *plain;
    size_t size;
    uint32_t key;
    size_t offset;
    size_t shift;
    const text *expected;
} piece;

static void check_verdict(bool is_valid, apus_utf8_state state, const text *expected) {
    CHECK(is_valid == !expected->is_broken);
    CHECK(!is_valid || (state == 0) == (expected->missing == 0));
}

static void check_copy(apus_utf8_state *state, const piece *of) {
    exact before = exact_copy(of->wire.bytes, of->size, 0);
    exact target = exact_make(of->size, of->shift);
    bool is_valid =
        apus_mask_utf8_copy(state, target.bytes, of->wire.bytes, of->size, of->key, of->offset);
    check_verdict(is_valid, *state, of->expected);
    CHECK(memcmp(target.bytes, of->plain, of->size) == 0);
    CHECK(memcmp(of->wire.bytes, before.bytes, of->size) == 0);
    exact_end(target);
    exact_end(before);
}

static void check_in_place(apus_utf8_state *state, const piece *of) {
    exact bytes = exact_copy(of->wire.bytes, of->size, of->shift);
    bool is_valid = apus_mask_utf8(state, bytes.bytes, of->size, of->key, of->offset);
    check_verdict(is_valid, *state, of->expected);
    CHECK(memcmp(bytes.bytes, of->plain, of->size) == 0);
    exact_end(bytes);
}

static int ascending(const void *one, const void *other) {
    size_t a = *(const size_t *)one, b = *(const size_t *)other;
    return (a > b) - (a < b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_size) {
    input from = {data, data_size};
    size_t ascii = take(&from, 1) % BLOCK_LIMIT;
    /* Once in a while the kernels' loops over many blocks. */
    ascii += take(&from, 1) < 16 ? LONG : 0;
    size_t wire_shift = take(&from, 1) % SHIFT_LIMIT;
    size_t shift = take(&from, 1) % SHIFT_LIMIT;
    size_t turn = take(&from, 1) % VARIANTS;
    size_t offset = (size_t)take(&from, 8);
    uint8_t key_bytes[4];
    for (size_t i = 0; i < 4; i++) {
        key_bytes[i] = (uint8_t)take(&from, 1);
    }
    uint32_t key;
    memcpy(&key, key_bytes, 4);
    size_t cuts = take(&from, 1) % CUT_LIMIT;
    uint64_t places[CUT_LIMIT];
    for (size_t i = 0; i < cuts; i++) {
        places[i] = take(&from, 2);
    }
    size_t size = ascii + from.size;
    size_t ends[CUT_LIMIT + 1];
    for (size_t i = 0; i < cuts; i++) {
        ends[i] = places[i] % (size + 1);
    }
    ends[cuts] = size;
    qsort(ends, cuts, sizeof ends[0], ascending);

    exact plain = exact_make(size, 0);
    for (size_t i = 0; i < size; i++) {
        plain.bytes[i] = i < ascii ? 'a' : from.bytes[i - ascii];
    }

    size_t count = available_variants();
    apus_utf8_state in_place[VARIANTS] = {0}, copied[VARIANTS] = {0}, mixed = 0;
    text expected = {0};
    for (size_t i = 0, start = 0; i <= cuts && !expected.is_broken; start = ends[i++]) {
        piece of = {.plain = plain.bytes + start,
                    .size = ends[i] - start,
                    .key = key,
                    .offset = offset + start,
                    .shift = shift,
                    .expected = &expected};
        of.wire = exact_copy(of.plain, of.size, wire_shift);
        for (size_t byte = 0; byte < of.size; byte++) {
            of.wire.bytes[byte] ^= key_bytes[(of.offset % 4 + byte) % 4];
        }
        text_read(&expected, of.plain, of.size);
        for (size_t v = 0; v < count; v++) {
            use_variant(v);
            check_in_place(&in_place[v], &of);
            check_copy(&copied[v], &of);
        }
        use_variant((turn + i) % count);
        check_in_place(&mixed, &of);
        exact_end(of.wire);
    }
    exact_end(plain);
    return 0;
}
