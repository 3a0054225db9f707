// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* The payloads of text frames, as they come from the network: unmask and validate. */

#include "bench.h"

#include <string.h>

static unsigned fused(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    apus_utf8_state state = 0;
    return apus_mask_utf8(&state, bytes, size, bench_key, bench_phase) && state == 0;
}

static unsigned fused_copy(uint8_t *target, uint8_t *bytes, size_t size) {
    apus_utf8_state state = 0;
    return apus_mask_utf8_copy(&state, target, bytes, size, bench_key, bench_phase) && state == 0;
}

static unsigned two_passes(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    apus_utf8_state state = 0;
    apus_mask(bytes, size, bench_key, bench_phase);
    return apus_utf8_validate(&state, bytes, size) && state == 0;
}

static unsigned loop_then_dfa(uint8_t *target, uint8_t *bytes, size_t size) {
    loop_unrolled(target, bytes, size);
    return dfa_is_valid(bytes, size);
}

static unsigned loop_then_icelake(uint8_t *target, uint8_t *bytes, size_t size) {
    loop_words(target, bytes, size);
    return simdjson_icelake(target, bytes, size);
}

static unsigned loop_then_haswell(uint8_t *target, uint8_t *bytes, size_t size) {
    loop_words(target, bytes, size);
    return simdjson_haswell(target, bytes, size);
}

static unsigned only_mask(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    apus_mask(bytes, size, bench_key, bench_phase);
    return 0;
}

static struct row rows[] = {
    {"apus_mask_utf8", OURS, fused},
    {"apus_mask_utf8_copy", OURS, fused_copy},
    {"mask + validate", OURS, two_passes},
    {"4-byte loop + DFA", PEER, loop_then_dfa},
    {"u64 loop + simdjson icelake", PEER, loop_then_icelake},
    {"u64 loop + simdjson haswell", PEER, loop_then_haswell},
    {"apus_mask alone", FLOOR, only_mask},
};

static void fill_masked(uint8_t *bytes, size_t size) {
    fill_text(bytes, size);
    mask_unrolled(bytes, size, bench_key);
}

/* Every contender against the definitions, texts and such as are none, before anything is
 * measured. */
static void check(const struct row *row) {
    enum { SIZE_MAX_CHECKED = 300 };
    uint8_t text[SIZE_MAX_CHECKED], bytes[SIZE_MAX_CHECKED], target[SIZE_MAX_CHECKED];
    for (size_t size = 0; size <= SIZE_MAX_CHECKED; size++) {
        fill_text(text, size);
        if (size > 0 && size % 2 != 0) {
            text[bench_random() % size] ^= (uint8_t)(1 << bench_random() % 8);
        }
        memcpy(bytes, text, size);
        mask_unrolled(bytes, size, bench_key);
        if (row->run(target, bytes, size) != dfa_is_valid(text, size) ||
            memcmp(row->run == fused_copy ? target : bytes, text, size) != 0) {
            die(row->name);
        }
    }
}

static void check_all(void) {
    for (int variant = APUS_VARIANT_SCALAR; variant <= APUS_VARIANT_NEON; variant++) {
        if (apus_variant_select((apus_variant)variant)) {
            for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                if (rows[i].run != NULL && rows[i].kind != FLOOR) {
                    check(&rows[i]);
                }
            }
        }
    }
}

void bench_fused(void) {
    static const char *const texts[] = {"ascii", "latin", "cjk", "emoji"};
    static const size_t sizes[] = {20, 64, 125, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 1 << 20};
    static const struct table table = TABLE("fused", rows);
    drop_simdjson_not_for_here(rows, sizeof rows / sizeof rows[0]);
    bench_phase = 0;
    for (size_t kind = 0; kind < sizeof texts / sizeof texts[0]; kind++) {
        choose_text(texts[kind]);
        check_all();
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            struct work work = make_work(texts[kind], sizes[i], 0, fill_masked);
            keep_fresh(&work);
            measure(&table, &work);
        }
    }
}
