// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "utf8_x86.h"

#if defined(__x86_64__)

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

/* ---- APUS_AVX2 ---- */

/* The errors in the 32 bytes here; the three bytes before them are of the same piece. Loads are
 * cheaper than shuffles: they leave the port of the table look-ups free. */
APUS_AVX2 APUS_INLINE __m256i apus_errors32_at(const uint8_t *bytes) {
    return apus_errors32(apus_load_ymm(bytes), apus_load_ymm(bytes - 1), apus_load_ymm(bytes - 2),
                         apus_load_ymm(bytes - 3));
}

/* 1 to 31 bytes. The byte behind the piece is not yet an error, whatever it misses. */
APUS_AVX2 static bool validate_under_32(apus_utf8_state *state, const uint8_t *bytes, size_t size) {
    __m256i block = apus_load_under_32(bytes, size);
    if (*state == 0 && apus_is_ascii32(block)) {
        return true;
    }
    __m256i is_fine = _mm256_cmpeq_epi8(apus_errors32_behind(apus_carried32(*state), block),
                                        _mm256_setzero_si256());
    uint32_t in_piece = UINT32_MAX >> (32 - size);
    bool is_valid = (~(uint32_t)_mm256_movemask_epi8(is_fine) & in_piece) == 0;
    return apus_utf8_keep_tail(state, bytes, size) && is_valid;
}

typedef struct scan32 {
    __m256i errors;
    bool is_after_ascii; /* the bytes before the next block are ASCII, so they wait for nothing */
} scan32;

APUS_AVX2 APUS_INLINE void scan32_block(scan32 *scan, const uint8_t *bytes) {
    bool is_ascii = apus_is_ascii32(apus_load_ymm(bytes));
    if (!is_ascii || !scan->is_after_ascii) {
        scan->errors = _mm256_or_si256(scan->errors, apus_errors32_at(bytes));
    }
    scan->is_after_ascii = is_ascii;
}

APUS_AVX2 bool apus_utf8_avx2(apus_utf8_state *state, const uint8_t *bytes, size_t size) {
    if (size < 32) {
        return size == 0 || validate_under_32(state, bytes, size);
    }
    __m256i first = apus_load_ymm(bytes);
    scan32 scan = {_mm256_setzero_si256(), *state == 0 && apus_is_ascii32(first)};
    if (!scan.is_after_ascii) {
        scan.errors = apus_errors32_behind(apus_carried32(*state), first);
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
        bool is_ascii = apus_is_ascii32(
            _mm256_or_si256(apus_load_ymm(bytes + i), apus_load_ymm(bytes + i + 32)));
        if (is_ascii && scan.is_after_ascii) {
            continue;
        }
        scan.errors = _mm256_or_si256(scan.errors, apus_errors32_at(bytes + i));
        scan.errors = _mm256_or_si256(scan.errors, apus_errors32_at(bytes + i + 32));
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

/* The errors in those of the 64 bytes here that are of the piece, and so are the three before. */
APUS_AVX512 APUS_INLINE __m512i errors64_at(const uint8_t *bytes, __mmask64 in_piece) {
    return apus_errors64(
        _mm512_maskz_loadu_epi8(in_piece, bytes), _mm512_maskz_loadu_epi8(in_piece, bytes - 1),
        _mm512_maskz_loadu_epi8(in_piece, bytes - 2), _mm512_maskz_loadu_epi8(in_piece, bytes - 3));
}

/* The first block of a piece: where the loads would look before it, the state steps in. Lanes that
 * are masked out are not read. */
APUS_AVX512 APUS_INLINE __m512i earlier64(apus_utf8_state state, const uint8_t *bytes,
                                          __mmask64 in_piece, unsigned distance) {
    __m512i loaded = _mm512_maskz_loadu_epi8(in_piece >> distance << distance, bytes - distance);
    __m128i carried = _mm_cvtsi32_si128((int)(state >> (32 - 8 * distance)));
    return _mm512_or_si512(loaded, _mm512_zextsi128_si512(carried));
}

APUS_AVX512 APUS_INLINE __m512i errors64_after(apus_utf8_state state, const uint8_t *bytes,
                                               __m512i block, __mmask64 in_piece) {
    __m512i errors =
        apus_errors64(block, earlier64(state, bytes, in_piece, 1),
                      earlier64(state, bytes, in_piece, 2), earlier64(state, bytes, in_piece, 3));
    return _mm512_maskz_mov_epi8(in_piece, errors);
}

typedef struct scan64 {
    __m512i errors;
    bool is_after_ascii;
} scan64;

APUS_AVX512 APUS_INLINE void scan64_block(scan64 *scan, const uint8_t *bytes, __mmask64 in_piece) {
    bool is_ascii = apus_is_ascii64(_mm512_maskz_loadu_epi8(in_piece, bytes));
    if (!is_ascii || !scan->is_after_ascii) {
        scan->errors = _mm512_or_si512(scan->errors, errors64_at(bytes, in_piece));
    }
    scan->is_after_ascii = is_ascii;
}

APUS_AVX512 bool apus_utf8_avx512(apus_utf8_state *state, const uint8_t *bytes, size_t size) {
    if (size == 0) {
        return true;
    }
    const __mmask64 all = UINT64_MAX;
    __mmask64 in_piece = size >= 64 ? all : all >> (64 - size);
    __m512i first = _mm512_maskz_loadu_epi8(in_piece, bytes);
    scan64 scan = {_mm512_setzero_si512(), *state == 0 && apus_is_ascii64(first)};
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
        bool is_ascii = apus_is_ascii64(_mm512_or_si512(a, b));
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
