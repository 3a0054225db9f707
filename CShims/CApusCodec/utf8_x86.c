// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "utf8_avx512.h"
#include "utf8_sse4.h"
#include "utf8_x86.h"

#if defined(__x86_64__)

/* ---- SSE4.2 ---- */

/* The errors in the 16 bytes here; the three bytes before them are of the same piece. */
APUS_SSE4 APUS_INLINE __m128i errors_xmm_at(const uint8_t *bytes) {
    return apus_errors_xmm(apus_load_xmm(bytes), apus_load_xmm(bytes - 1), apus_load_xmm(bytes - 2),
                           apus_load_xmm(bytes - 3));
}

APUS_SSE4 bool apus_utf8_sse4(apus_utf8_state *state, const uint8_t *bytes, size_t size) {
    __m128i before = apus_carried_xmm(*state);
    if (size < 16) {
        if (size == 0) {
            return true;
        }
        __m128i block = apus_load_under_16(bytes, size);
        if (*state == 0 && apus_is_ascii_xmm(block)) {
            return true;
        }
        bool is_valid = apus_is_valid_xmm_behind(before, block, size);
        return apus_utf8_keep_tail(state, bytes, size) && is_valid;
    }
    __m128i block = apus_load_xmm(bytes);
    __m128i errors = _mm_setzero_si128();
    if (*state != 0 || !apus_is_ascii_xmm(block)) {
        errors = apus_errors_xmm_behind(before, block);
    }
    size_t i = 16;
    for (; size - i >= 64; i += 64) {
        const uint8_t *here = bytes + i;
        __m128i ab = _mm_or_si128(apus_load_xmm(here), apus_load_xmm(here + 16));
        __m128i cd = _mm_or_si128(apus_load_xmm(here + 32), apus_load_xmm(here + 48));
        if (apus_is_ascii_xmm(_mm_or_si128(ab, cd))) {
            errors = _mm_or_si128(errors, apus_unfinished_xmm(apus_load_xmm(here - 16)));
        } else {
            for (size_t k = 0; k < 64; k += 16) {
                errors = _mm_or_si128(errors, errors_xmm_at(here + k));
            }
        }
    }
    bool is_valid = true;
    for (; i < size; i += 16) {
        const uint8_t *here = size - i >= 16 ? bytes + i : bytes + size - 16;
        if (apus_is_ascii_xmm(apus_load_xmm(here))) {
            errors = _mm_or_si128(errors, apus_unfinished_xmm(apus_load_xmm(bytes + i - 16)));
        } else if (size >= 19) {
            errors = _mm_or_si128(errors, errors_xmm_at(here));
        } else {
            apus_utf8_state middle = *state;
            is_valid = apus_utf8_keep_tail(&middle, bytes, 16) &&
                       apus_utf8_scalar(&middle, bytes + 16, size - 16);
        }
    }
    is_valid = is_valid && _mm_testz_si128(errors, errors) != 0;
    return apus_utf8_keep_tail(state, bytes, size) && is_valid;
}

/* ---- AVX2 ---- */

/* The errors in the 32 bytes here; the three bytes before them are of the same piece. Loads are
 * cheaper than shuffles: they leave the port of the table look-ups free. */
APUS_AVX2 APUS_INLINE __m256i apus_errors32_at(apus_rules32 rules, const uint8_t *bytes) {
    __m256i one = apus_load_ymm(bytes - 1);
    __asm__("" : "+x"(one));
    return apus_errors32(rules, apus_load_ymm(bytes), one, apus_load_ymm(bytes - 2),
                         apus_load_ymm(bytes - 3));
}

/* 1 to 31 bytes. The byte behind the piece is not yet an error, whatever it misses. */
APUS_AVX2 static bool validate_under_32(apus_utf8_state *state, const uint8_t *bytes, size_t size) {
    __m256i block = apus_load_under_32(bytes, size);
    if (*state == 0 && apus_is_ascii32(block)) {
        return true;
    }
    apus_rules32 rules = apus_rules32_make();
    __m256i is_fine = _mm256_cmpeq_epi8(apus_errors32_behind(rules, apus_carried32(*state), block),
                                        _mm256_setzero_si256());
    uint32_t in_piece = UINT32_MAX >> (32 - size);
    bool is_valid = (~(uint32_t)_mm256_movemask_epi8(is_fine) & in_piece) == 0;
    return apus_utf8_keep_tail(state, bytes, size) && is_valid;
}

