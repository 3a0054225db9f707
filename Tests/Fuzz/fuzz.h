// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * What the fuzz targets share: how they take an input apart, where their bytes lie, how they fail.
 * All of it is static, so a target is one file that works with libFuzzer and with replay.c.
 */

#ifndef APUS_FUZZ_H
#define APUS_FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define FUZZ_UNUSED __attribute__((unused))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process with a sanitizer's kind of noise where a claim does not hold. */
#define CHECK(claim)                                                                               \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            fprintf(stderr, "%s:%d: does not hold: %s (%s)\n", __FILE__, __LINE__, #claim,         \
                    variant_name(apus_variant_current()));                                         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* ---- Instruction sets ---- */

enum { VARIANTS = 5 };

static apus_variant known_variants[VARIANTS];

FUZZ_UNUSED static const char *variant_name(apus_variant variant) {
    static const char *const names[VARIANTS] = {"scalar", "SSE4.2", "AVX2", "AVX-512", "NEON"};
    return names[variant];
}

/* How many variants this processor has. */
FUZZ_UNUSED static size_t available_variants(void) {
    static size_t count = 0;
    if (count > 0) {
        return count;
    }
    for (int variant = 0; variant < VARIANTS; variant++) {
        if (apus_variant_is_available((apus_variant)variant)) {
            known_variants[count++] = (apus_variant)variant;
        }
    }
    return count;
}

/* Selects one of the available variants. */
FUZZ_UNUSED static void use_variant(size_t index) {
    CHECK(index < available_variants());
    CHECK(apus_variant_select(known_variants[index]));
}

/* ---- The input ---- */

typedef struct input {
    const uint8_t *bytes;
    size_t size;
} input;

/* The next bytes of the input as a number; those behind its end are zero. */
FUZZ_UNUSED static uint64_t take(input *from, size_t size) {
    uint64_t value = 0;
    for (size_t i = 0; i < size && from->size > 0; i++) {
        value |= (uint64_t)*from->bytes << (8 * i);
        from->bytes++;
        from->size--;
    }
    return value;
}

/* ---- Bytes in memory of their own ---- */

/* Ends where the allocation ends, and starts where it starts if `shift` is 0: a byte read or
 * written beyond is one that AddressSanitizer sees. */
typedef struct exact {
    uint8_t *allocation;
    uint8_t *bytes;
    size_t shift;
} exact;

/* What lies before the bytes: the start of a character, so that a look at it changes a verdict. */
enum { CANARY = 0xF4 };

FUZZ_UNUSED static exact exact_make(size_t size, size_t shift) {
    uint8_t *allocation = malloc(shift + size);
    CHECK(allocation != NULL);
    memset(allocation, CANARY, shift + size);
    return (exact){allocation, allocation + shift, shift};
}

FUZZ_UNUSED static exact exact_copy(const uint8_t *bytes, size_t size, size_t shift) {
    exact copy = exact_make(size, shift);
    if (size > 0) {
        memcpy(copy.bytes, bytes, size);
    }
    return copy;
}

/* Frees it, and sees that nothing was written before the bytes. */
FUZZ_UNUSED static void exact_end(exact piece) {
    for (size_t i = 0; i < piece.shift; i++) {
        CHECK(piece.allocation[i] == CANARY);
    }
    free(piece.allocation);
}

#endif
