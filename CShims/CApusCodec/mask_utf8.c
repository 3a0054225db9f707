// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "mask_utf8.h"

bool apus_mask_utf8_scalar(apus_utf8_state *state, uint8_t *target, const uint8_t *source,
                           size_t size, uint32_t key) {
    if (size == 0) {
        return true;
    }
    bool is_valid = true;
    size_t i = 0;
    for (; size - i >= 8; i += 8) {
        uint64_t bytes = apus_load64(source + i) ^ apus_key_twice(key);
        apus_store64(target + i, bytes);
        bool is_plain = *state == 0 && (bytes & UINT64_C(0x8080808080808080)) == 0;
        if (!is_plain) {
            is_valid = is_valid && apus_utf8_scalar(state, target + i, 8);
        }
    }
    apus_mask_under_16(target + i, source + i, size - i, key);
    return is_valid && apus_utf8_scalar(state, target + i, size - i);
}

bool apus_mask_utf8(apus_utf8_state *state, uint8_t *bytes, size_t size, uint32_t masking_key,
                    size_t offset) {
    uint32_t key = apus_key_at(masking_key, offset);
    return apus_kernels_current()->mask_utf8(state, bytes, bytes, size, key);
}

bool apus_mask_utf8_copy(apus_utf8_state *state, uint8_t *target, const uint8_t *source,
                         size_t size, uint32_t masking_key, size_t offset) {
    uint32_t key = apus_key_at(masking_key, offset);
    return apus_kernels_current()->mask_utf8(state, target, source, size, key);
}
