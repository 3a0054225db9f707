// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "bench.h"

#include <string.h>

/* The first bytes of the answer are the proof that both did the same. */
static unsigned accept_key(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)size;
    apus_accept_key(bytes, target);
    return target[0] + target[26];
}

static const struct row rows[] = {
    {"apus_accept_key", OURS, accept_key},
    {"OpenSSL SHA1()", PEER, openssl_one_shot},
    {"OpenSSL EVP kept context", PEER, openssl_kept},
};

void bench_accept(void) {
    static const struct table table = TABLE("accept", rows);
    static uint8_t keys[16 * 32], answers[16 * 32];
    static struct piece pieces[16];
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (uint32_t i = 0; i < 16; i++) {
        pieces[i] = (struct piece){i * 32, APUS_KEY_SIZE};
        for (size_t at = 0; at < 21; at++) {
            keys[i * 32 + at] = (uint8_t)alphabet[bench_random() % 64];
        }
        memcpy(keys + i * 32 + 21, "Q==", 3);
    }
    struct work work = {"keys", "a key", answers, keys, pieces, 16, 1, NULL, 0};
    measure(&table, &work);
}
