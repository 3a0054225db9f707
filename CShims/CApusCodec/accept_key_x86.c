// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "accept_key.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define APUS_SHA1 __attribute__((target("sha,sse4.1")))

/* Words and bytes lie backwards in a register: the first one is its highest. */
typedef struct sha1 {
    __m128i abcd;
    __m128i e; /* and the words of the next four rounds, added up */
} sha1;

APUS_SHA1 APUS_INLINE __m128i mix(__m128i abcd, __m128i e, unsigned twenty) {
    switch (twenty) {
    case 0:
        return _mm_sha1rnds4_epu32(abcd, e, 0);
    case 1:
        return _mm_sha1rnds4_epu32(abcd, e, 1);
    case 2:
        return _mm_sha1rnds4_epu32(abcd, e, 2);
    default:
        return _mm_sha1rnds4_epu32(abcd, e, 3);
    }
}

/* The words of four rounds, from a table that is written backwards. */
APUS_SHA1 APUS_INLINE __m128i load_four(const uint32_t *words, unsigned four) {
    return _mm_loadu_si128((const __m128i *)(words - 4 * (four + 1)));
}

/* Four rounds, after which e is ready for the next ones, which take these words. */
APUS_SHA1 APUS_INLINE void mix_four(sha1 *hash, unsigned four, __m128i next) {
    __m128i e = hash->e;
    hash->e = _mm_sha1nexte_epu32(hash->abcd, next);
    hash->abcd = mix(hash->abcd, e, four / 5);
}

/* Replaces the oldest of the last sixteen words, and returns them. */
APUS_SHA1 APUS_INLINE __m128i expand(__m128i words[4], unsigned four) {
    __m128i sum = _mm_sha1msg1_epu32(words[four % 4], words[(four + 1) % 4]);
    sum = _mm_xor_si128(sum, words[(four + 2) % 4]);
    return words[four % 4] = _mm_sha1msg2_epu32(sum, words[(four + 3) % 4]);
}

APUS_SHA1 APUS_INLINE void mix_sixteen(sha1 *hash, unsigned four, __m128i words[4]) {
    mix_four(hash, four, expand(words, four + 1));
    mix_four(hash, four + 1, expand(words, four + 2));
    mix_four(hash, four + 2, expand(words, four + 3));
    mix_four(hash, four + 3, expand(words, four + 4));
}

APUS_SHA1 APUS_INLINE void mix_padding(sha1 *hash, unsigned four) {
    const uint32_t *end = apus_padding_words + APUS_SHA1_WORDS;
    mix_four(hash, four, load_four(end, four + 1));
    mix_four(hash, four + 1, load_four(end, four + 2));
    mix_four(hash, four + 2, load_four(end, four + 3));
    mix_four(hash, four + 3, load_four(end, four + 4));
}

/* The digits of twelve bytes, of which each three lie in four as the second, first, third, second.
 * By Wojciech Muła: a digit is its value plus one of a few differences. */
APUS_SHA1 APUS_INLINE __m128i base64(__m128i threes) {
    __m128i high = _mm_and_si128(threes, _mm_set1_epi32(0x0FC0FC00));
    __m128i low = _mm_and_si128(threes, _mm_set1_epi32(0x003F03F0));
    __m128i values = _mm_or_si128(_mm_mulhi_epu16(high, _mm_set1_epi32(0x04000040)),
                                  _mm_mullo_epi16(low, _mm_set1_epi32(0x01000010)));
    /* 0 for small letters, 1 to 12 for the rest, 13 for capitals. */
    __m128i is_capital = _mm_cmpgt_epi8(_mm_set1_epi8(26), values);
    __m128i range = _mm_subs_epu8(values, _mm_set1_epi8(51));
    range = _mm_or_si128(range, _mm_and_si128(is_capital, _mm_set1_epi8(13)));
    const int8_t digit = '0' - 52;
    const __m128i differences =
        _mm_setr_epi8('a' - 26, digit, digit, digit, digit, digit, digit, digit, digit, digit,
                      digit, '+' - 62, '/' - 63, 'A', 0, 0);
    return _mm_add_epi8(values, _mm_shuffle_epi8(differences, range));
}

APUS_SHA1 APUS_INLINE void store_digits(const sha1 *hash, uint8_t *accept) {
    const __m128i first_twelve =
        _mm_setr_epi8(14, 15, 13, 14, 11, 12, 10, 11, 8, 9, 7, 8, 5, 6, 4, 5);
    __m128i first = base64(_mm_shuffle_epi8(hash->abcd, first_twelve));
    /* The last sixteen digits, four of them once more; behind the digest is a zero byte. */
    const __m128i last_eleven = _mm_setr_epi8(9, 10, 8, 9, 6, 7, 5, 6, 3, 4, 2, 3, 0, 1, -1, 0);
    __m128i end = _mm_alignr_epi8(hash->abcd, hash->e, 12);
    __m128i last = base64(_mm_shuffle_epi8(end, last_eleven));
    _mm_storeu_si128((__m128i *)accept, first);
    _mm_storeu_si128((__m128i *)(accept + APUS_ACCEPT_SIZE - 16), _mm_insert_epi8(last, '=', 15));
}

APUS_SHA1 void apus_accept_key_sha1(const uint8_t *key, uint8_t *accept) {
    const __m128i backwards = _mm_setr_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const uint32_t *guid_end = apus_guid_words + 16;
    __m128i words[4] = {
        _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)key), backwards),
        _mm_shuffle_epi8(_mm_loadl_epi64((const __m128i *)(key + 16)), backwards),
        load_four(guid_end, 2),
        load_four(guid_end, 3),
    };
    words[1] = _mm_or_si128(words[1], load_four(guid_end, 1));

    const __m128i first_abcd =
        _mm_set_epi32(0x67452301, (int)0xEFCDAB89, (int)0x98BADCFE, 0x10325476);
    const __m128i first_e = _mm_set_epi32((int)0xC3D2E1F0, 0, 0, 0);
    sha1 hash = {first_abcd, _mm_add_epi32(first_e, words[0])};
    mix_four(&hash, 0, words[1]);
    mix_four(&hash, 1, words[2]);
    mix_four(&hash, 2, words[3]);
    mix_sixteen(&hash, 3, words);
    mix_sixteen(&hash, 7, words);
    mix_sixteen(&hash, 11, words);
    mix_sixteen(&hash, 15, words);
    mix_four(&hash, 19, first_e);
    hash.abcd = _mm_add_epi32(hash.abcd, first_abcd);

    /* The first four words of the second block are zero. */
    const sha1 middle = hash;
    mix_padding(&hash, 0);
    mix_padding(&hash, 4);
    mix_padding(&hash, 8);
    mix_padding(&hash, 12);
    const uint32_t *padding_end = apus_padding_words + APUS_SHA1_WORDS;
    mix_four(&hash, 16, load_four(padding_end, 17));
    mix_four(&hash, 17, load_four(padding_end, 18));
    mix_four(&hash, 18, load_four(padding_end, 19));
    mix_four(&hash, 19, middle.e);
    hash.abcd = _mm_add_epi32(hash.abcd, middle.abcd);
    store_digits(&hash, accept);
}

#endif
