// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* The accept key by the letter: SHA-1 of FIPS 180-4 §6.1.2 and base64 of RFC 4648 §4. */

#ifndef APUS_FUZZ_ACCEPT_H
#define APUS_FUZZ_ACCEPT_H

#include "fuzz.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static uint32_t rotate(uint32_t value, unsigned bits) {
    return value << bits | value >> (32 - bits);
}

static void hash_block(uint32_t hash[5], const uint8_t block[64]) {
    uint32_t w[80];
    for (size_t t = 0; t < 80; t++) {
        w[t] = t < 16 ? (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
                            (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3]
                      : rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    }
    uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4];
    for (size_t t = 0; t < 80; t++) {
        uint32_t mixed = t < 20   ? ((b & c) ^ (~b & d)) + 0x5A827999
                         : t < 40 ? (b ^ c ^ d) + 0x6ED9EBA1
                         : t < 60 ? ((b & c) ^ (b & d) ^ (c & d)) + 0x8F1BBCDC
                                  : (b ^ c ^ d) + 0xCA62C1D6;
        uint32_t next = rotate(a, 5) + mixed + e + w[t];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    hash[0] += a;
    hash[1] += b;
    hash[2] += c;
    hash[3] += d;
    hash[4] += e;
}

/* RFC 6455 §4.2.2, step 5.4. */
static void expected_accept(const uint8_t *key, uint8_t *accept) {
    /* 60 bytes, the bit that ends them, zeros, and their number of bits in 64 bits. */
    uint8_t message[128] = {0};
    memcpy(message, key, APUS_KEY_SIZE);
    memcpy(message + APUS_KEY_SIZE, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11\x80", 37);
    message[126] = 480 >> 8;
    message[127] = 480 & 0xFF;
    uint32_t hash[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    hash_block(hash, message);
    hash_block(hash, message + 64);
    for (size_t i = 0; i < APUS_ACCEPT_SIZE; i++) {
        /* Six bits from bit 6 i on, of the 160 and two zeros behind them. */
        unsigned value = 0;
        for (size_t bit = 6 * i; bit < 6 * i + 6; bit++) {
            value = value << 1 | (bit < 160 ? hash[bit / 32] >> (31 - bit % 32) & 1 : 0);
        }
        accept[i] = (uint8_t)digits[value];
    }
    accept[APUS_ACCEPT_SIZE - 1] = '=';
}

/* In every variant. */
static void check_accept(const uint8_t *bytes) {
    uint8_t expected[APUS_ACCEPT_SIZE];
    expected_accept(bytes, expected);
    for (size_t i = 0; i < available_variants(); i++) {
        use_variant(i);
        exact key = exact_copy(bytes, APUS_KEY_SIZE, 0);
        exact accept = exact_make(APUS_ACCEPT_SIZE, 0);
        apus_accept_key(key.bytes, accept.bytes);
        CHECK(memcmp(accept.bytes, expected, APUS_ACCEPT_SIZE) == 0);
        exact_end(accept);
        exact_end(key);
    }
}

#endif
