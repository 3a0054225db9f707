// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "utf8.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi")))

/* Without pshufb there is no fast table: skip ASCII, walk the rest. */
bool apus_utf8_sse2(apus_utf8_state *state, const uint8_t *bytes, size_t size) {
    size_t i = 0;
    while (size - i >= 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)(bytes + i));
        bool is_plain = *state == 0 && _mm_movemask_epi8(block) == 0;
        if (!is_plain && !apus_utf8_scalar(state, bytes + i, 16)) {
            return false;
        }
        i += 16;
    }
    return apus_utf8_scalar(state, bytes + i, size - i);
}

/* ---- AVX2 ---- */

AVX2 APUS_INLINE __m256i load32(const uint8_t *bytes) {
    return _mm256_loadu_si256((const __m256i *)bytes);
}

AVX2 APUS_INLINE bool is_ascii32(__m256i block) {
    return _mm256_movemask_epi8(block) == 0;
}

AVX2 APUS_INLINE __m256i look_up32(const uint8_t *table, __m256i halves) {
    __m128i row = _mm_loadu_si128((const __m128i *)table);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(row), halves);
}

AVX2 APUS_INLINE __m256i high_half32(__m256i block) {
    return _mm256_and_si256(_mm256_srli_epi16(block, 4), _mm256_set1_epi8(0x0F));
}

/* The errors in a block, given the same block one, two and three bytes earlier. */
AVX2 APUS_INLINE __m256i errors32(__m256i block, __m256i one, __m256i two, __m256i three) {
    __m256i low_half = _mm256_and_si256(one, _mm256_set1_epi8(0x0F));
    __m256i errors =
        _mm256_and_si256(_mm256_and_si256(look_up32(apus_utf8_previous_high, high_half32(one)),
                                          look_up32(apus_utf8_previous_low, low_half)),
                         look_up32(apus_utf8_own_high, high_half32(block)));
    __m256i third = _mm256_subs_epu8(two, _mm256_set1_epi8(APUS_UTF8_THIRD));
    __m256i fourth = _mm256_subs_epu8(three, _mm256_set1_epi8(APUS_UTF8_FOURTH));
    __m256i must_continue =
        _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)0x80));
    return _mm256_xor_si256(errors, must_continue);
}

/* The errors in the 32 bytes here; the three bytes before them are of the same piece. Loads are
 * cheaper than shuffles: they leave the port of the table look-ups free. */
AVX2 APUS_INLINE __m256i errors32_at(const uint8_t *bytes) {
    return errors32(load32(bytes), load32(bytes - 1), load32(bytes - 2), load32(bytes - 3));
}

/* The errors in the first block of a piece. */
AVX2 APUS_INLINE __m256i errors32_after(apus_utf8_state state, __m256i block) {
    __m256i before = _mm256_insert_epi32(_mm256_setzero_si256(), (int)state, 7);
    __m256i middle = _mm256_permute2x128_si256(before, block, 0x21);
    return errors32(block, _mm256_alignr_epi8(block, middle, 15),
                    _mm256_alignr_epi8(block, middle, 14), _mm256_alignr_epi8(block, middle, 13));
}

