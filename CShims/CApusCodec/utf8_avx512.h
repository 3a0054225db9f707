// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#ifndef APUS_CODEC_UTF8_AVX512_H
#define APUS_CODEC_UTF8_AVX512_H

#include "utf8.h"
#include "x86.h"

#if defined(__x86_64__)

/*
 * A look-up among 128 bytes takes a whole previous byte but for its top bit, so one look-up does
 * for both of its halves: the table tells what may not follow. ASCII finds the errors of another
 * byte there, and that harms nobody: only continuations have them, and those may not follow ASCII.
 * Whether a byte must be a continuation is then a question of its own.
 */
static const uint8_t apus_utf8_previous[128] = {
    /* C0, C1 */ [0x40] = APUS_UTF8_OVERLONG_2,
    APUS_UTF8_OVERLONG_2,
    [0x60] = APUS_UTF8_OVERLONG_3,
    [0x6D] = APUS_UTF8_SURROGATE,
    [0x70] = APUS_UTF8_OVERLONG_4,
    [0x74] = APUS_UTF8_TOO_LARGE,
    /* F5 to FF */ APUS_UTF8_TOO_LARGE | APUS_UTF8_TOO_LARGE_1000,
    APUS_UTF8_TOO_LARGE | APUS_UTF8_TOO_LARGE_1000,
    APUS_UTF8_TOO_LARGE | APUS_UTF8_TOO_LARGE_1000,
    APUS_UTF8_TOO_LARGE | APUS_UTF8_TOO_LARGE_1000,
    APUS_UTF8_TOO_LARGE | APUS_UTF8_TOO_LARGE_1000,
    APUS_UTF8_TOO_LARGE | APUS_UTF8_TOO_LARGE_1000,
    APUS_UTF8_TOO_LARGE | APUS_UTF8_TOO_LARGE_1000,
    APUS_UTF8_TOO_LARGE | APUS_UTF8_TOO_LARGE_1000,
    APUS_UTF8_TOO_LARGE | APUS_UTF8_TOO_LARGE_1000,
    APUS_UTF8_TOO_LARGE | APUS_UTF8_TOO_LARGE_1000,
    APUS_UTF8_TOO_LARGE | APUS_UTF8_TOO_LARGE_1000,
};

APUS_AVX512 APUS_INLINE bool apus_is_ascii64(__m512i block) {
    return _mm512_movepi8_mask(block) == 0;
}

/* The numbers 0 to 63, from some number on. */
APUS_AVX512 APUS_INLINE __m512i apus_count64(unsigned first) {
    const __m512i eight = _mm512_set_epi64(
        0x3F3E3D3C3B3A3938, 0x3736353433323130, 0x2F2E2D2C2B2A2928, 0x2726252423222120,
        0x1F1E1D1C1B1A1918, 0x1716151413121110, 0x0F0E0D0C0B0A0908, 0x0706050403020100);
    return _mm512_add_epi8(eight, _mm512_set1_epi8((char)first));
}

/* The last bytes of a block alone, as if it began with them; zeros behind. */
APUS_AVX512 APUS_INLINE __m512i apus_last64(__m512i block, size_t size) {
    __m512i places = apus_count64((unsigned)(64 - size));
    return _mm512_maskz_permutexvar_epi8(apus_lanes64(size), places, block);
}

/*
 * 1 to 63 bytes, zeros behind them. Lanes that are masked out are not read, but where their page is
 * not mapped the processor takes a thousand times as long to find that out; so the 64 bytes lie in
 * the pages of the piece: from its start on, or, where that would leave the page, up to its end.
 */
APUS_AVX512 APUS_INLINE __m512i apus_load_under_64(const uint8_t *bytes, size_t size) {
    const __mmask64 in_piece = apus_lanes64(size);
    if (((uintptr_t)bytes & 4095) <= 4096 - 64) {
        return _mm512_maskz_loadu_epi8(in_piece, bytes);
    }
    /* From before the piece, of which nothing is looked at: the lanes are masked out. */
    size_t others = 64 - size;
    return apus_last64(_mm512_maskz_loadu_epi8(in_piece << others, bytes - others), size);
}

/* What is wrong in all blocks so far. */
typedef struct apus_scan64 {
    __m512i pairs;  /* not 0: two bytes that do not go together */
    __m512i counts; /* top bit: a continuation too many, or another byte instead of one */
} apus_scan64;

/* Adds a block, given the same block one, two and three bytes earlier. */
APUS_AVX512 APUS_INLINE void apus_scan64_add(apus_scan64 *scan, __m512i block, __m512i one,
                                             __m512i two, __m512i three) {
    __m128i row = _mm_loadu_si128((const __m128i *)apus_utf8_own_high);
    /* vpermb looks at six bits; with the row four times over, two of them do not matter. */
    __m512i own = _mm512_permutexvar_epi8(_mm512_srli_epi16(block, 4), _mm512_broadcast_i32x4(row));
    __m512i previous = _mm512_permutex2var_epi8(_mm512_loadu_si512(apus_utf8_previous), one,
                                                _mm512_loadu_si512(apus_utf8_previous + 64));
    scan->pairs = _mm512_ternarylogic_epi64(scan->pairs, own, previous, 0xF8);

    __m512i second = _mm512_subs_epu8(one, _mm512_set1_epi8(APUS_UTF8_SECOND));
    __m512i third = _mm512_subs_epu8(two, _mm512_set1_epi8(APUS_UTF8_THIRD));
    __m512i fourth = _mm512_subs_epu8(three, _mm512_set1_epi8(APUS_UTF8_FOURTH));
    /* Any of the three; and scan->counts | (own ^ must_continue), as own has the top bit where the
     * byte is a continuation. */
    __m512i must_continue = _mm512_ternarylogic_epi64(second, third, fourth, 0xFE);
    scan->counts = _mm512_ternarylogic_epi64(scan->counts, own, must_continue, 0xF6);
}

/* The same, given the block before it. */
APUS_AVX512 APUS_INLINE void apus_scan64_add_behind(apus_scan64 *scan, __m512i before,
                                                    __m512i block) {
    /* The last 16 bytes of the one, then the first 48 of the other. */
    __m512i middle = _mm512_alignr_epi64(block, before, 6);
    apus_scan64_add(scan, block, _mm512_alignr_epi8(block, middle, 15),
                    _mm512_alignr_epi8(block, middle, 14), _mm512_alignr_epi8(block, middle, 13));
}

APUS_AVX512 APUS_INLINE bool apus_scan64_is_valid(apus_scan64 scan) {
    return (_mm512_movepi8_mask(scan.counts) | _mm512_test_epi8_mask(scan.pairs, scan.pairs)) == 0;
}

/* Ends a piece with a block that has zeros behind it: those are not yet an error, whatever the
 * piece misses. */
APUS_AVX512 APUS_INLINE bool apus_scan64_end(apus_scan64 scan, __m512i before, __m512i block,
                                             size_t size) {
    apus_scan64 last = {scan.pairs, _mm512_setzero_si512()};
    apus_scan64_add_behind(&last, before, block);
    last.counts =
        _mm512_or_si512(_mm512_maskz_mov_epi8(apus_lanes64(size), last.counts), scan.counts);
    return apus_scan64_is_valid(last);
}

/* What a text left unfinished, as the end of a block. */
APUS_AVX512 APUS_INLINE __m512i apus_carried64(apus_utf8_state state) {
    return _mm512_maskz_set1_epi32(1 << 15, (int)state);
}

#endif
#endif