typedef struct scan32 {
    __m256i errors;
    bool is_after_ascii; /* the bytes before the next block are ASCII, so they wait for nothing */
} scan32;

APUS_AVX2 APUS_INLINE void scan32_block(apus_rules32 rules, scan32 *scan, const uint8_t *bytes) {
    bool is_ascii = apus_is_ascii32(apus_load_ymm(bytes));
    if (!is_ascii || !scan->is_after_ascii) {
        scan->errors = _mm256_or_si256(scan->errors, apus_errors32_at(rules, bytes));
    }
    scan->is_after_ascii = is_ascii;
}

/* ASCII follows: the 32 bytes before it must not end within a character. */
APUS_AVX2 APUS_INLINE void add_unfinished32(scan32 *scan, const uint8_t *bytes) {
    const __m256i highest = _mm256_set_epi64x((long long)0xBFDFEFFFFFFFFFFF, -1, -1, -1);
    __m256i unfinished = _mm256_subs_epu8(apus_load_ymm(bytes - 32), highest);
    scan->errors = _mm256_or_si256(scan->errors, unfinished);
    scan->is_after_ascii = true;
}

/* Two blocks; there are 32 bytes before them. */
APUS_AVX2 APUS_INLINE bool scan64(apus_rules32 rules, scan32 *scan, const uint8_t *bytes) {
    if (apus_is_ascii32(_mm256_or_si256(apus_load_ymm(bytes), apus_load_ymm(bytes + 32)))) {
        add_unfinished32(scan, bytes);
        return true;
    }
    scan->errors = _mm256_or_si256(scan->errors, apus_errors32_at(rules, bytes));
    /* One after the other: gcc 12 does not have the registers for both at once. */
    __asm__("" : "+x"(scan->errors));
    scan->errors = _mm256_or_si256(scan->errors, apus_errors32_at(rules, bytes + 32));
    scan->is_after_ascii = false;
    return false;
}

APUS_AVX2 bool apus_utf8_avx2(apus_utf8_state *state, const uint8_t *bytes, size_t size) {
    if (size < 32) {
        return size == 0 || validate_under_32(state, bytes, size);
    }
    apus_rules32 rules = apus_rules32_make();
    __m256i first = apus_load_ymm(bytes);
    scan32 scan = {_mm256_setzero_si256(), *state == 0 && apus_is_ascii32(first)};
    if (!scan.is_after_ascii) {
        scan.errors = apus_errors32_behind(rules, apus_carried32(*state), first);
    }
    size_t i = 32;
    if (size >= 512) {
        i = apus_bytes_to_alignment(bytes, 32);
        if (i < 32) {
            scan32_block(rules, &scan, bytes + (i < 3 ? 3 : i));
            i += 32;
        }
    }
    while (size - i >= 64) {
        bool is_ascii = scan64(rules, &scan, bytes + i);
        i += 64;
        for (; is_ascii && size - i >= 128; i += 128) {
            __m256i a = _mm256_or_si256(apus_load_ymm(bytes + i), apus_load_ymm(bytes + i + 32));
            __m256i b =
                _mm256_or_si256(apus_load_ymm(bytes + i + 64), apus_load_ymm(bytes + i + 96));
            if (!apus_is_ascii32(_mm256_or_si256(a, b))) {
                break;
            }
        }
    }
    if (size - i >= 32) {
        scan32_block(rules, &scan, bytes + i);
        i += 32;
    }
    bool is_valid = true;
    if (i < size && size >= 35) {
        scan32_block(rules, &scan, bytes + size - 32);
    } else if (i < size) {
        apus_utf8_state middle = *state;
        is_valid = apus_utf8_keep_tail(&middle, bytes, 32) &&
                   apus_utf8_scalar(&middle, bytes + 32, size - 32);
    }
    is_valid = is_valid && _mm256_testz_si256(scan.errors, scan.errors) != 0;
    return apus_utf8_keep_tail(state, bytes, size) && is_valid;
}

