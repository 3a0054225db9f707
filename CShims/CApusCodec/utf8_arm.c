// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "utf8.h"

#if defined(__AARCH64EL__)

#include <arm_neon.h>

APUS_INLINE uint8x16_t errors16(uint8x16_t block, uint8x16_t one, uint8x16_t two,
                                uint8x16_t three) {
    uint8x16_t low_half = vandq_u8(one, vdupq_n_u8(0x0F));
    uint8x16_t errors =
        vandq_u8(vandq_u8(vqtbl1q_u8(vld1q_u8(apus_utf8_previous_high), vshrq_n_u8(one, 4)),
                          vqtbl1q_u8(vld1q_u8(apus_utf8_previous_low), low_half)),
                 vqtbl1q_u8(vld1q_u8(apus_utf8_own_high), vshrq_n_u8(block, 4)));
    uint8x16_t third = vqsubq_u8(two, vdupq_n_u8(APUS_UTF8_THIRD));
    uint8x16_t fourth = vqsubq_u8(three, vdupq_n_u8(APUS_UTF8_FOURTH));
    uint8x16_t must_continue = vandq_u8(vorrq_u8(third, fourth), vdupq_n_u8(0x80));
    return veorq_u8(errors, must_continue);
}

APUS_INLINE uint8x16_t errors16_after(uint8x16_t before, uint8x16_t block) {
    return errors16(block, vextq_u8(before, block, 15), vextq_u8(before, block, 14),
                    vextq_u8(before, block, 13));
}

/* The three bytes before these are of the same piece. */
APUS_INLINE uint8x16_t errors16_at(const uint8_t *bytes) {
    return errors16(vld1q_u8(bytes), vld1q_u8(bytes - 1), vld1q_u8(bytes - 2), vld1q_u8(bytes - 3));
}

APUS_INLINE bool is_ascii16(uint8x16_t block) {
    return vmaxvq_u8(block) < 0x80;
}

bool apus_utf8_neon(apus_utf8_state *state, const uint8_t *bytes, size_t size) {
    if (size < 19) {
        return apus_utf8_scalar(state, bytes, size);
    }
    uint8x16_t before = vreinterpretq_u8_u32(vsetq_lane_u32(*state, vdupq_n_u32(0), 3));
    uint8x16_t errors = errors16_after(before, vld1q_u8(bytes));
    bool is_after_ascii = false;
    size_t i = 16;
    for (; size - i >= 64; i += 64) {
        uint8x16_t low = vorrq_u8(vld1q_u8(bytes + i), vld1q_u8(bytes + i + 16));
        uint8x16_t high = vorrq_u8(vld1q_u8(bytes + i + 32), vld1q_u8(bytes + i + 48));
        bool is_ascii = is_ascii16(vorrq_u8(low, high));
        if (!is_ascii || !is_after_ascii) {
            errors = vorrq_u8(errors, errors16_at(bytes + i));
            errors = vorrq_u8(errors, errors16_at(bytes + i + 16));
            errors = vorrq_u8(errors, errors16_at(bytes + i + 32));
            errors = vorrq_u8(errors, errors16_at(bytes + i + 48));
        }
        is_after_ascii = is_ascii;
    }
    for (; size - i >= 16; i += 16) {
        errors = vorrq_u8(errors, errors16_at(bytes + i));
    }
    if (i < size) {
        errors = vorrq_u8(errors, errors16_at(bytes + size - 16));
    }
    bool is_valid = vmaxvq_u8(errors) == 0;
    return apus_utf8_keep_tail(state, bytes, size) && is_valid;
}

#endif
