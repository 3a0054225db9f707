// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#ifndef APUS_CODEC_UTF8_X86_H
#define APUS_CODEC_UTF8_X86_H

#include "utf8.h"
#include "x86.h"

#if defined(__x86_64__)

APUS_AVX2 APUS_INLINE bool apus_is_ascii32(__m256i block) {
    return _mm256_movemask_epi8(block) == 0;
}

/* What all blocks need, to be held in registers. */
typedef struct apus_rules32 {
    __m256i previous_high, previous_low, own_high;
    __m256i half, third, fourth;
} apus_rules32;

APUS_AVX2 APUS_INLINE __m256i apus_table32(const uint8_t *table) {
    return _mm256_broadcastsi128_si256(apus_load_xmm(table));
}

APUS_AVX2 APUS_INLINE apus_rules32 apus_rules32_make(void) {
    apus_rules32 rules = {
        apus_table32(apus_utf8_previous_high), apus_table32(apus_utf8_previous_low),
        apus_table32(apus_utf8_own_high),      _mm256_set1_epi8(0x0F),
        _mm256_set1_epi8(APUS_UTF8_THIRD),     _mm256_set1_epi8(APUS_UTF8_FOURTH)};
    /* gcc 12 would make them anew for each block. */
    __asm__("" : "+x"(rules.third), "+x"(rules.fourth));
    return rules;
}

APUS_AVX2 APUS_INLINE __m256i apus_high_half32(apus_rules32 rules, __m256i block) {
    return _mm256_and_si256(_mm256_srli_epi16(block, 4), rules.half);
}

/* The errors in a block, given the same block one, two and three bytes earlier. */
APUS_AVX2 APUS_INLINE __m256i apus_errors32(apus_rules32 rules, __m256i block, __m256i one,
                                            __m256i two, __m256i three) {
    __m256i low = _mm256_and_si256(one, rules.half);
    __m256i errors = _mm256_and_si256(
        _mm256_and_si256(_mm256_shuffle_epi8(rules.previous_high, apus_high_half32(rules, one)),
                         _mm256_shuffle_epi8(rules.previous_low, low)),
        _mm256_shuffle_epi8(rules.own_high, apus_high_half32(rules, block)));
    __m256i third = _mm256_subs_epu8(two, rules.third);
    __m256i fourth = _mm256_subs_epu8(three, rules.fourth);
    __m256i must_continue =
        _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)0x80));
    return _mm256_xor_si256(errors, must_continue);
}

/* The errors in a block, given the one before it. */
APUS_AVX2 APUS_INLINE __m256i apus_errors32_behind(apus_rules32 rules, __m256i before,
                                                   __m256i block) {
    __m256i middle = _mm256_permute2x128_si256(before, block, 0x21);
    return apus_errors32(rules, block, _mm256_alignr_epi8(block, middle, 15),
                         _mm256_alignr_epi8(block, middle, 14),
                         _mm256_alignr_epi8(block, middle, 13));
}

/* What a text left unfinished, as the end of a block. */
APUS_AVX2 APUS_INLINE __m256i apus_carried32(apus_utf8_state state) {
    return _mm256_insert_epi32(_mm256_setzero_si256(), (int)state, 7);
}

/* 1 to 15 bytes, zeros behind them, read without touching others. */
APUS_INLINE __m128i apus_load_under_16(const uint8_t *bytes, size_t size) {
    if (size >= 8) {
        uint64_t high = apus_load64(bytes + size - 8) >> (8 * (15 - size)) >> 8;
        return _mm_set_epi64x((long long)high, (long long)apus_load64(bytes));
    }
    uint64_t value = 0;
    if (size >= 4) {
        value = apus_load32(bytes) | (uint64_t)apus_load32(bytes + size - 4) << (8 * (size - 4));
    } else {
        for (size_t i = 0; i < size; i++) {
            value |= (uint64_t)bytes[i] << (8 * i);
        }
    }
    return _mm_set_epi64x(0, (long long)value);
}

/* 0 to 31 bytes, zeros behind them. */
APUS_AVX2 APUS_INLINE __m256i apus_load_under_32(const uint8_t *bytes, size_t size) {
    if (size < 16) {
        return _mm256_zextsi128_si256(apus_load_under_16(bytes, size));
    }
    __m128i low = _mm_loadu_si128((const __m128i *)bytes);
    return _mm256_set_m128i(apus_load_under_16(bytes + 16, size - 16), low);
}

#endif
#endif
