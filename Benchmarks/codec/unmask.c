// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "bench.h"

#include <stdio.h>
#include <string.h>

static unsigned mask(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    apus_mask(bytes, size, bench_key, bench_phase);
    return 0;
}

/* What the way to a kernel and back takes. */
static unsigned mask_nothing(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    (void)size;
    apus_mask(bytes, 0, bench_key, bench_phase);
    return 0;
}

static unsigned mask_copy(uint8_t *target, uint8_t *bytes, size_t size) {
    apus_mask_copy(target, bytes, size, bench_key, bench_phase);
    return 0;
}

static unsigned copy(uint8_t *target, uint8_t *bytes, size_t size) {
    memcpy(target, bytes, size);
    return 0;
}

/* What a program does that moves a payload down over its header. */
static unsigned move(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    memmove(bytes, bytes + 8, size);
    return 0;
}

static unsigned nothing(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    (void)bytes;
    (void)size;
    return 0;
}

static const struct row in_place_rows[] = {
    {"apus_mask", OURS, mask},
    {"byte loop", PEER, loop_bytes},
    {"4-byte loop", PEER, loop_unrolled},
    {"u64 loop", PEER, loop_words},
    {"memcpy", FLOOR, copy},
    {"write", FLOOR, write_all},
    {"apus_mask of no bytes", FLOOR, mask_nothing},
    {"empty call", FLOOR, nothing},
    {"memmove by 8", FLOOR, move}, /* the last: it reads behind the piece */
};

static const struct row copy_rows[] = {
    {"apus_mask_copy", OURS, mask_copy},
    {"byte loop", PEER, loop_bytes_copy},
    {"u64 loop", PEER, loop_words_copy},
    {"wslay_frame_send", PEER, wslay_mask},
    {"memcpy", FLOOR, copy},
    {"empty call", FLOOR, nothing},
};

static const struct table in_place = TABLE("unmask", in_place_rows);
static const struct table copying = TABLE("copy", copy_rows);

static void fill(uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)bench_random();
    }
}

/* Every contender against the definition, before anything is measured. */
static void check(const struct table *table, bool copies) {
    enum { SIZE_MAX_CHECKED = 600 };
    uint8_t source[SIZE_MAX_CHECKED], bytes[SIZE_MAX_CHECKED], target[SIZE_MAX_CHECKED];
    uint8_t key[4];
    memcpy(key, &bench_key, 4);
    fill(source, sizeof source);
    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->rows[i];
        if (row->kind == FLOOR || row->run == NULL || row->run == wslay_mask) {
            continue;
        }
        for (size_t size = 0; size <= SIZE_MAX_CHECKED; size++) {
            memcpy(bytes, source, sizeof source);
            row->run(target, bytes, size);
            const uint8_t *result = copies ? target : bytes;
            for (size_t at = 0; at < size; at++) {
                if (result[at] != (source[at] ^ key[(at + bench_phase) & 3])) {
                    die(row->name);
                }
            }
        }
    }
}

static void check_all(void) {
    for (int variant = APUS_VARIANT_SCALAR; variant <= APUS_VARIANT_NEON; variant++) {
        if (apus_variant_select((apus_variant)variant)) {
            check(&in_place, false);
            check(&copying, true);
        }
    }
}

static void measure_edges(void) {
    // Without memmove, which reads behind the piece.
    static const struct table at_edge = {"unmask-edge", in_place_rows,
                                         sizeof in_place_rows / sizeof in_place_rows[0] - 1};
    static const size_t sizes[] = {20, 100, 1000};
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof sizes[0]; i++) {
        struct work work = make_edge_work(i % 2 == 0 ? FRONT : BACK, sizes[i / 2], fill);
        measure(&at_edge, &work);
    }
}

void bench_unmask(void) {
    static const size_t sizes[] = {4,       16,      20,       64,       125,     256,     0,
                                   1 << 10, 4 << 10, 16 << 10, 64 << 10, 1 << 20, 16 << 20};
    for (int misaligned = 0; misaligned <= 1; misaligned++) {
        bench_phase = misaligned ? 3 : 0;
        check_all();
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            const char *group = misaligned ? "misaligned" : "aligned";
            struct work work = make_work(group, sizes[i], misaligned ? 13 : 0, fill);
            measure(&in_place, &work);
            measure(&copying, &work);
        }
    }
    measure_edges();
}