/* ---- AVX-512 with VBMI ---- */

/* The 64 bytes here; the three bytes before them are of the same piece. */
APUS_AVX512 APUS_INLINE void scan64_at(apus_scan64 *scan, const uint8_t *bytes) {
    __m512i one = apus_load_zmm(bytes - 1);
    /* gcc 12 would load it again for each use, and it lies across two lines of the cache. */
    __asm__("" : "+v"(one));
    apus_scan64_add(scan, apus_load_zmm(bytes), one, apus_load_zmm(bytes - 2),
                    apus_load_zmm(bytes - 3));
}

/* The same, but ASCII after ASCII needs no look; returns whether the block is. */
APUS_AVX512 APUS_INLINE bool scan64_block(apus_scan64 *scan, const uint8_t *bytes,
                                          bool is_after_ascii) {
    bool is_ascii = apus_is_ascii64(apus_load_zmm(bytes));
    if (!is_ascii || !is_after_ascii) {
        scan64_at(scan, bytes);
    }
    return is_ascii;
}

APUS_AVX512 static bool validate_under_64(apus_utf8_state *state, const uint8_t *bytes,
                                          size_t size) {
    __m512i block = apus_load_under_64(bytes, size);
    if (*state == 0 && apus_is_ascii64(block)) {
        return true;
    }
    const apus_scan64 none = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    bool is_valid = apus_scan64_end(none, apus_carried64(*state), block, size);
    return apus_utf8_keep_tail(state, bytes, size) && is_valid;
}

APUS_AVX512 APUS_INLINE bool is_ascii256(const uint8_t *bytes) {
    __m512i ab = _mm512_or_si512(apus_load_zmm(bytes), apus_load_zmm(bytes + 64));
    __m512i cd = _mm512_or_si512(apus_load_zmm(bytes + 128), apus_load_zmm(bytes + 192));
    return apus_is_ascii64(_mm512_or_si512(ab, cd));
}

APUS_AVX512 bool apus_utf8_avx512(apus_utf8_state *state, const uint8_t *bytes, size_t size) {
    if (size < 64) {
        return size == 0 || validate_under_64(state, bytes, size);
    }
    __m512i first = apus_load_zmm(bytes);
    apus_scan64 scan = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    bool is_after_ascii = *state == 0 && apus_is_ascii64(first);
    if (!is_after_ascii) {
        apus_scan64_add_behind(&scan, apus_carried64(*state), first);
    }
    size_t i = 64;
    if (size >= 512) {
        i = apus_bytes_to_alignment(bytes, 64);
        if (i < 3) {
            /* Too early to look back: take one block more. */
            is_after_ascii = scan64_block(&scan, bytes + 3, is_after_ascii);
            i += 64;
        }
    }
    for (; size - i >= 256; i += 256) {
        const uint8_t *here = bytes + i;
        bool is_ascii = is_ascii256(here);
        if (!is_ascii || !is_after_ascii) {
            scan64_at(&scan, here);
            scan64_at(&scan, here + 64);
            scan64_at(&scan, here + 128);
            scan64_at(&scan, here + 192);
        }
        is_after_ascii = is_ascii;
    }
    if (size >= 256 && is_after_ascii && is_ascii256(bytes + size - 256)) {
        i = size;
    }
    for (; size - i >= 64; i += 64) {
        is_after_ascii = scan64_block(&scan, bytes + i, is_after_ascii);
    }
    bool is_valid;
    if (i == size || (is_after_ascii && apus_is_ascii64(apus_load_zmm(bytes + size - 64)))) {
        is_valid = apus_scan64_is_valid(scan);
    } else {
        __m512i last = apus_last64(apus_load_zmm(bytes + size - 64), size - i);
        is_valid = apus_scan64_end(scan, apus_load_zmm(bytes + i - 64), last, size - i);
    }
    return apus_utf8_keep_tail(state, bytes, size) && is_valid;
}

#endif
