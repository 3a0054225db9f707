// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "accept_key.h"

#if defined(__AARCH64EL__)

#include <arm_neon.h>

#define APUS_SHA1 __attribute__((target("+crypto")))

typedef struct sha1 {
    uint32x4_t abcd;
    uint32_t e;
} sha1;

APUS_SHA1 APUS_INLINE uint32x4_t mix(uint32x4_t abcd, uint32_t e, uint32x4_t words,
                                     unsigned twenty) {
    static const uint32_t constants[] = {0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6};
    words = vaddq_u32(words, vdupq_n_u32(constants[twenty]));
    return twenty == 0   ? vsha1cq_u32(abcd, e, words)
           : twenty == 2 ? vsha1mq_u32(abcd, e, words)
                         : vsha1pq_u32(abcd, e, words);
}

/* The block's 80 rounds, four at a time; `words` are overwritten. */
APUS_SHA1 static void mix_block(sha1 *hash, uint32x4_t words[4]) {
    sha1 mixed = *hash;
    for (unsigned four = 0; four < APUS_SHA1_WORDS / 4; four++) {
        uint32x4_t *oldest = &words[four % 4];
        if (four >= 4) {
            uint32x4_t sum = vsha1su0q_u32(*oldest, words[(four + 1) % 4], words[(four + 2) % 4]);
            *oldest = vsha1su1q_u32(sum, words[(four + 3) % 4]);
        }
        uint32_t e = vsha1h_u32(vgetq_lane_u32(mixed.abcd, 0));
        mixed.abcd = mix(mixed.abcd, mixed.e, *oldest, four / 5);
        mixed.e = e;
    }
    hash->abcd = vaddq_u32(hash->abcd, mixed.abcd);
    hash->e += mixed.e;
}

/* Four words that a table has backwards. */
APUS_SHA1 APUS_INLINE uint32x4_t load_backwards(const uint32_t *words) {
    uint32x4_t halves = vrev64q_u32(vld1q_u32(words));
    return vextq_u32(halves, halves, 2);
}

APUS_SHA1 APUS_INLINE uint32x4_t load_key(const uint8_t *bytes) {
    return vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(bytes)));
}

APUS_SHA1 void apus_accept_key_sha1(const uint8_t *key, uint8_t *accept) {
    uint32x4_t guid = load_backwards(apus_guid_words + 8);
    uint32x4_t first[4] = {
        load_key(key),
        vcombine_u32(vget_high_u32(load_key(key + 8)), vget_high_u32(guid)),
        load_backwards(apus_guid_words + 4),
        load_backwards(apus_guid_words),
    };
    uint32x4_t second[4];
    for (size_t i = 0; i < 4; i++) {
        second[i] = load_backwards(apus_padding_words + APUS_SHA1_WORDS - 4 * (i + 1));
    }
    static const uint32_t start[4] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476};
    sha1 hash = {vld1q_u32(start), 0xC3D2E1F0};
    mix_block(&hash, first);
    mix_block(&hash, second);
    uint32_t words[5];
    vst1q_u32(words, hash.abcd);
    words[4] = hash.e;
    apus_accept_key_digits(words, accept);
}

#endif
