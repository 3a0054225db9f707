// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "accept_key.h"

enum { NONCE_SIZE = 16, DIGEST_SIZE = 20 };

_Static_assert(APUS_KEY_SIZE == (NONCE_SIZE + 2) / 3 * 4, "a key is the base64 of a nonce");
_Static_assert(APUS_ACCEPT_SIZE == (DIGEST_SIZE + 2) / 3 * 4, "an answer, that of a digest");

static const uint8_t base64_digits[64] = {
    'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P',
    'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'a', 'b', 'c', 'd', 'e', 'f',
    'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v',
    'w', 'x', 'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '+', '/'};

bool apus_key_is_valid(const uint8_t *key, size_t size) {
    /* A bit for each byte that is a digit: '+', '/' and '0' to '9', then letters. */
    static const uint64_t is_digit[4] = {1ull << '+' | 1ull << '/' | 0x3FFull << '0',
                                         0x3FFFFFFull << 1 | 0x3FFFFFFull << 33};
    if (size != APUS_KEY_SIZE || key[22] != '=' || key[23] != '=') {
        return false;
    }
    uint64_t are_digits = 1;
    for (size_t i = 0; i < 21; i++) {
        are_digits &= is_digit[key[i] / 64] >> key[i] % 64;
    }
    /* 16 bytes leave two bits to the last digit; the other four are zero in canonical form. */
    uint8_t last = key[21];
    return are_digits != 0 && (last == 'A' || last == 'Q' || last == 'g' || last == 'w');
}

const uint32_t apus_guid_words[16] = {
    0x80000000, 0x35423131, 0x30444338, 0x43354142, 0x3543412D, /* 5B11 0DC8 C5AB 5CA- */
    0x44412D39, 0x342D3437, 0x2D453931, 0x41464135, 0x32353845, /* DA-9 4-47 -E91 AFA5 258E */
};

const uint32_t apus_padding_words[APUS_SHA1_WORDS] = {
    0x040A4A00, 0x3C00F000, 0x0CB88800, 0x00000000, 0x1EFF8800, 0x00333C00, 0x00F0F000, 0x0F000000,
    0x03269E00, 0x00FF0000, 0x078F0000, 0x00000000, 0x00438000, 0x03C0F000, 0x00CC0000, 0x00000000,
    0x01EFBB00, 0x0000F000, 0x000FC300, 0x00F00000, 0x00338700, 0x000FF000, 0x0078FF00, 0x0000F000,
    0x00040B00, 0x003C0000, 0x000CB800, 0x00000000, 0x001EFF00, 0x00003300, 0x0000F000, 0x000F0000,
    0x00032680, 0x0000FF00, 0x00078F00, 0x00000000, 0x00004380, 0x0003C000, 0x0000CC00, 0x00000000,
    0x0001EF00, 0x00000000, 0x00000F00, 0x0000F000, 0x00003300, 0x00000F00, 0x00007800, 0x00000000,
    0x00000440, 0x00003C00, 0x00000CC0, 0x00000000, 0x00001E00, 0x00000000, 0x00000000, 0x00000F00,
    0x000003C0, 0x00000000, 0x00000780, 0x00000000, 0x00000000, 0x000003C0, 0x00000000, 0x00000000,
    0x000001E0, 0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000000,
    0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x00000000,
};

/* ---- SHA-1, FIPS 180-4 §6.1.2 ---- */

static uint32_t rotate_left(uint32_t value, unsigned bits) {
    return value << bits | value >> (32 - bits);
}

static uint32_t load_big_endian_32(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* A word from those of earlier rounds, which lie behind it. */
APUS_INLINE uint32_t expand(uint32_t *word) {
    return *word = rotate_left(word[3] ^ word[8] ^ word[14] ^ word[16], 1);
}

typedef enum mixing { CHOICE, PARITY, MAJORITY } mixing;

/* One round; the names of the five move on by one for the next. */
APUS_INLINE void mix(mixing how, uint32_t a, uint32_t *b, uint32_t c, uint32_t d, uint32_t *e,
                     uint32_t addend) {
    *e += addend;
    if (how == CHOICE) {
        *e += d ^ (*b & (c ^ d));
    } else if (how == MAJORITY) {
        *e += c & d;
        *e += *b & (c ^ d);
    } else {
        *e += *b ^ (c ^ d);
    }
    *e += rotate_left(a, 5);
    *b = rotate_left(*b, 30);
}

/* Five rounds, whose words end here. */
APUS_INLINE void mix_five(uint32_t h[5], mixing how, uint32_t constant, const uint32_t *end) {
    mix(how, h[0], &h[1], h[2], h[3], &h[4], constant + end[-1]);
    mix(how, h[4], &h[0], h[1], h[2], &h[3], constant + end[-2]);
    mix(how, h[3], &h[4], h[0], h[1], &h[2], constant + end[-3]);
    mix(how, h[2], &h[3], h[4], h[0], &h[1], constant + end[-4]);
    mix(how, h[1], &h[2], h[3], h[4], &h[0], constant + end[-5]);
}

/* Twenty rounds, whose words end here; in `missing`, if that is not NULL, they are made first. */
APUS_INLINE void mix_twenty(uint32_t hash[5], mixing how, uint32_t constant, const uint32_t *end,
                            uint32_t *missing) {
    uint32_t h[5];
    memcpy(h, hash, sizeof h);
    for (size_t five = 0; five < 20; five += 5, end -= 5) {
        for (ptrdiff_t k = 1; k <= 5 && missing != NULL; k++) {
            expand(--missing);
        }
        mix_five(h, how, constant, end);
    }
    memcpy(hash, h, sizeof h);
}

/* A block of which all words are known, or those of the first twenty rounds, and `missing` is the
 * same table. */
APUS_INLINE void mix_block(uint32_t hash[5], const uint32_t *words, uint32_t *missing) {
    uint32_t h[5];
    memcpy(h, hash, sizeof h);
    mix_twenty(h, CHOICE, 0x5A827999, words + 80, NULL);
    mix_twenty(h, PARITY, 0x6ED9EBA1, words + 60, missing != NULL ? missing + 60 : NULL);
    mix_twenty(h, MAJORITY, 0x8F1BBCDC, words + 40, missing != NULL ? missing + 40 : NULL);
    mix_twenty(h, PARITY, 0xCA62C1D6, words + 20, missing != NULL ? missing + 20 : NULL);
    for (size_t i = 0; i < 5; i++) {
        hash[i] += h[i];
    }
}

void apus_accept_key_digits(const uint32_t hash[5], uint8_t *accept) {
    /* A zero byte behind the digest fills the last group of three; its digit becomes padding. */
    uint8_t digest[DIGEST_SIZE + 1] = {0};
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        digest[i] = (uint8_t)(hash[i / 4] >> (24 - 8 * (i % 4)));
    }
    for (size_t i = 0; i < sizeof digest; i += 3) {
        unsigned group = (unsigned)digest[i] << 16 | (unsigned)digest[i + 1] << 8 | digest[i + 2];
        for (unsigned digit = 0; digit < 4; digit++) {
            *accept++ = base64_digits[group >> (18 - 6 * digit) & 63];
        }
    }
    accept[-1] = '=';
}

static void accept_key_portable(const uint8_t *key, uint8_t *accept) {
    uint32_t words[APUS_SHA1_WORDS];
    memcpy(words + 64, apus_guid_words, sizeof apus_guid_words);
    for (size_t t = 0; t < APUS_KEY_SIZE / 4; t++) {
        words[79 - t] = load_big_endian_32(key + 4 * t);
    }
    for (size_t t = 16; t < 20; t++) {
        expand(&words[79 - t]);
    }
    uint32_t hash[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    mix_block(hash, words, words);
    mix_block(hash, apus_padding_words, NULL);
    apus_accept_key_digits(hash, accept);
}

void apus_accept_key(const uint8_t *key, uint8_t *accept) {
#if defined(__x86_64__) || defined(__AARCH64EL__)
    if (apus_has_sha1()) {
        apus_accept_key_sha1(key, accept);
        return;
    }
#endif
    accept_key_portable(key, accept);
}