/* 1 to 15 bytes, zeros behind them, read without touching others. */
APUS_INLINE __m128i load_under_16(const uint8_t *bytes, size_t size) {
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
AVX2 APUS_INLINE __m256i load_under_32(const uint8_t *bytes, size_t size) {
    if (size < 16) {
        return _mm256_zextsi128_si256(load_under_16(bytes, size));
    }
    __m128i low = _mm_loadu_si128((const __m128i *)bytes);
    return _mm256_set_m128i(load_under_16(bytes + 16, size - 16), low);
}

/* 1 to 31 bytes. The byte behind the piece is not yet an error, whatever it misses. */
AVX2 static bool validate_under_32(apus_utf8_state *state, const uint8_t *bytes, size_t size) {
    __m256i block = load_under_32(bytes, size);
    if (*state == 0 && is_ascii32(block)) {
        return true;
    }
    __m256i is_fine = _mm256_cmpeq_epi8(errors32_after(*state, block), _mm256_setzero_si256());
    uint32_t in_piece = UINT32_MAX >> (32 - size);
    bool is_valid = (~(uint32_t)_mm256_movemask_epi8(is_fine) & in_piece) == 0;
    return apus_utf8_keep_tail(state, bytes, size) && is_valid;
}

typedef struct scan32 {
    __m256i errors;
    bool is_after_ascii; /* the bytes before the next block are ASCII, so they wait for nothing */
} scan32;

AVX2 APUS_INLINE void scan32_block(scan32 *scan, const uint8_t *bytes) {
    bool is_ascii = is_ascii32(load32(bytes));
    if (!is_ascii || !scan->is_after_ascii) {
        scan->errors = _mm256_or_si256(scan->errors, errors32_at(bytes));
    }
    scan->is_after_ascii = is_ascii;
}

AVX2 bool apus_utf8_avx2(apus_utf8_state *state, const uint8_t *bytes, size_t size) {
    if (size < 32) {
        return size == 0 || validate_under_32(state, bytes, size);
    }
    __m256i first = load32(bytes);
    scan32 scan = {_mm256_setzero_si256(), *state == 0 && is_ascii32(first)};
    if (!scan.is_after_ascii) {
        scan.errors = errors32_after(*state, first);
    }
    size_t i = 32;
    if (size >= 512) {
        i = apus_bytes_to_alignment(bytes, 32);
        if (i < 3) {
            /* Too early to look back: take one block more. */
            scan32_block(&scan, bytes + 3);
            i += 32;
        }
    }
    for (; size - i >= 64; i += 64) {
        bool is_ascii = is_ascii32(_mm256_or_si256(load32(bytes + i), load32(bytes + i + 32)));
        if (is_ascii && scan.is_after_ascii) {
            continue;
        }
        scan.errors = _mm256_or_si256(scan.errors, errors32_at(bytes + i));
        scan.errors = _mm256_or_si256(scan.errors, errors32_at(bytes + i + 32));
        scan.is_after_ascii = is_ascii;
    }
    if (size - i >= 32) {
        scan32_block(&scan, bytes + i);
        i += 32;
    }
    bool is_valid = true;
    if (i < size && size >= 35) {
        scan32_block(&scan, bytes + size - 32);
    } else if (i < size) {
        apus_utf8_state middle = *state;
        is_valid = apus_utf8_keep_tail(&middle, bytes, 32) &&
                   apus_utf8_scalar(&middle, bytes + 32, size - 32);
    }
    is_valid = is_valid && _mm256_testz_si256(scan.errors, scan.errors) != 0;
    return apus_utf8_keep_tail(state, bytes, size) && is_valid;
}

/* ---- AVX-512 with VBMI ---- */

AVX512 APUS_INLINE __m512i look_up64(const uint8_t *table, __m512i halves) {
    __m128i row = _mm_loadu_si128((const __m128i *)table);
    /* vpermb looks at six bits; with the row four times over, two of them do not matter. */
    return _mm512_permutexvar_epi8(halves, _mm512_broadcast_i32x4(row));
}

AVX512 APUS_INLINE __m512i errors64(__m512i block, __m512i one, __m512i two, __m512i three) {
    __m512i errors = _mm512_and_si512(
        _mm512_and_si512(look_up64(apus_utf8_previous_high, _mm512_srli_epi16(one, 4)),
                         look_up64(apus_utf8_previous_low, one)),
        look_up64(apus_utf8_own_high, _mm512_srli_epi16(block, 4)));
    __m512i third = _mm512_subs_epu8(two, _mm512_set1_epi8(APUS_UTF8_THIRD));
    __m512i fourth = _mm512_subs_epu8(three, _mm512_set1_epi8(APUS_UTF8_FOURTH));
    __m512i must_continue =
        _mm512_and_si512(_mm512_or_si512(third, fourth), _mm512_set1_epi8((char)0x80));
    return _mm512_xor_si512(errors, must_continue);
}

/* The errors in those of the 64 bytes here that are of the piece, and so are the three before. */
AVX512 APUS_INLINE __m512i errors64_at(const uint8_t *bytes, __mmask64 in_piece) {
    return errors64(
        _mm512_maskz_loadu_epi8(in_piece, bytes), _mm512_maskz_loadu_epi8(in_piece, bytes - 1),
        _mm512_maskz_loadu_epi8(in_piece, bytes - 2), _mm512_maskz_loadu_epi8(in_piece, bytes - 3));
}

/* The first block of a piece: where the loads would look before it, the state steps in. Lanes that
 * are masked out are not read. */
AVX512 APUS_INLINE __m512i earlier64(apus_utf8_state state, const uint8_t *bytes,
                                     __mmask64 in_piece, unsigned distance) {
    __m512i loaded = _mm512_maskz_loadu_epi8(in_piece >> distance << distance, bytes - distance);
    __m128i carried = _mm_cvtsi32_si128((int)(state >> (32 - 8 * distance)));
    return _mm512_or_si512(loaded, _mm512_zextsi128_si512(carried));
}

AVX512 APUS_INLINE __m512i errors64_after(apus_utf8_state state, const uint8_t *bytes,
                                          __m512i block, __mmask64 in_piece) {
    __m512i errors =
        errors64(block, earlier64(state, bytes, in_piece, 1), earlier64(state, bytes, in_piece, 2),
                 earlier64(state, bytes, in_piece, 3));
    return _mm512_maskz_mov_epi8(in_piece, errors);
}

AVX512 APUS_INLINE bool is_ascii64(__m512i block) {
    return _mm512_movepi8_mask(block) == 0;
}

typedef struct scan64 {
    __m512i errors;
    bool is_after_ascii;
} scan64;

AVX512 APUS_INLINE void scan64_block(scan64 *scan, const uint8_t *bytes, __mmask64 in_piece) {
    bool is_ascii = is_ascii64(_mm512_maskz_loadu_epi8(in_piece, bytes));
    if (!is_ascii || !scan->is_after_ascii) {
        scan->errors = _mm512_or_si512(scan->errors, errors64_at(bytes, in_piece));
    }
    scan->is_after_ascii = is_ascii;
}

AVX512 bool apus_utf8_avx512(apus_utf8_state *state, const uint8_t *bytes, size_t size) {
    if (size == 0) {
        return true;
    }
    const __mmask64 all = UINT64_MAX;
    __mmask64 in_piece = size >= 64 ? all : all >> (64 - size);
    __m512i first = _mm512_maskz_loadu_epi8(in_piece, bytes);
    scan64 scan = {_mm512_setzero_si512(), *state == 0 && is_ascii64(first)};
    if (!scan.is_after_ascii) {
        scan.errors = errors64_after(*state, bytes, first, in_piece);
    } else if (size <= 64) {
        return true;
    }
    size_t i = 64;
    if (size >= 512) {
        i = apus_bytes_to_alignment(bytes, 64);
        if (i < 3) {
            scan64_block(&scan, bytes + 3, all);
            i += 64;
        }
    }
    while (i < size && size - i >= 128) {
        __m512i a = _mm512_loadu_si512(bytes + i);
        __m512i b = _mm512_loadu_si512(bytes + i + 64);
        bool is_ascii = is_ascii64(_mm512_or_si512(a, b));
        if (!is_ascii || !scan.is_after_ascii) {
            scan.errors = _mm512_or_si512(scan.errors, errors64_at(bytes + i, all));
            scan.errors = _mm512_or_si512(scan.errors, errors64_at(bytes + i + 64, all));
        }
        scan.is_after_ascii = is_ascii;
        i += 128;
    }
    for (; i < size; i += 64) {
        scan64_block(&scan, bytes + i, size - i >= 64 ? all : all >> (64 - (size - i)));
    }
    bool is_valid = _mm512_test_epi8_mask(scan.errors, scan.errors) == 0;
    return apus_utf8_keep_tail(state, bytes, size) && is_valid;
}

#endif
