// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* What a careful programmer writes without intrinsics; built with -O3 -march=native. */

#include "bench.h"

#include <string.h>

static inline void load_key(uint8_t key[4]) {
    uint8_t bytes[4];
    memcpy(bytes, &bench_key, 4);
    for (size_t i = 0; i < 4; i++) {
        key[i] = bytes[(i + bench_phase) & 3];
    }
}

static inline uint32_t key_in_phase(void) {
    uint8_t key[4];
    load_key(key);
    uint32_t value;
    memcpy(&value, key, 4);
    return value;
}

unsigned loop_bytes(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    uint8_t key[4];
    load_key(key);
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= key[i & 3];
    }
    return 0;
}

unsigned loop_bytes_copy(uint8_t *restrict target, uint8_t *restrict bytes, size_t size) {
    uint8_t key[4];
    load_key(key);
    for (size_t i = 0; i < size; i++) {
        target[i] = bytes[i] ^ key[i & 3];
    }
    return 0;
}

/* Four bytes at a time: the form that compilers turn into vectors. */
void mask_unrolled(uint8_t *bytes, size_t size, uint32_t masking_key) {
    uint8_t key[4];
    memcpy(key, &masking_key, 4);
    size_t i = 0;
    for (; i + 4 <= size; i += 4) {
        bytes[i] ^= key[0];
        bytes[i + 1] ^= key[1];
        bytes[i + 2] ^= key[2];
        bytes[i + 3] ^= key[3];
    }
    for (; i < size; i++) {
        bytes[i] ^= key[i & 3];
    }
}

unsigned loop_unrolled(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    mask_unrolled(bytes, size, key_in_phase());
    return 0;
}

/* Eight bytes at a time, as one word; what the compiler makes of it is up to the compiler. */
void mask_words(uint8_t *bytes, size_t size, uint32_t masking_key) {
    uint8_t key[4];
    memcpy(key, &masking_key, 4);
    uint64_t word_key = (uint64_t)masking_key << 32 | masking_key;
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, 8);
        word ^= word_key;
        memcpy(bytes + i, &word, 8);
    }
    for (; i < size; i++) {
        bytes[i] ^= key[i & 3];
    }
}

unsigned loop_words(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    mask_words(bytes, size, key_in_phase());
    return 0;
}

/* Not the same function with two pointers: that one is slower in place. */
unsigned loop_words_copy(uint8_t *restrict target, uint8_t *restrict bytes, size_t size) {
    uint8_t key[4];
    load_key(key);
    uint32_t half;
    memcpy(&half, key, 4);
    uint64_t word_key = (uint64_t)half << 32 | half;
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, 8);
        word ^= word_key;
        memcpy(target + i, &word, 8);
    }
    for (; i < size; i++) {
        target[i] = bytes[i] ^ key[i & 3];
    }
    return 0;
}

/* Only looks at every byte, once. */
unsigned read_all(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    uint64_t seen[32] = {0};
    size_t i = 0;
    for (; i + sizeof seen <= size; i += sizeof seen) {
        for (size_t lane = 0; lane < 32; lane++) {
            uint64_t word;
            memcpy(&word, bytes + i + lane * 8, 8);
            seen[lane] |= word;
        }
    }
    uint64_t all = 0;
    for (size_t lane = 0; lane < 32; lane++) {
        all |= seen[lane];
    }
    for (; i + 8 <= size; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, 8);
        all |= word;
    }
    for (; i < size; i++) {
        all |= bytes[i];
    }
    return (unsigned)all;
}

/* Only stores, to every byte once; where these are aligned, as fast as the processor can. */
unsigned write_all(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    uint64_t word = (uint64_t)bench_key << 32 | bench_key;
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        memcpy(bytes + i, &word, 8);
    }
    for (; i < size; i++) {
        bytes[i] = (uint8_t)word;
    }
    return 0;
}
