// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* The plain validator: one table look-up per byte. The table is the grammar of RFC 3629 §4. */

#include "bench.h"

#include <string.h>

enum state { START, ONE_MORE, TWO_MORE, THREE_MORE, AFTER_E0, AFTER_ED, AFTER_F0, AFTER_F4, BAD };

static uint8_t next_state[9][256];

static void allow(enum state from, int first, int last, enum state to) {
    for (int byte = first; byte <= last; byte++) {
        next_state[from][byte] = (uint8_t)to;
    }
}

__attribute__((constructor)) static void make_table(void) {
    memset(next_state, BAD, sizeof next_state);
    allow(START, 0x00, 0x7F, START);
    allow(START, 0xC2, 0xDF, ONE_MORE);
    allow(START, 0xE0, 0xE0, AFTER_E0);
    allow(START, 0xE1, 0xEF, TWO_MORE);
    allow(START, 0xED, 0xED, AFTER_ED);
    allow(START, 0xF0, 0xF0, AFTER_F0);
    allow(START, 0xF1, 0xF3, THREE_MORE);
    allow(START, 0xF4, 0xF4, AFTER_F4);
    allow(ONE_MORE, 0x80, 0xBF, START);
    allow(TWO_MORE, 0x80, 0xBF, ONE_MORE);
    allow(THREE_MORE, 0x80, 0xBF, TWO_MORE);
    allow(AFTER_E0, 0xA0, 0xBF, ONE_MORE);
    allow(AFTER_ED, 0x80, 0x9F, ONE_MORE);
    allow(AFTER_F0, 0x90, 0xBF, TWO_MORE);
    allow(AFTER_F4, 0x80, 0x8F, TWO_MORE);
}

uint8_t dfa_go_on(uint8_t state, const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        state = next_state[state][bytes[i]];
    }
    return state;
}

bool dfa_is_valid(const uint8_t *bytes, size_t size) {
    return dfa_go_on(START, bytes, size) == START;
}
