// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * Handshake keys: one is valid if it is the base64 of the 16 bytes that it stands for, and whatever
 * it is, every variant answers it as the standards do. The input is the key; or, with 18 bytes, a
 * nonce to make one of, a place in it and the byte to put there.
 */

#include "accept.h"

enum { NONCE_SIZE = 16 };

/* RFC 4648 §4, three bytes at a time. */
static void encode(const uint8_t nonce[NONCE_SIZE], uint8_t key[APUS_KEY_SIZE]) {
    for (size_t i = 0; i < APUS_KEY_SIZE / 4; i++) {
        unsigned group = 0;
        for (size_t k = 0; k < 3; k++) {
            group = group << 8 | (3 * i + k < NONCE_SIZE ? nonce[3 * i + k] : 0);
        }
        for (size_t k = 0; k < 4; k++) {
            key[4 * i + k] = (uint8_t)digits[group >> (18 - 6 * k) & 63];
        }
    }
    key[22] = key[23] = '=';
}

/* The bytes that the digits stand for; false if one of the first 22 is none. */
static bool decode(const uint8_t *key, uint8_t nonce[NONCE_SIZE]) {
    unsigned bits = 0, held = 0;
    size_t size = 0;
    for (size_t i = 0; i < 22; i++) {
        const char *digit = key[i] != 0 ? strchr(digits, key[i]) : NULL;
        if (digit == NULL) {
            return false;
        }
        bits = (bits << 6 | (unsigned)(digit - digits)) & 0xFFFF;
        held += 6;
        if (held >= 8) {
            held -= 8;
            nonce[size++] = (uint8_t)(bits >> held);
        }
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t nonce[NONCE_SIZE], canonical[APUS_KEY_SIZE];
    if (size == NONCE_SIZE + 2) {
        encode(data, canonical);
        canonical[data[NONCE_SIZE] % APUS_KEY_SIZE] = data[NONCE_SIZE + 1];
        data = canonical;
        size = APUS_KEY_SIZE;
    }
    uint8_t again[APUS_KEY_SIZE];
    bool is_expected = false;
    if (size == APUS_KEY_SIZE && decode(data, nonce)) {
        encode(nonce, again);
        is_expected = memcmp(again, data, APUS_KEY_SIZE) == 0;
    }
    exact key = exact_copy(data, size, 0);
    CHECK(apus_key_is_valid(key.bytes, size) == is_expected);
    exact_end(key);
    if (size == APUS_KEY_SIZE) {
        check_accept(data);
    }
    return 0;
}
