// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#ifndef APUS_CODEC_MASK_H
#define APUS_CODEC_MASK_H

#include "internal.h"

/*
 * All kernels end alike: the last bytes are covered by a full-width piece that overlaps its
 * predecessor, loaded before anything is stored and stored last. So there is no loop over a tail,
 * and no store is wider than what it owns (a masked store of 64 bytes would make the load of the
 * next header wait for it).
 */

/* The key for a position: whose first byte is the one that meets byte `offset` of the payload. */
APUS_INLINE uint32_t apus_key_at(uint32_t key, size_t offset) {
    unsigned shift = 8 * (unsigned)(offset & 3);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return key << shift | key >> ((32 - shift) & 31);
#else
    return key >> shift | key << ((32 - shift) & 31);
#endif
}

APUS_INLINE uint64_t apus_key_twice(uint32_t key) {
    return (uint64_t)key << 32 | key;
}

/* Less than 8 bytes. */
APUS_INLINE void apus_mask_under_8(uint8_t *target, const uint8_t *source, size_t size,
                                   uint32_t key) {
    if (size >= 4) {
        uint32_t first = apus_load32(source);
        uint32_t last = apus_load32(source + size - 4);
        apus_store32(target, first ^ key);
        apus_store32(target + size - 4, last ^ apus_key_at(key, size));
    } else if (size > 0) {
        /* Of one byte all three are the same, of two two. */
        uint8_t bytes[4];
        apus_store32(bytes, key);
        uint8_t first = source[0], middle = source[size / 2], last = source[size - 1];
        target[0] = first ^ bytes[0];
        target[size / 2] = middle ^ bytes[size / 2];
        target[size - 1] = last ^ bytes[size - 1];
    }
}

/* Less than 16 bytes. */
APUS_INLINE void apus_mask_under_16(uint8_t *target, const uint8_t *source, size_t size,
                                    uint32_t key) {
    if (size < 8) {
        apus_mask_under_8(target, source, size, key);
        return;
    }
    uint64_t first = apus_load64(source);
    uint64_t last = apus_load64(source + size - 8);
    apus_store64(target, first ^ apus_key_twice(key));
    apus_store64(target + size - 8, last ^ apus_key_twice(apus_key_at(key, size)));
}

#endif
