// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "mask_utf8.h"
#include "utf8_arm.h"

#if defined(__AARCH64EL__)

bool apus_mask_utf8_neon(apus_utf8_state *state, uint8_t *target, const uint8_t *source,
                         size_t size, uint32_t key) {
    if (size == 0) {
        return true;
    }
    uint8x16_t keys = vreinterpretq_u8_u32(vdupq_n_u32(key));
    uint8x16_t before = apus_carried16(*state);
    uint8x16_t errors = vdupq_n_u8(0);
    bool is_after_ascii = *state == 0;
    size_t i = 0;
    for (; size - i >= 64; i += 64) {
        uint8x16_t a = veorq_u8(vld1q_u8(source + i), keys);
        uint8x16_t b = veorq_u8(vld1q_u8(source + i + 16), keys);
        uint8x16_t c = veorq_u8(vld1q_u8(source + i + 32), keys);
        uint8x16_t d = veorq_u8(vld1q_u8(source + i + 48), keys);
        vst1q_u8(target + i, a);
        vst1q_u8(target + i + 16, b);
        vst1q_u8(target + i + 32, c);
        vst1q_u8(target + i + 48, d);
        bool is_ascii = apus_is_ascii16(vorrq_u8(vorrq_u8(a, b), vorrq_u8(c, d)));
        if (!is_ascii || !is_after_ascii) {
            errors = vorrq_u8(errors, apus_errors16_behind(before, a));
            errors = vorrq_u8(errors, apus_errors16_behind(a, b));
            errors = vorrq_u8(errors, apus_errors16_behind(b, c));
            errors = vorrq_u8(errors, apus_errors16_behind(c, d));
        }
        is_after_ascii = is_ascii;
        before = d;
    }
    for (; size - i >= 16; i += 16) {
        uint8x16_t block = veorq_u8(vld1q_u8(source + i), keys);
        vst1q_u8(target + i, block);
        bool is_ascii = apus_is_ascii16(block);
        if (!is_ascii || !is_after_ascii) {
            errors = vorrq_u8(errors, apus_errors16_behind(before, block));
        }
        is_after_ascii = is_ascii;
        before = block;
    }
    uint32_t last = vgetq_lane_u32(vreinterpretq_u32_u8(before), 3);
    bool is_valid = apus_utf8_keep(state, last) && vmaxvq_u8(errors) == 0;
    return apus_mask_utf8_scalar(state, target + i, source + i, size - i, key) && is_valid;
}

#endif
