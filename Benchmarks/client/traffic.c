// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "client.h"

#include <string.h>

enum { SEED_SIZE = 24 };

// Every message differs from all others of its server in its first bytes: an echo that is lost,
// doubled, or comes on the wrong connection does not compare equal. What follows is the same in
// all.
const uint8_t *make_message(const struct traffic *traffic, uint32_t number, uint64_t index,
                            uint32_t *key) {
    if (traffic->is_compressed) {
        *key = (uint32_t)(index * UINT64_C(0x9E3779B97F4A7C15) >> 32);
        return compressed_message();
    }
    static uint8_t message[MESSAGE_SIZE_MAX];
    static bool is_filled;
    if (!is_filled) {
        memset(message, 'a', sizeof message);
        is_filled = true;
    }
    uint64_t words[3];
    words[0] = ((uint64_t)number << 44 | index) * UINT64_C(0x9E3779B97F4A7C15);
    words[1] = words[0] ^ words[0] >> 29;
    words[2] = words[1] * UINT64_C(0xBF58476D1CE4E5B9);
    *key = (uint32_t)(words[2] >> 32);
    if (traffic->is_text) {
        for (size_t i = 0; i < 3; i++) {
            // 0 to o: ASCII that can be read.
            words[i] = (words[i] & UINT64_C(0x3F3F3F3F3F3F3F3F)) + UINT64_C(0x3030303030303030);
        }
    }
    size_t seed_size = traffic->message_size < SEED_SIZE ? traffic->message_size : SEED_SIZE;
    memcpy(message, words, seed_size);
    if (traffic->is_published) {
        message[0] = '*';
    }
    return message;
}
