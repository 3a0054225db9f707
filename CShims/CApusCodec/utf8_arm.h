// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#ifndef APUS_CODEC_UTF8_ARM_H
#define APUS_CODEC_UTF8_ARM_H

#include "utf8.h"

#if defined(__AARCH64EL__)

#include <arm_neon.h>

APUS_INLINE uint8x16_t apus_errors16(uint8x16_t block, uint8x16_t one, uint8x16_t two,
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

APUS_INLINE uint8x16_t apus_errors16_behind(uint8x16_t before, uint8x16_t block) {
    return apus_errors16(block, vextq_u8(before, block, 15), vextq_u8(before, block, 14),
                         vextq_u8(before, block, 13));
}

APUS_INLINE bool apus_is_ascii16(uint8x16_t block) {
    return vmaxvq_u8(block) < 0x80;
}

/* What a text left unfinished, as the end of a block. */
APUS_INLINE uint8x16_t apus_carried16(apus_utf8_state state) {
    return vreinterpretq_u8_u32(vsetq_lane_u32(state, vdupq_n_u32(0), 3));
}

#endif
#endif
