// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "mask_utf8_x86.h"

#if defined(__x86_64__)

APUS_SSE4 bool apus_utf8_masked_sse4(apus_utf8_state *state, const uint8_t *source, size_t size,
                                     uint32_t key) {
    __m128i before = apus_carried_xmm(*state);
    __m128i errors = _mm_setzero_si128();
    size_t i = 0;
    for (; size - i >= 16; i += 16) {
        __m128i block = apus_unmask_xmm(source + i, key);
        errors = _mm_or_si128(errors, apus_errors_xmm_behind(before, block));
        before = block;
    }
    bool is_valid = _mm_testz_si128(errors, errors) != 0;
    if (i < size) {
        __m128i block = _mm_xor_si128(apus_load_under_16(source + i, size - i), apus_key_xmm(key));
        is_valid = is_valid && apus_is_valid_xmm_behind(before, block, size - i);
    }
    uint32_t tail = apus_utf8_tail_masked(*state, source, size, key);
    return apus_utf8_keep(state, tail) && is_valid;
}

APUS_SSE4 static size_t mask_ascii_sse4(uint8_t *target, const uint8_t *source, size_t size,
                                        uint32_t key) {
    size_t i = 0;
    for (; size - i >= 64; i += 64) {
        __m128i a = apus_unmask_xmm(source + i, key);
        __m128i b = apus_unmask_xmm(source + i + 16, key);
        __m128i c = apus_unmask_xmm(source + i + 32, key);
        __m128i d = apus_unmask_xmm(source + i + 48, key);
        if (!apus_is_ascii_xmm(_mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d)))) {
            break;
        }
        apus_store_xmm(target + i, a);
        apus_store_xmm(target + i + 16, b);
        apus_store_xmm(target + i + 32, c);
        apus_store_xmm(target + i + 48, d);
    }
    return i;
}

APUS_SSE4 bool apus_mask_utf8_sse4(apus_utf8_state *state, uint8_t *target, const uint8_t *source,
                                   size_t size, uint32_t key) {
    if (size <= 64) {
        return apus_mask_utf8_short_sse4(state, target, source, size, key);
    }
    if (size >= APUS_UTF8_LONG) {
        return apus_mask_utf8_long(state, target, source, size, key, mask_ascii_sse4,
                                   apus_mask_sse4, apus_utf8_sse4);
    }
    __m128i before = apus_carried_xmm(*state);
    __m128i errors = _mm_setzero_si128();
    size_t i = 0;
    for (; size - i >= 64; i += 64) {
        __m128i a = apus_unmask_xmm(source + i, key);
        __m128i b = apus_unmask_xmm(source + i + 16, key);
        __m128i c = apus_unmask_xmm(source + i + 32, key);
        __m128i d = apus_unmask_xmm(source + i + 48, key);
        apus_store_xmm(target + i, a);
        apus_store_xmm(target + i + 16, b);
        apus_store_xmm(target + i + 32, c);
        apus_store_xmm(target + i + 48, d);
        __m128i all = _mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d));
        if (apus_is_ascii_xmm(all)) {
            errors = _mm_or_si128(errors, apus_unfinished_xmm(before));
        } else {
            errors = _mm_or_si128(errors, apus_errors_xmm_behind(before, a));
            errors = _mm_or_si128(errors, apus_errors_xmm_behind(a, b));
            errors = _mm_or_si128(errors, apus_errors_xmm_behind(b, c));
            errors = _mm_or_si128(errors, apus_errors_xmm_behind(c, d));
        }
        before = d;
    }
    bool is_valid = apus_utf8_keep(state, (uint32_t)_mm_extract_epi32(before, 3)) &&
                    _mm_testz_si128(errors, errors) != 0;
    return apus_mask_utf8_short_sse4(state, target + i, source + i, size - i, key) && is_valid;
}

APUS_AVX2 bool apus_utf8_masked_avx2(apus_utf8_state *state, const uint8_t *source, size_t size,
                                     uint32_t key) {
    apus_rules32 rules = apus_rules32_make();
    __m256i before = apus_carried32(*state);
    __m256i errors = _mm256_setzero_si256();
    size_t i = 0;
    for (; size - i >= 32; i += 32) {
        __m256i block = apus_unmask_ymm(source + i, key);
        errors = _mm256_or_si256(errors, apus_errors32_behind(rules, before, block));
        before = block;
    }
    bool is_valid = _mm256_testz_si256(errors, errors) != 0;
    if (i < size) {
        __m256i block =
            _mm256_xor_si256(apus_load_under_32(source + i, size - i), apus_key_ymm(key));
        __m256i is_fine =
            _mm256_cmpeq_epi8(apus_errors32_behind(rules, before, block), _mm256_setzero_si256());
        uint32_t in_piece = UINT32_MAX >> (32 - (size - i));
        is_valid = is_valid && (~(uint32_t)_mm256_movemask_epi8(is_fine) & in_piece) == 0;
    }
    uint32_t tail = apus_utf8_tail_masked(*state, source, size, key);
    return apus_utf8_keep(state, tail) && is_valid;
}

APUS_AVX2 static size_t mask_ascii_avx2(uint8_t *target, const uint8_t *source, size_t size,
                                        uint32_t key) {
    size_t i = 0;
    for (; size - i >= 128; i += 128) {
        __m256i a = apus_unmask_ymm(source + i, key);
        __m256i b = apus_unmask_ymm(source + i + 32, key);
        __m256i c = apus_unmask_ymm(source + i + 64, key);
        __m256i d = apus_unmask_ymm(source + i + 96, key);
        if (!apus_is_ascii32(_mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d)))) {
            break;
        }
        apus_store_ymm(target + i, a);
        apus_store_ymm(target + i + 32, b);
        apus_store_ymm(target + i + 64, c);
        apus_store_ymm(target + i + 96, d);
    }
    return i;
}

