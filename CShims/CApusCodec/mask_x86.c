// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "mask.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi")))

APUS_INLINE __m128i load16(const uint8_t *bytes) {
    return _mm_loadu_si128((const __m128i *)bytes);
}

APUS_INLINE void store16(uint8_t *bytes, __m128i value, __m128i key) {
    _mm_storeu_si128((__m128i *)bytes, _mm_xor_si128(value, key));
}

APUS_INLINE __m128i key16(uint32_t key) {
    return _mm_set1_epi32((int)key);
}

APUS_INLINE void mask_up_to_32(uint8_t *target, const uint8_t *source, size_t size, uint32_t key) {
    if (size < 16) {
        apus_mask_under_16(target, source, size, key);
        return;
    }
    __m128i first = load16(source);
    __m128i last = load16(source + size - 16);
    store16(target, first, key16(key));
    store16(target + size - 16, last, key16(apus_key_at(key, size)));
}

void apus_mask_sse2(uint8_t *target, const uint8_t *source, size_t size, uint32_t key) {
    if (size <= 32) {
        mask_up_to_32(target, source, size, key);
        return;
    }
    __m128i last_key = key16(apus_key_at(key, size));
    if (size <= 64) {
        __m128i a = load16(source);
        __m128i b = load16(source + 16);
        __m128i c = load16(source + size - 32);
        __m128i d = load16(source + size - 16);
        store16(target, a, key16(key));
        store16(target + 16, b, key16(key));
        store16(target + size - 32, c, last_key);
        store16(target + size - 16, d, last_key);
        return;
    }
    __m128i first = load16(source);
    __m128i a = load16(source + size - 64);
    __m128i b = load16(source + size - 48);
    __m128i c = load16(source + size - 32);
    __m128i d = load16(source + size - 16);
    size_t i = apus_bytes_to_alignment(target, 16);
    __m128i middle_key = key16(apus_key_at(key, i));
    for (; i + 64 < size; i += 64) {
        __m128i e = load16(source + i);
        __m128i f = load16(source + i + 16);
        __m128i g = load16(source + i + 32);
        __m128i h = load16(source + i + 48);
        store16(target + i, e, middle_key);
        store16(target + i + 16, f, middle_key);
        store16(target + i + 32, g, middle_key);
        store16(target + i + 48, h, middle_key);
    }
    store16(target, first, key16(key));
    store16(target + size - 64, a, last_key);
    store16(target + size - 48, b, last_key);
    store16(target + size - 32, c, last_key);
    store16(target + size - 16, d, last_key);
}

AVX2 APUS_INLINE __m256i load32(const uint8_t *bytes) {
    return _mm256_loadu_si256((const __m256i *)bytes);
}

AVX2 APUS_INLINE void store32(uint8_t *bytes, __m256i value, __m256i key) {
    _mm256_storeu_si256((__m256i *)bytes, _mm256_xor_si256(value, key));
}

AVX2 APUS_INLINE __m256i key32(uint32_t key) {
    return _mm256_set1_epi32((int)key);
}

AVX2 APUS_INLINE void mask_up_to_64(uint8_t *target, const uint8_t *source, size_t size,
                                    uint32_t key) {
    if (size <= 32) {
        mask_up_to_32(target, source, size, key);
        return;
    }
    __m256i first = load32(source);
    __m256i last = load32(source + size - 32);
    store32(target, first, key32(key));
    store32(target + size - 32, last, key32(apus_key_at(key, size)));
}

AVX2 void apus_mask_avx2(uint8_t *target, const uint8_t *source, size_t size, uint32_t key) {
    if (size <= 64) {
        mask_up_to_64(target, source, size, key);
        return;
    }
    __m256i last_key = key32(apus_key_at(key, size));
    if (size <= 128) {
        __m256i a = load32(source);
        __m256i b = load32(source + 32);
        __m256i c = load32(source + size - 64);
        __m256i d = load32(source + size - 32);
        store32(target, a, key32(key));
        store32(target + 32, b, key32(key));
        store32(target + size - 64, c, last_key);
        store32(target + size - 32, d, last_key);
        return;
    }
    __m256i first = load32(source);
    __m256i a = load32(source + size - 128);
    __m256i b = load32(source + size - 96);
    __m256i c = load32(source + size - 64);
    __m256i d = load32(source + size - 32);
    size_t i = apus_bytes_to_alignment(target, 32);
    __m256i middle_key = key32(apus_key_at(key, i));
    for (; i + 128 < size; i += 128) {
        __m256i e = load32(source + i);
        __m256i f = load32(source + i + 32);
        __m256i g = load32(source + i + 64);
        __m256i h = load32(source + i + 96);
        store32(target + i, e, middle_key);
        store32(target + i + 32, f, middle_key);
        store32(target + i + 64, g, middle_key);
        store32(target + i + 96, h, middle_key);
    }
    store32(target, first, key32(key));
    store32(target + size - 128, a, last_key);
    store32(target + size - 96, b, last_key);
    store32(target + size - 64, c, last_key);
    store32(target + size - 32, d, last_key);
}

AVX512 APUS_INLINE __m512i load64(const uint8_t *bytes) {
    return _mm512_loadu_si512(bytes);
}

AVX512 APUS_INLINE void store64(uint8_t *bytes, __m512i value, __m512i key) {
    _mm512_storeu_si512(bytes, _mm512_xor_si512(value, key));
}

AVX512 APUS_INLINE __m512i key64(uint32_t key) {
    return _mm512_set1_epi32((int)key);
}

AVX512 void apus_mask_avx512(uint8_t *target, const uint8_t *source, size_t size, uint32_t key) {
    if (size <= 64) {
        mask_up_to_64(target, source, size, key);
        return;
    }
    __m512i last_key = key64(apus_key_at(key, size));
    __m512i first = load64(source);
    __m512i last = load64(source + size - 64);
    if (size > 128) {
        __m512i a = load64(source + size - 128);
        if (size > 192) {
            __m512i b = load64(source + size - 192);
            /* From 512 bytes on a target that is not aligned costs as much as the work itself. */
            size_t i = apus_bytes_to_alignment(target, 64);
            __m512i middle_key = key64(apus_key_at(key, i));
            for (; i + 192 < size; i += 128) {
                __m512i c = load64(source + i);
                __m512i d = load64(source + i + 64);
                store64(target + i, c, middle_key);
                store64(target + i + 64, d, middle_key);
            }
            store64(target + size - 192, b, last_key);
        }
        store64(target + size - 128, a, last_key);
    }
    store64(target, first, key64(key));
    store64(target + size - 64, last, last_key);
}

#endif
