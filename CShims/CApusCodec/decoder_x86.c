// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "decoder.h"
#include "mask_utf8_x86.h"

#if defined(__x86_64__)

APUS_AVX2 APUS_INLINE bool batch_mask_utf8_avx2(apus_utf8_state *state, uint8_t *target,
                                                const uint8_t *source, size_t size, uint32_t key) {
    return size <= 128 ? apus_mask_utf8_short_avx2(state, target, source, size, key)
                       : apus_mask_utf8_avx2(state, target, source, size, key);
}

APUS_AVX512 APUS_INLINE bool batch_mask_utf8_avx512(apus_utf8_state *state, uint8_t *target,
                                                    const uint8_t *source, size_t size,
                                                    uint32_t key) {
    return size <= 128 ? apus_mask_utf8_short_avx512(state, target, source, size, key)
                       : apus_mask_utf8_avx512(state, target, source, size, key);
}

APUS_AVX2 APUS_INLINE void batch_mask_avx2(uint8_t *target, const uint8_t *source, size_t size,
                                           uint32_t key) {
    if (size <= 128) {
        apus_mask_up_to_128(target, source, size, key);
    } else {
        apus_mask_avx2(target, source, size, key);
    }
}

APUS_AVX512 APUS_INLINE void batch_mask_avx512(uint8_t *target, const uint8_t *source, size_t size,
                                               uint32_t key) {
    if (size <= 128) {
        apus_mask_up_to_128(target, source, size, key);
    } else {
        apus_mask_avx512(target, source, size, key);
    }
}

apus_result apus_batch_sse4(apus_feed *feed) {
    APUS_RETURN_BATCH(feed, apus_mask_utf8_sse4, apus_mask_sse4);
}

APUS_AVX2 apus_result apus_batch_avx2(apus_feed *feed) {
    APUS_RETURN_BATCH(feed, batch_mask_utf8_avx2, batch_mask_avx2);
}

APUS_AVX512 apus_result apus_batch_avx512(apus_feed *feed) {
    APUS_RETURN_BATCH(feed, batch_mask_utf8_avx512, batch_mask_avx512);
}

#endif
