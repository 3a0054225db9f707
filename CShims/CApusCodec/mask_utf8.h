// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#ifndef APUS_CODEC_MASK_UTF8_H
#define APUS_CODEC_MASK_UTF8_H

#include "mask.h"
#include "utf8.h"

/*
 * The last four bytes of a text after a masked piece, the latest in the top byte: what
 * apus_utf8_keep takes. For little-endian machines, as all vector kernels are.
 */
APUS_INLINE uint32_t apus_utf8_tail_masked(apus_utf8_state state, const uint8_t *source,
                                           size_t size, uint32_t key) {
    if (size >= 4) {
        return apus_load32(source + size - 4) ^ apus_key_at(key, size);
    }
    uint32_t tail = state;
    for (size_t i = 0; i < size; i++) {
        tail = tail >> 8 | (uint32_t)(uint8_t)(source[i] ^ (uint8_t)(key >> (8 * i))) << 24;
    }
    return tail;
}

#endif
