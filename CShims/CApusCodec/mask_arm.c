// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "mask.h"

#if defined(__AARCH64EL__)

#include <arm_neon.h>

APUS_INLINE void store16(uint8_t *bytes, uint8x16_t value, uint8x16_t key) {
    vst1q_u8(bytes, veorq_u8(value, key));
}

APUS_INLINE uint8x16_t key16(uint32_t key) {
    return vreinterpretq_u8_u32(vdupq_n_u32(key));
}

void apus_mask_neon(uint8_t *target, const uint8_t *source, size_t size, uint32_t key) {
    if (size < 16) {
        apus_mask_under_16(target, source, size, key);
        return;
    }
    uint8x16_t last_key = key16(apus_key_at(key, size));
    uint8x16_t first = vld1q_u8(source);
    uint8x16_t last = vld1q_u8(source + size - 16);
    if (size > 32) {
        uint8x16_t a = vld1q_u8(source + size - 32);
        if (size > 48) {
            uint8x16_t b = vld1q_u8(source + size - 48);
            uint8x16_t c = vld1q_u8(source + (size > 64 ? size - 64 : 0));
            size_t i = apus_bytes_to_alignment(target, 16);
            uint8x16_t middle_key = key16(apus_key_at(key, i));
            for (; i + 64 < size; i += 64) {
                uint8x16_t d = vld1q_u8(source + i);
                uint8x16_t e = vld1q_u8(source + i + 16);
                uint8x16_t f = vld1q_u8(source + i + 32);
                uint8x16_t g = vld1q_u8(source + i + 48);
                store16(target + i, d, middle_key);
                store16(target + i + 16, e, middle_key);
                store16(target + i + 32, f, middle_key);
                store16(target + i + 48, g, middle_key);
            }
            if (size > 64) {
                store16(target + size - 64, c, last_key);
            }
            store16(target + size - 48, b, last_key);
        }
        store16(target + size - 32, a, last_key);
    }
    store16(target, first, key16(key));
    store16(target + size - 16, last, last_key);
}

#endif
