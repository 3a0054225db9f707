// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "mask.h"

void apus_mask_scalar(uint8_t *target, const uint8_t *source, size_t size, uint32_t key) {
    if (size == 0) {
        return;
    }
    size_t i = 0;
    for (; size - i >= 16; i += 8) {
        apus_store64(target + i, apus_load64(source + i) ^ apus_key_twice(key));
    }
    apus_mask_under_16(target + i, source + i, size - i, key);
}

APUS_HOT void apus_mask(uint8_t *bytes, size_t size, uint32_t masking_key, size_t offset) {
    apus_kernels_current()->mask(bytes, bytes, size, apus_key_at(masking_key, offset));
}

APUS_HOT void apus_mask_copy(uint8_t *target, const uint8_t *source, size_t size,
                             uint32_t masking_key, size_t offset) {
    apus_kernels_current()->mask(target, source, size, apus_key_at(masking_key, offset));
}
