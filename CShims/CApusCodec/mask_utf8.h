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

/* From how many bytes on two passes are worth their calls. */
enum { APUS_UTF8_LONG = 512 };

/* XORs by blocks for as long as ASCII comes out; returns how much that was. */
typedef size_t apus_mask_ascii_kernel(uint8_t *target, const uint8_t *source, size_t size,
                                      uint32_t key);

/*
 * A long piece: ASCII in one pass, all else in two that take turns. Where the check takes longer
 * than the memory, it is faster from there than from registers, in which every byte has to be
 * shifted to its neighbours.
 */
APUS_INLINE bool apus_mask_utf8_long(apus_utf8_state *state, uint8_t *target, const uint8_t *source,
                                     size_t size, uint32_t key, apus_mask_ascii_kernel *mask_ascii,
                                     apus_mask_kernel *mask, apus_utf8_kernel *utf8) {
    enum { TILE = 8192 };
    bool is_valid = true;
    for (size_t i = 0; i < size;) {
        if (*state == 0) {
            i += mask_ascii(target + i, source + i, size - i, apus_key_at(key, i));
        }
        size_t tile = !is_valid || size - i < TILE ? size - i : TILE;
        mask(target + i, source + i, tile, apus_key_at(key, i));
        is_valid = is_valid && utf8(state, target + i, tile);
        i += tile;
    }
    return is_valid;
}

#endif
