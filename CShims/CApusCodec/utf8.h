// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#ifndef APUS_CODEC_UTF8_H
#define APUS_CODEC_UTF8_H

#include "internal.h"

/*
 * The state holds the bytes of the character that the last piece left unfinished, the latest in the
 * top byte, zeros below the first.
 *
 * The vector kernels look every byte up three times: the high and the low half of the byte before
 * it and its own high half. Each table says which errors that half allows; an error is there if all
 * three allow it (Keiser and Lemire, Validating UTF-8 In Less Than One Instruction Per Byte). What
 * needs a longer look back, that a third or fourth byte must be a continuation and only then may
 * follow one, is compared with APUS_UTF8_TWO_CONTINUATIONS by exclusive or.
 */
enum {
    APUS_UTF8_TOO_SHORT = 1 << 0,         /* a lead, then no continuation */
    APUS_UTF8_TOO_LONG = 1 << 1,          /* ASCII, then a continuation */
    APUS_UTF8_OVERLONG_3 = 1 << 2,        /* E0, then 80 to 9F */
    APUS_UTF8_TOO_LARGE = 1 << 3,         /* F4, then 90 to BF; F5 to FF, then 90 to BF */
    APUS_UTF8_SURROGATE = 1 << 4,         /* ED, then A0 to BF */
    APUS_UTF8_OVERLONG_2 = 1 << 5,        /* C0 or C1, then a continuation */
    APUS_UTF8_OVERLONG_4 = 1 << 6,        /* F0, then 80 to 8F */
    APUS_UTF8_TOO_LARGE_1000 = 1 << 6,    /* F5 to FF, then 80 to 8F */
    APUS_UTF8_TWO_CONTINUATIONS = 1 << 7, /* fine only as the third or fourth byte */
    APUS_UTF8_ANY_LOW_HALF = APUS_UTF8_TOO_SHORT | APUS_UTF8_TOO_LONG | APUS_UTF8_TWO_CONTINUATIONS,
    APUS_UTF8_TO_FF = APUS_UTF8_ANY_LOW_HALF | APUS_UTF8_TOO_LARGE | APUS_UTF8_TOO_LARGE_1000,
    APUS_UTF8_CONTINUATION = APUS_UTF8_TOO_LONG | APUS_UTF8_OVERLONG_2 | APUS_UTF8_TWO_CONTINUATIONS
};

static const uint8_t apus_utf8_previous_high[16] = {
    /* 0 to 7 */ APUS_UTF8_TOO_LONG,
    APUS_UTF8_TOO_LONG,
    APUS_UTF8_TOO_LONG,
    APUS_UTF8_TOO_LONG,
    APUS_UTF8_TOO_LONG,
    APUS_UTF8_TOO_LONG,
    APUS_UTF8_TOO_LONG,
    APUS_UTF8_TOO_LONG,
    /* 8 to B */ APUS_UTF8_TWO_CONTINUATIONS,
    APUS_UTF8_TWO_CONTINUATIONS,
    APUS_UTF8_TWO_CONTINUATIONS,
    APUS_UTF8_TWO_CONTINUATIONS,
    /* C */ APUS_UTF8_TOO_SHORT | APUS_UTF8_OVERLONG_2,
    /* D */ APUS_UTF8_TOO_SHORT,
    /* E */ APUS_UTF8_TOO_SHORT | APUS_UTF8_OVERLONG_3 | APUS_UTF8_SURROGATE,
    /* F */ APUS_UTF8_TOO_SHORT | APUS_UTF8_TOO_LARGE | APUS_UTF8_TOO_LARGE_1000,
};

