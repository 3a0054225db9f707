// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "mask_x86.h"

#if defined(__x86_64__)

void apus_mask_sse4(uint8_t *target, const uint8_t *source, size_t size, uint32_t key) {
    if (size <= 64) {
        apus_mask_up_to_64_sse4(target, source, size, key);
        return;
    }
    __m128i last_key = apus_key_xmm(apus_key_at(key, size));
    __m128i first = apus_load_xmm(source);
    __m128i a = apus_load_xmm(source + size - 64);
    __m128i b = apus_load_xmm(source + size - 48);
    __m128i c = apus_load_xmm(source + size - 32);
    __m128i d = apus_load_xmm(source + size - 16);
    size_t i = apus_bytes_to_alignment(target, 16);
    __m128i middle_key = apus_key_xmm(apus_key_at(key, i));
    for (; i + 64 < size; i += 64) {
        __m128i e = apus_load_xmm(source + i);
        __m128i f = apus_load_xmm(source + i + 16);
        __m128i g = apus_load_xmm(source + i + 32);
        __m128i h = apus_load_xmm(source + i + 48);
        apus_mask_xmm(target + i, e, middle_key);
        apus_mask_xmm(target + i + 16, f, middle_key);
        apus_mask_xmm(target + i + 32, g, middle_key);
        apus_mask_xmm(target + i + 48, h, middle_key);
    }
    apus_mask_xmm(target, first, apus_key_xmm(key));
    apus_mask_xmm(target + size - 64, a, last_key);
    apus_mask_xmm(target + size - 48, b, last_key);
    apus_mask_xmm(target + size - 32, c, last_key);
    apus_mask_xmm(target + size - 16, d, last_key);
}

/* A vector that is stored into two pages takes as long as 16 others. */
APUS_INLINE bool is_in_two_pages(const uint8_t *bytes, size_t width) {
    return ((uintptr_t)bytes & 4095) > 4096 - width;
}

/* The ends apart from what is aligned, so that nothing lies in two pages. More than 128 bytes. */
static __attribute__((noinline)) void mask_in_parts(apus_mask_kernel *mask, uint8_t *target,
                                                    const uint8_t *source, size_t size,
                                                    uint32_t key) {
    size_t head = apus_bytes_to_alignment(target, 64), tail = (size - head) % 64;
    mask(target, source, head, key);
    mask(target + head, source + head, size - head - tail, apus_key_at(key, head));
    mask(target + size - tail, source + size - tail, tail, apus_key_at(key, size - tail));
}

APUS_AVX2 APUS_HOT void apus_mask_avx2(uint8_t *target, const uint8_t *source, size_t size,
                                       uint32_t key) {
    if (APUS_LIKELY(size <= 128)) {
        apus_mask_up_to_128(target, source, size, key);
        return;
    }
    if (is_in_two_pages(target, 32) || is_in_two_pages(target + size - 32, 32)) {
        mask_in_parts(apus_mask_avx2, target, source, size, key);
        return;
    }
    __m256i first = apus_load_ymm(source);
    __m256i last = apus_load_ymm(source + size - 32);
    size_t i = apus_bytes_to_alignment(target, 32);
    __m256i middle_key = apus_key_ymm(apus_key_at(key, i));
    for (; i + 128 <= size; i += 128) {
        __m256i a = apus_load_ymm(source + i);
        __m256i b = apus_load_ymm(source + i + 32);
        __m256i c = apus_load_ymm(source + i + 64);
        __m256i d = apus_load_ymm(source + i + 96);
        apus_mask_ymm(target + i, a, middle_key);
        apus_mask_ymm(target + i + 32, b, middle_key);
        apus_mask_ymm(target + i + 64, c, middle_key);
        apus_mask_ymm(target + i + 96, d, middle_key);
    }
    for (; i + 32 < size; i += 32) {
        apus_mask_ymm(target + i, apus_load_ymm(source + i), middle_key);
    }
    apus_mask_ymm(target, first, apus_key_ymm(key));
    apus_mask_ymm(target + size - 32, last, apus_key_ymm(apus_key_at(key, size)));
}

APUS_AVX512 APUS_HOT void apus_mask_avx512(uint8_t *target, const uint8_t *source, size_t size,
                                           uint32_t key) {
    if (APUS_LIKELY(size <= 128)) {
        apus_mask_up_to_128(target, source, size, key);
        return;
    }
    if (is_in_two_pages(target, 64) || is_in_two_pages(target + size - 64, 64)) {
        mask_in_parts(apus_mask_avx512, target, source, size, key);
        return;
    }
    __m512i first = apus_load_zmm(source);
    __m512i last = apus_load_zmm(source + size - 64);
    size_t i = apus_bytes_to_alignment(target, 64);
    __m512i middle_key = apus_key_zmm(apus_key_at(key, i));
    for (; i + 256 <= size; i += 256) {
        __m512i a = apus_load_zmm(source + i);
        __m512i b = apus_load_zmm(source + i + 64);
        __m512i c = apus_load_zmm(source + i + 128);
        __m512i d = apus_load_zmm(source + i + 192);
        apus_mask_zmm(target + i, a, middle_key);
        apus_mask_zmm(target + i + 64, b, middle_key);
        apus_mask_zmm(target + i + 128, c, middle_key);
        apus_mask_zmm(target + i + 192, d, middle_key);
    }
    for (; i + 64 < size; i += 64) {
        apus_mask_zmm(target + i, apus_load_zmm(source + i), middle_key);
    }
    apus_mask_zmm(target, first, apus_key_zmm(key));
    apus_mask_zmm(target + size - 64, last, apus_key_zmm(apus_key_at(key, size)));
}

#endif
