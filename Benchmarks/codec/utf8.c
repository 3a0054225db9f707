// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "bench.h"

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

static void measure_edges(void) {
    static const struct table at_edge = TABLE("utf8-edge", utf8_rows);
    static const size_t sizes[] = {20, 100, 1000};
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof sizes[0]; i++) {
        struct work work = make_edge_work(i % 2 == 0 ? FRONT : BACK, sizes[i / 2], fill_text);
        measure(&at_edge, &work);
    }
}

void bench_utf8(void) {
    static const char *const texts[] = {"ascii", "latin", "cjk", "emoji", "1 %"};
    static const size_t sizes[] = {20,      64,      125,      256,      0,
                                   1 << 10, 4 << 10, 16 << 10, 64 << 10, 1 << 20};
    static const struct table validators = TABLE("utf8", utf8_rows);
    drop_simdjson_not_for_here(utf8_rows, sizeof utf8_rows / sizeof utf8_rows[0]);
    for (size_t kind = 0; kind < sizeof texts / sizeof texts[0]; kind++) {
        choose_text(texts[kind]);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            struct work work = make_work(texts[kind], sizes[i], 0, fill_text);
            measure(&validators, &work);
        }
    }
    choose_text("cjk");
    measure_edges();
}
