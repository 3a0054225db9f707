// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "utf8_arm.h"

#if defined(__AARCH64EL__)

/* The three bytes before these are of the same piece. */
APUS_INLINE uint8x16_t apus_errors16_at(const uint8_t *bytes) {
    return apus_errors16(vld1q_u8(bytes), vld1q_u8(bytes - 1), vld1q_u8(bytes - 2),
                         vld1q_u8(bytes - 3));
}

bool apus_utf8_neon(apus_utf8_state *state, const uint8_t *bytes, size_t size) {
    if (size < 19) {
        return apus_utf8_scalar(state, bytes, size);
    }
    uint8x16_t errors = apus_errors16_behind(apus_carried16(*state), vld1q_u8(bytes));
    bool is_after_ascii = false;
    size_t i = 16;
    for (; size - i >= 64; i += 64) {
        uint8x16_t low = vorrq_u8(vld1q_u8(bytes + i), vld1q_u8(bytes + i + 16));
        uint8x16_t high = vorrq_u8(vld1q_u8(bytes + i + 32), vld1q_u8(bytes + i + 48));
        bool is_ascii = apus_is_ascii16(vorrq_u8(low, high));
        if (!is_ascii || !is_after_ascii) {
            errors = vorrq_u8(errors, apus_errors16_at(bytes + i));
            errors = vorrq_u8(errors, apus_errors16_at(bytes + i + 16));
            errors = vorrq_u8(errors, apus_errors16_at(bytes + i + 32));
            errors = vorrq_u8(errors, apus_errors16_at(bytes + i + 48));
        }
        is_after_ascii = is_ascii;
    }
    for (; size - i >= 16; i += 16) {
        errors = vorrq_u8(errors, apus_errors16_at(bytes + i));
    }
    if (i < size) {
        errors = vorrq_u8(errors, apus_errors16_at(bytes + size - 16));
    }
    bool is_valid = vmaxvq_u8(errors) == 0;
    return apus_utf8_keep_tail(state, bytes, size) && is_valid;
}

#endif
