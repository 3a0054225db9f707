// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#ifndef APUS_CODEC_MASK_X86_H
#define APUS_CODEC_MASK_X86_H

#include "mask.h"
#include "x86.h"

#if defined(__x86_64__)

/* Short pieces, to be inlined into whatever walks over many of them. */

APUS_INLINE void apus_mask_xmm(uint8_t *bytes, __m128i value, __m128i key) {
    _mm_storeu_si128((__m128i *)bytes, _mm_xor_si128(value, key));
}

APUS_INLINE __m128i apus_key_xmm(uint32_t key) {
    return _mm_set1_epi32((int)key);
}

APUS_AVX2 APUS_INLINE void apus_mask_ymm(uint8_t *bytes, __m256i value, __m256i key) {
    _mm256_storeu_si256((__m256i *)bytes, _mm256_xor_si256(value, key));
}

APUS_AVX2 APUS_INLINE __m256i apus_key_ymm(uint32_t key) {
    return _mm256_set1_epi32((int)key);
}

APUS_AVX512 APUS_INLINE void apus_mask_zmm(uint8_t *bytes, __m512i value, __m512i key) {
    _mm512_storeu_si512(bytes, _mm512_xor_si512(value, key));
}

APUS_AVX512 APUS_INLINE __m512i apus_key_zmm(uint32_t key) {
    return _mm512_set1_epi32((int)key);
}

APUS_INLINE void apus_mask_up_to_32(uint8_t *target, const uint8_t *source, size_t size,
                                    uint32_t key) {
    if (size < 16) {
        apus_mask_under_16(target, source, size, key);
        return;
    }
    __m128i first = apus_load_xmm(source);
    __m128i last = apus_load_xmm(source + size - 16);
    apus_mask_xmm(target, first, apus_key_xmm(key));
    apus_mask_xmm(target + size - 16, last, apus_key_xmm(apus_key_at(key, size)));
}

/* Up to 64 bytes, 16 at a time. */
APUS_INLINE void apus_mask_up_to_64_sse4(uint8_t *target, const uint8_t *source, size_t size,
                                         uint32_t key) {
    if (size <= 32) {
        apus_mask_up_to_32(target, source, size, key);
        return;
    }
    __m128i last_key = apus_key_xmm(apus_key_at(key, size));
    __m128i a = apus_load_xmm(source);
    __m128i b = apus_load_xmm(source + 16);
    __m128i c = apus_load_xmm(source + size - 32);
    __m128i d = apus_load_xmm(source + size - 16);
    apus_mask_xmm(target, a, apus_key_xmm(key));
    apus_mask_xmm(target + 16, b, apus_key_xmm(key));
    apus_mask_xmm(target + size - 32, c, last_key);
    apus_mask_xmm(target + size - 16, d, last_key);
}

/* Pieces of random sizes cost as much as the jumps that nobody can foresee. So most sizes are one
 * case: two vectors from the front and two from the back, which up to 64 bytes are the same. The
 * outer ones are stored last, and next to each other: loads of all 64 bytes are served by them. */
APUS_AVX2 APUS_INLINE void apus_mask_up_to_128(uint8_t *target, const uint8_t *source, size_t size,
                                               uint32_t key) {
    if (size < 32) {
        apus_mask_up_to_32(target, source, size, key);
        return;
    }
    size_t step = (size - 1) / 64 * 32;
    __m256i first_key = apus_key_ymm(key), last_key = apus_key_ymm(apus_key_at(key, size));
    __m256i a = apus_load_ymm(source);
    __m256i b = apus_load_ymm(source + step);
    __m256i c = apus_load_ymm(source + size - 32 - step);
    __m256i d = apus_load_ymm(source + size - 32);
    apus_mask_ymm(target + step, b, first_key);
    apus_mask_ymm(target + size - 32 - step, c, last_key);
    apus_mask_ymm(target, a, first_key);
    apus_mask_ymm(target + size - 32, d, last_key);
}

#endif
#endif
