// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#ifndef APUS_CODEC_UTF8_SSE4_H
#define APUS_CODEC_UTF8_SSE4_H

#include "utf8.h"
#include "x86.h"

#if defined(__x86_64__)

APUS_SSE4 APUS_INLINE bool apus_is_ascii_xmm(__m128i block) {
    return _mm_movemask_epi8(block) == 0;
}

APUS_SSE4 APUS_INLINE __m128i apus_look_up_xmm(const uint8_t *table, __m128i halves) {
    return _mm_shuffle_epi8(apus_load_xmm(table), halves);
}

APUS_SSE4 APUS_INLINE __m128i apus_high_half_xmm(__m128i block) {
    return _mm_and_si128(_mm_srli_epi16(block, 4), _mm_set1_epi8(0x0F));
}

/* The errors in a block, given the same block one, two and three bytes earlier. */
APUS_SSE4 APUS_INLINE __m128i apus_errors_xmm(__m128i block, __m128i one, __m128i two,
                                              __m128i three) {
    __m128i low_half = _mm_and_si128(one, _mm_set1_epi8(0x0F));
    __m128i errors = _mm_and_si128(
        _mm_and_si128(apus_look_up_xmm(apus_utf8_previous_high, apus_high_half_xmm(one)),
                      apus_look_up_xmm(apus_utf8_previous_low, low_half)),
        apus_look_up_xmm(apus_utf8_own_high, apus_high_half_xmm(block)));
    __m128i third = _mm_subs_epu8(two, _mm_set1_epi8(APUS_UTF8_THIRD));
    __m128i fourth = _mm_subs_epu8(three, _mm_set1_epi8(APUS_UTF8_FOURTH));
    __m128i must_continue = _mm_and_si128(_mm_or_si128(third, fourth), _mm_set1_epi8((char)0x80));
    return _mm_xor_si128(errors, must_continue);
}

/* The errors in a block, given the one before it. */
APUS_SSE4 APUS_INLINE __m128i apus_errors_xmm_behind(__m128i before, __m128i block) {
    return apus_errors_xmm(block, _mm_alignr_epi8(block, before, 15),
                           _mm_alignr_epi8(block, before, 14), _mm_alignr_epi8(block, before, 13));
}

/* Those of the last block of a piece: the byte behind it is not yet one, whatever it misses. */
APUS_SSE4 APUS_INLINE bool apus_is_valid_xmm_behind(__m128i before, __m128i block, size_t size) {
    __m128i is_fine = _mm_cmpeq_epi8(apus_errors_xmm_behind(before, block), _mm_setzero_si128());
    uint32_t in_piece = UINT32_MAX >> (32 - size);
    return (~(uint32_t)_mm_movemask_epi8(is_fine) & in_piece) == 0;
}

/* What is not 0 where the block ends within a character. */
APUS_SSE4 APUS_INLINE __m128i apus_unfinished_xmm(__m128i block) {
    return _mm_subs_epu8(block, _mm_set_epi64x((long long)0xBFDFEFFFFFFFFFFF, -1));
}

/* What a text left unfinished, as the end of a block. */
APUS_SSE4 APUS_INLINE __m128i apus_carried_xmm(apus_utf8_state state) {
    return _mm_set_epi32((int)state, 0, 0, 0);
}

#endif
#endif
