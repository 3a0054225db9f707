// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "bench.h"

#include <string.h>

/* ---- What is measured ---- */

static unsigned validate(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    apus_utf8_state state = 0;
    return apus_utf8_validate(&state, bytes, size) && state == 0;
}

static unsigned dfa(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    return dfa_is_valid(bytes, size);
}

static struct row utf8_rows[] = {
    {"apus_utf8_validate", OURS, validate},         {"DFA", PEER, dfa},
    {"simdjson icelake", PEER, simdjson_icelake},   {"simdjson haswell", PEER, simdjson_haswell},
    {"simdjson westmere", PEER, simdjson_westmere}, {"read", FLOOR, read_all},
};

/* Text frames: unmask and validate. The key is 0, so that the text stays one. */

static unsigned mask_then_validate(uint8_t *target, uint8_t *bytes, size_t size) {
    apus_mask(bytes, size, bench_key, bench_phase);
    return validate(target, bytes, size);
}

static unsigned mask_copy_then_validate(uint8_t *target, uint8_t *bytes, size_t size) {
    apus_mask_copy(target, bytes, size, bench_key, bench_phase);
    return validate(target, target, size);
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

static struct row text_rows[] = {
    {"mask + validate", OURS, mask_then_validate},
    {"mask_copy + validate", OURS, mask_copy_then_validate},
    {"4-byte loop + DFA", PEER, loop_then_dfa},
    {"u64 loop + simdjson icelake", PEER, loop_then_icelake},
    {"u64 loop + simdjson haswell", PEER, loop_then_haswell},
    {"apus_mask alone", FLOOR, only_mask},
};

/* simdjson is built for every processor of an architecture, or is not there at all. */
static void drop_simdjson_not_for_here(struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *name = strstr(rows[i].name, "simdjson ");
        if (name != NULL && (simdjson_has == NULL || !simdjson_has(name + strlen("simdjson ")))) {
            rows[i].run = NULL;
        }
    }
}

/* ---- The texts ---- */

/* One character out of so many is not ASCII, and is written with so many bytes. */
static struct kind_of_text {
    const char *name;
    unsigned per_mille;
    size_t length;
} text;

static size_t put_character(uint8_t *out, size_t length) {
    uint8_t low = (uint8_t)(0x80 | (bench_random() & 0x3F));
    uint8_t middle = (uint8_t)(0x80 | (bench_random() & 0x3F));
    switch (length) {
    case 2:
        memcpy(out, (uint8_t[]){0xC3, low}, 2);
        break;
    case 3:
        memcpy(out, (uint8_t[]){(uint8_t)(0xE4 + bench_random() % 6), middle, low}, 3);
        break;
    case 4:
        memcpy(out, (uint8_t[]){0xF0, 0x9F, (uint8_t)(0x98 + bench_random() % 8), low}, 4);
        break;
    default:
        out[0] = (uint8_t)(' ' + bench_random() % 95);
    }
    return length;
}

static void fill(uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size;) {
        bool is_ascii = bench_random() % 1000 >= text.per_mille || size - i < text.length;
        i += put_character(bytes + i, is_ascii ? 1 : text.length);
    }
}

static void measure_edges(void) {
    static const struct table at_edge = TABLE("utf8-edge", utf8_rows);
    static const size_t sizes[] = {20, 100, 1000};
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof sizes[0]; i++) {
        struct work work = make_edge_work(i % 2 == 0 ? FRONT : BACK, sizes[i / 2], fill);
        measure(&at_edge, &work);
    }
}

void bench_utf8(void) {
    static const struct kind_of_text texts[] = {
        {"ascii", 0, 1}, {"latin", 83, 2}, {"cjk", 950, 3}, {"emoji", 750, 4}, {"1 %", 10, 2},
    };
    static const size_t sizes[] = {20,      64,      125,      256,      0,
                                   1 << 10, 4 << 10, 16 << 10, 64 << 10, 1 << 20};
    static const struct table validators = TABLE("utf8", utf8_rows);
    static const struct table text_readers = TABLE("text", text_rows);
    drop_simdjson_not_for_here(utf8_rows, sizeof utf8_rows / sizeof utf8_rows[0]);
    drop_simdjson_not_for_here(text_rows, sizeof text_rows / sizeof text_rows[0]);

    uint32_t key = bench_key;
    bench_key = 0;
    for (size_t kind = 0; kind < sizeof texts / sizeof texts[0]; kind++) {
        text = texts[kind];
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            struct work work = make_work(text.name, sizes[i], 0, fill);
            measure(&validators, &work);
            measure(&text_readers, &work);
        }
    }
    bench_key = key;
    text = texts[2];
    measure_edges();
}
