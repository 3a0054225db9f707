// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#ifndef APUS_CODEC_MASK_UTF8_X86_H
#define APUS_CODEC_MASK_UTF8_X86_H

#include "mask_utf8.h"
#include "mask_x86.h"
#include "utf8_avx512.h"
#include "utf8_sse4.h"
#include "utf8_x86.h"

#if defined(__x86_64__)

/*
 * Short pieces, at most 64 (SSE4.2) or 128 bytes. The check looks at the source, not at what was
 * just stored: a load across two young stores has to wait for both of them.
 */

APUS_INLINE bool apus_is_plain_up_to_32(const uint8_t *source, size_t size, uint32_t key) {
    if (size < 16) {
        __m128i block = _mm_xor_si128(apus_load_under_16(source, size), apus_key_xmm(key));
        return ((uint32_t)_mm_movemask_epi8(block) & ~(UINT32_MAX << size)) == 0;
    }
    __m128i first = _mm_xor_si128(apus_load_xmm(source), apus_key_xmm(key));
    __m128i last =
        _mm_xor_si128(apus_load_xmm(source + size - 16), apus_key_xmm(apus_key_at(key, size)));
    return _mm_movemask_epi8(_mm_or_si128(first, last)) == 0;
}

APUS_SSE4 APUS_INLINE __m128i apus_unmask_xmm(const uint8_t *bytes, uint32_t key) {
    return _mm_xor_si128(apus_load_xmm(bytes), apus_key_xmm(key));
}

/* Checks what masked bytes will be. */
APUS_HIDDEN bool apus_utf8_masked_sse4(apus_utf8_state *state, const uint8_t *source, size_t size,
                                       uint32_t key);

APUS_SSE4 APUS_INLINE bool apus_mask_utf8_short_sse4(apus_utf8_state *state, uint8_t *target,
                                                     const uint8_t *source, size_t size,
                                                     uint32_t key) {
    bool is_plain = *state == 0;
    if (size <= 32) {
        is_plain = is_plain && apus_is_plain_up_to_32(source, size, key);
    } else {
        is_plain = is_plain && apus_is_plain_up_to_32(source, 32, key) &&
                   apus_is_plain_up_to_32(source + size - 32, 32, apus_key_at(key, size));
    }
    bool is_valid = is_plain || apus_utf8_masked_sse4(state, source, size, key);
    apus_mask_up_to_64_sse4(target, source, size, key);
    return is_valid;
}

APUS_AVX2 APUS_INLINE __m256i apus_unmask_ymm(const uint8_t *bytes, uint32_t key) {
    return _mm256_xor_si256(apus_load_ymm(bytes), apus_key_ymm(key));
}

APUS_AVX2 APUS_INLINE bool apus_is_plain_avx2(const uint8_t *source, size_t size, uint32_t key) {
    if (size <= 32) {
        return apus_is_plain_up_to_32(source, size, key);
    }
    uint32_t last_key = apus_key_at(key, size);
    __m256i blocks = _mm256_or_si256(apus_unmask_ymm(source, key),
                                     apus_unmask_ymm(source + size - 32, last_key));
    if (size > 64) {
        __m256i a = apus_unmask_ymm(source + 32, key);
        __m256i b = apus_unmask_ymm(source + size - 64, last_key);
        blocks = _mm256_or_si256(blocks, _mm256_or_si256(a, b));
    }
    return apus_is_ascii32(blocks);
}

APUS_HIDDEN bool apus_utf8_masked_avx2(apus_utf8_state *state, const uint8_t *source, size_t size,
                                       uint32_t key);

APUS_AVX2 APUS_INLINE bool apus_mask_utf8_short_avx2(apus_utf8_state *state, uint8_t *target,
                                                     const uint8_t *source, size_t size,
                                                     uint32_t key) {
    bool is_valid = (*state == 0 && apus_is_plain_avx2(source, size, key)) ||
                    apus_utf8_masked_avx2(state, source, size, key);
    apus_mask_up_to_128(target, source, size, key);
    return is_valid;
}

APUS_AVX512 APUS_INLINE __m512i apus_unmask_zmm(const uint8_t *bytes, uint32_t key) {
    return _mm512_xor_si512(apus_load_zmm(bytes), apus_key_zmm(key));
}

/* Whether a short text is ASCII is seen sooner in narrow registers; what to do about others is not.
 */
APUS_AVX512 APUS_INLINE bool apus_mask_utf8_short_avx512(apus_utf8_state *state, uint8_t *target,
                                                         const uint8_t *source, size_t size,
                                                         uint32_t key) {
    if (*state == 0 && apus_is_plain_avx2(source, size, key)) {
        apus_mask_up_to_128(target, source, size, key);
        return true;
    }
    if (size == 0) {
        return true;
    }
    apus_scan64 scan = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    __m512i before = apus_carried64(*state), last;
    size_t rest = size;
    if (size <= 64) {
        last = size == 64 ? apus_load_zmm(source) : apus_load_under_64(source, size);
        last = _mm512_xor_si512(last, apus_key_zmm(key));
        last = _mm512_maskz_mov_epi8(apus_lanes64(size), last);
    } else {
        __m512i first = apus_unmask_zmm(source, key);
        apus_scan64_add_behind(&scan, before, first);
        before = first;
        rest = size - 64;
        last = apus_unmask_zmm(source + rest, apus_key_at(key, size));
        last = apus_last64(last, rest);
    }
    uint32_t tail = apus_utf8_tail_masked(*state, source, size, key);
    apus_mask_up_to_128(target, source, size, key);
    bool is_valid = apus_scan64_end(scan, before, last, rest);
    return apus_utf8_keep(state, tail) && is_valid;
}

#endif
#endif
