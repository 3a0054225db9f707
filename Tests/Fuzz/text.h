// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * UTF-8 by its definition and not by a table of byte ranges: a sequence of bytes may go on as long
 * as some Unicode scalar value is encoded by it and more. Shares no idea with the codec.
 */

#ifndef APUS_FUZZ_TEXT_H
#define APUS_FUZZ_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct text {
    uint32_t value;   /* the bits of the character so far */
    unsigned size;    /* of the character in bytes */
    unsigned missing; /* of these bytes; 0 at a boundary */
    bool is_broken;
} text;

/* Whether a scalar value that takes `size` bytes is among first … last. */
static inline bool text_is_reachable(uint32_t first, uint32_t last, unsigned size) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (first < least[size]) {
        first = least[size];
    }
    if (last > 0x10FFFF) {
        last = 0x10FFFF;
    }
    if (first >= 0xD800 && last <= 0xDFFF) {
        return false;
    }
    return first <= last;
}

static inline void text_step(text *text, uint8_t byte) {
    if (text->is_broken) {
        return;
    }
    if (text->missing > 0) {
        text->is_broken = byte >> 6 != 2;
        text->value = text->value << 6 | (byte & 0x3Fu);
        text->missing -= 1;
    } else if (byte >> 7 == 0) {
        return;
    } else if (byte >> 5 == 6) {
        text->value = byte & 0x1Fu;
        text->size = 2;
        text->missing = 1;
    } else if (byte >> 4 == 14) {
        text->value = byte & 0x0Fu;
        text->size = 3;
        text->missing = 2;
    } else if (byte >> 3 == 30) {
        text->value = byte & 0x07u;
        text->size = 4;
        text->missing = 3;
    } else {
        text->is_broken = true;
    }
    if (!text->is_broken) {
        unsigned bits = 6 * text->missing;
        uint32_t first = text->value << bits;
        uint32_t last = first | ((UINT32_C(1) << bits) - 1);
        text->is_broken = !text_is_reachable(first, last, text->size);
    }
}

static inline void text_read(text *text, const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        text_step(text, bytes[i]);
    }
}

#endif
