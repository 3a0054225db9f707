// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "internal.h"

enum { NONCE_SIZE = 16, DIGEST_SIZE = 20, BLOCK_SIZE = 64 };

static const uint8_t guid[36] = {'2', '5', '8', 'E', 'A', 'F', 'A', '5', '-', 'E', '9', '1',
                                 '4', '-', '4', '7', 'D', 'A', '-', '9', '5', 'C', 'A', '-',
                                 'C', '5', 'A', 'B', '0', 'D', 'C', '8', '5', 'B', '1', '1'};

_Static_assert(APUS_KEY_SIZE == (NONCE_SIZE + 2) / 3 * 4, "a key is the base64 of a nonce");
_Static_assert(APUS_ACCEPT_SIZE == (DIGEST_SIZE + 2) / 3 * 4, "an answer, that of a digest");

static const uint8_t base64_digits[64] = {
    'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P',
    'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'a', 'b', 'c', 'd', 'e', 'f',
    'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v',
    'w', 'x', 'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '+', '/'};

/* The value of a base64 digit, or -1. */
static int base64_value(uint8_t digit) {
    for (int value = 0; value < 64; value++) {
        if (base64_digits[value] == digit) {
            return value;
        }
    }
    return -1;
}

bool apus_key_is_valid(const uint8_t *key, size_t size) {
    if (size != APUS_KEY_SIZE || key[22] != '=' || key[23] != '=') {
        return false;
    }
    for (size_t i = 0; i < 22; i++) {
        if (base64_value(key[i]) < 0) {
            return false;
        }
    }
    /* 16 bytes leave two bits to the last digit; the other four are zero in canonical form. */
    return (base64_value(key[21]) & 0x0F) == 0;
}

static uint32_t rotate_left(uint32_t value, unsigned bits) {
    return value << bits | value >> (32 - bits);
}

static uint32_t load_big_endian_32(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* One block of SHA-1, FIPS 180-4 §6.1.2. */
static void sha1_block(uint32_t hash[5], const uint8_t *block) {
    uint32_t schedule[80];
    for (size_t t = 0; t < 16; t++) {
        schedule[t] = load_big_endian_32(block + 4 * t);
    }
    for (size_t t = 16; t < 80; t++) {
        schedule[t] =
            rotate_left(schedule[t - 3] ^ schedule[t - 8] ^ schedule[t - 14] ^ schedule[t - 16], 1);
    }
    uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4];
    for (size_t t = 0; t < 80; t++) {
        uint32_t mixed;
        if (t < 20) {
            mixed = ((b & c) | (~b & d)) + 0x5A827999;
        } else if (t < 40) {
            mixed = (b ^ c ^ d) + 0x6ED9EBA1;
        } else if (t < 60) {
            mixed = ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC;
        } else {
            mixed = (b ^ c ^ d) + 0xCA62C1D6;
        }
        uint32_t next = rotate_left(a, 5) + mixed + e + schedule[t];
        e = d;
        d = c;
        c = rotate_left(b, 30);
        b = a;
        a = next;
    }
    hash[0] += a;
    hash[1] += b;
    hash[2] += c;
    hash[3] += d;
    hash[4] += e;
}

void apus_accept_key(const uint8_t *key, uint8_t *accept) {
    /* The message is always 60 bytes: the padding starts in its block and ends in a second one. */
    uint8_t blocks[2 * BLOCK_SIZE] = {0};
    memcpy(blocks, key, APUS_KEY_SIZE);
    memcpy(blocks + APUS_KEY_SIZE, guid, sizeof guid);
    const unsigned size = APUS_KEY_SIZE + sizeof guid;
    blocks[size] = 0x80;
    blocks[sizeof blocks - 2] = (uint8_t)(size * 8 >> 8);
    blocks[sizeof blocks - 1] = (uint8_t)(size * 8);

    uint32_t hash[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    sha1_block(hash, blocks);
    sha1_block(hash, blocks + BLOCK_SIZE);

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
