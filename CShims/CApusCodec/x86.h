// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#ifndef APUS_CODEC_X86_H
#define APUS_CODEC_X86_H

#include "internal.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define APUS_SSE4 __attribute__((target("sse4.2")))
#define APUS_AVX2 __attribute__((target("avx2")))
#define APUS_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi")))

APUS_INLINE __m128i apus_load_xmm(const uint8_t *bytes) {
    return _mm_loadu_si128((const __m128i *)bytes);
}

APUS_INLINE void apus_store_xmm(uint8_t *bytes, __m128i value) {
    _mm_storeu_si128((__m128i *)bytes, value);
}

APUS_AVX2 APUS_INLINE __m256i apus_load_ymm(const uint8_t *bytes) {
    return _mm256_loadu_si256((const __m256i *)bytes);
}

APUS_AVX2 APUS_INLINE void apus_store_ymm(uint8_t *bytes, __m256i value) {
    _mm256_storeu_si256((__m256i *)bytes, value);
}

APUS_AVX512 APUS_INLINE __m512i apus_load_zmm(const uint8_t *bytes) {
    return _mm512_loadu_si512(bytes);
}

APUS_AVX512 APUS_INLINE void apus_store_zmm(uint8_t *bytes, __m512i value) {
    _mm512_storeu_si512(bytes, value);
}

/* The bytes of a block of 64 that are of a piece which ends in it or goes on. */
APUS_INLINE uint64_t apus_lanes64(size_t size) {
    return size >= 64 ? UINT64_MAX : UINT64_MAX >> (64 - size);
}

#endif
#endif