APUS_AVX2 bool apus_mask_utf8_avx2(apus_utf8_state *state, uint8_t *target, const uint8_t *source,
                                   size_t size, uint32_t key) {
    if (size <= 128) {
        return apus_mask_utf8_short_avx2(state, target, source, size, key);
    }
    if (size >= APUS_UTF8_LONG) {
        return apus_mask_utf8_long(state, target, source, size, key, mask_ascii_avx2,
                                   apus_mask_avx2, apus_utf8_avx2);
    }
    apus_rules32 rules = apus_rules32_make();
    __m256i before = apus_carried32(*state);
    __m256i errors = _mm256_setzero_si256();
    bool is_after_ascii = *state == 0;
    size_t i = 0;
    for (; size - i >= 128; i += 64) {
        __m256i a = apus_unmask_ymm(source + i, key);
        __m256i b = apus_unmask_ymm(source + i + 32, key);
        apus_store_ymm(target + i, a);
        apus_store_ymm(target + i + 32, b);
        bool is_ascii = apus_is_ascii32(_mm256_or_si256(a, b));
        if (!is_ascii || !is_after_ascii) {
            errors = _mm256_or_si256(errors, apus_errors32_behind(rules, before, a));
            errors = _mm256_or_si256(errors, apus_errors32_behind(rules, a, b));
        }
        is_after_ascii = is_ascii;
        before = b;
    }
    bool is_valid = apus_utf8_keep(state, (uint32_t)_mm256_extract_epi32(before, 7));
    is_valid = _mm256_testz_si256(errors, errors) != 0 && is_valid;
    return apus_mask_utf8_short_avx2(state, target + i, source + i, size - i, key) && is_valid;
}

APUS_AVX512 static size_t mask_ascii_avx512(uint8_t *target, const uint8_t *source, size_t size,
                                            uint32_t key) {
    if (size < 64) {
        return 0;
    }
    __m512i first = apus_unmask_zmm(source, key);
    if (!apus_is_ascii64(first)) {
        return 0;
    }
    __m512i last = apus_unmask_zmm(source + size - 64, apus_key_at(key, size));
    size_t i = apus_bytes_to_alignment(target, 64);
    __m512i middle_key = apus_key_zmm(apus_key_at(key, i));
    for (; size - i >= 256; i += 256) {
        __m512i a = _mm512_xor_si512(apus_load_zmm(source + i), middle_key);
        __m512i b = _mm512_xor_si512(apus_load_zmm(source + i + 64), middle_key);
        __m512i c = _mm512_xor_si512(apus_load_zmm(source + i + 128), middle_key);
        __m512i d = _mm512_xor_si512(apus_load_zmm(source + i + 192), middle_key);
        if (!apus_is_ascii64(_mm512_or_si512(_mm512_or_si512(a, b), _mm512_or_si512(c, d)))) {
            break;
        }
        apus_store_zmm(target + i, a);
        apus_store_zmm(target + i + 64, b);
        apus_store_zmm(target + i + 128, c);
        apus_store_zmm(target + i + 192, d);
    }
    for (; size - i >= 64; i += 64) {
        __m512i block = _mm512_xor_si512(apus_load_zmm(source + i), middle_key);
        if (!apus_is_ascii64(block)) {
            break;
        }
        apus_store_zmm(target + i, block);
    }
    apus_store_zmm(target, first);
    if (size - i < 64 && apus_is_ascii64(last)) {
        apus_store_zmm(target + size - 64, last);
        return size;
    }
    /* The first block may reach beyond what the loops have done. */
    return i < 64 ? 64 : i;
}

APUS_AVX512 bool apus_mask_utf8_avx512(apus_utf8_state *state, uint8_t *target,
                                       const uint8_t *source, size_t size, uint32_t key) {
    if (size <= 128) {
        return apus_mask_utf8_short_avx512(state, target, source, size, key);
    }
    if (size >= APUS_UTF8_LONG) {
        return apus_mask_utf8_long(state, target, source, size, key, mask_ascii_avx512,
                                   apus_mask_avx512, apus_utf8_avx512);
    }
    apus_scan64 scan = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    __m512i before = apus_carried64(*state);
    bool is_after_ascii = *state == 0;
    size_t i = 0;
    for (; size - i >= 128; i += 128) {
        __m512i a = apus_unmask_zmm(source + i, key);
        __m512i b = apus_unmask_zmm(source + i + 64, key);
        apus_store_zmm(target + i, a);
        apus_store_zmm(target + i + 64, b);
        bool is_ascii = apus_is_ascii64(_mm512_or_si512(a, b));
        if (!is_ascii || !is_after_ascii) {
            apus_scan64_add_behind(&scan, before, a);
            apus_scan64_add_behind(&scan, a, b);
        }
        is_after_ascii = is_ascii;
        before = b;
    }
    __m128i last = _mm512_extracti32x4_epi32(before, 3);
    bool is_valid = apus_utf8_keep(state, (uint32_t)_mm_extract_epi32(last, 3));
    is_valid = apus_scan64_is_valid(scan) && is_valid;
    return apus_mask_utf8_short_avx512(state, target + i, source + i, size - i, key) && is_valid;
}

#endif