static const uint8_t apus_utf8_previous_low[16] = {
    /* 0 */ APUS_UTF8_ANY_LOW_HALF | APUS_UTF8_OVERLONG_2 | APUS_UTF8_OVERLONG_3 |
        APUS_UTF8_OVERLONG_4,
    /* 1 */ APUS_UTF8_ANY_LOW_HALF | APUS_UTF8_OVERLONG_2,
    /* 2 */ APUS_UTF8_ANY_LOW_HALF,
    /* 3 */ APUS_UTF8_ANY_LOW_HALF,
    /* 4 */ APUS_UTF8_ANY_LOW_HALF | APUS_UTF8_TOO_LARGE,
    /* 5 to C */ APUS_UTF8_TO_FF,
    APUS_UTF8_TO_FF,
    APUS_UTF8_TO_FF,
    APUS_UTF8_TO_FF,
    APUS_UTF8_TO_FF,
    APUS_UTF8_TO_FF,
    APUS_UTF8_TO_FF,
    APUS_UTF8_TO_FF,
    /* D */ APUS_UTF8_TO_FF | APUS_UTF8_SURROGATE,
    /* E and F */ APUS_UTF8_TO_FF,
    APUS_UTF8_TO_FF,
};

static const uint8_t apus_utf8_own_high[16] = {
    /* 0 to 7 */ APUS_UTF8_TOO_SHORT,
    APUS_UTF8_TOO_SHORT,
    APUS_UTF8_TOO_SHORT,
    APUS_UTF8_TOO_SHORT,
    APUS_UTF8_TOO_SHORT,
    APUS_UTF8_TOO_SHORT,
    APUS_UTF8_TOO_SHORT,
    APUS_UTF8_TOO_SHORT,
    /* 8 */ APUS_UTF8_CONTINUATION | APUS_UTF8_OVERLONG_3 | APUS_UTF8_OVERLONG_4,
    /* 9 */ APUS_UTF8_CONTINUATION | APUS_UTF8_OVERLONG_3 | APUS_UTF8_TOO_LARGE,
    /* A and B */ APUS_UTF8_CONTINUATION | APUS_UTF8_SURROGATE | APUS_UTF8_TOO_LARGE,
    APUS_UTF8_CONTINUATION | APUS_UTF8_SURROGATE | APUS_UTF8_TOO_LARGE,
    /* C to F */ APUS_UTF8_TOO_SHORT,
    APUS_UTF8_TOO_SHORT,
    APUS_UTF8_TOO_SHORT,
    APUS_UTF8_TOO_SHORT,
};

/* What saturating subtraction leaves the top bit to: the byte before is a lead, the lead two back
 * has three bytes or more, the lead three back has four. */
enum {
    APUS_UTF8_SECOND = 0xC0 - 0x80,
    APUS_UTF8_THIRD = 0xE0 - 0x80,
    APUS_UTF8_FOURTH = 0xF0 - 0x80
};

/*
 * Sets the state after a piece in which the tables found no error, from the last bytes of the text,
 * the latest in the top byte. false if that one starts no character: the tables see that only when
 * its successor comes.
 */
APUS_INLINE bool apus_utf8_keep(apus_utf8_state *state, uint32_t tail) {
    uint8_t latest = (uint8_t)(tail >> 24);
    uint8_t second = (uint8_t)(tail >> 16);
    uint8_t third = (uint8_t)(tail >> 8);
    if (latest >= 0xC0) {
        *state = tail & 0xFF000000;
        return latest >= 0xC2 && latest <= 0xF4;
    }
    if (second >= 0xE0) {
        *state = tail & 0xFFFF0000;
    } else if (third >= 0xF0) {
        *state = tail & 0xFFFFFF00;
    } else {
        *state = 0;
    }
    return true;
}

/* The same from the piece itself, for little-endian machines, as all vector kernels are. */
APUS_INLINE bool apus_utf8_keep_tail(apus_utf8_state *state, const uint8_t *bytes, size_t size) {
    uint32_t tail = *state;
    if (size >= 4) {
        tail = apus_load32(bytes + size - 4);
    } else {
        for (size_t i = 0; i < size; i++) {
            tail = tail >> 8 | (uint32_t)bytes[i] << 24;
        }
    }
    return apus_utf8_keep(state, tail);
}

#endif
