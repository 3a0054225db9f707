// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#ifndef APUS_CODEC_INTERNAL_H
#define APUS_CODEC_INTERNAL_H

#include <stdatomic.h>
#include <string.h>

#include "apus_codec.h"

/* The kernels of an instruction set are compiled by attributes and not by flags, so that one object
 * file carries all of them. Whoever is inlined into a kernel must not ask for more than it has. */
#define APUS_INLINE static inline __attribute__((always_inline))
#define APUS_HIDDEN __attribute__((visibility("hidden")))

/* A short function that is called often: in as few lines of the instruction cache as can be. */
#define APUS_HOT __attribute__((aligned(64)))

/* For what is to be on the straight way: a jump that is taken costs as much as a short piece. */
#define APUS_LIKELY(condition) __builtin_expect((condition), 1)

/* XORs size bytes of source into target: the same memory or disjoint. The first byte meets the
 * first byte of the key. */
typedef void apus_mask_kernel(uint8_t *target, const uint8_t *source, size_t size, uint32_t key);
typedef bool apus_utf8_kernel(apus_utf8_state *state, const uint8_t *bytes, size_t size);
/* Both at once: every byte is XORed whatever the answer. */
typedef bool apus_mask_utf8_kernel(apus_utf8_state *state, uint8_t *target, const uint8_t *source,
                                   size_t size, uint32_t key);

typedef struct apus_feed apus_feed;
/* As many whole messages as follow each other, see decoder.h. */
typedef apus_result apus_batch_kernel(apus_feed *feed);

typedef struct apus_kernels {
    apus_variant variant;
    apus_mask_kernel *mask;
    apus_utf8_kernel *utf8;
    apus_mask_utf8_kernel *mask_utf8;
    apus_batch_kernel *batch;
} apus_kernels;

APUS_HIDDEN apus_mask_kernel apus_mask_scalar;
APUS_HIDDEN apus_utf8_kernel apus_utf8_scalar;
APUS_HIDDEN apus_mask_utf8_kernel apus_mask_utf8_scalar;
APUS_HIDDEN apus_batch_kernel apus_batch_scalar;
#if defined(__x86_64__)
APUS_HIDDEN apus_mask_kernel apus_mask_sse4, apus_mask_avx2, apus_mask_avx512;
APUS_HIDDEN apus_utf8_kernel apus_utf8_sse4, apus_utf8_avx2, apus_utf8_avx512;
APUS_HIDDEN apus_mask_utf8_kernel apus_mask_utf8_sse4, apus_mask_utf8_avx2, apus_mask_utf8_avx512;
APUS_HIDDEN apus_batch_kernel apus_batch_sse4, apus_batch_avx2, apus_batch_avx512;
#elif defined(__AARCH64EL__)
APUS_HIDDEN apus_mask_kernel apus_mask_neon;
APUS_HIDDEN apus_utf8_kernel apus_utf8_neon;
APUS_HIDDEN apus_mask_utf8_kernel apus_mask_utf8_neon;
APUS_HIDDEN apus_batch_kernel apus_batch_neon;
#endif

/* The kernels in use, and before the first call stand-ins that choose. The first thread to choose
 * wins, and what the pointer points to is constant, so relaxed order is enough. */
APUS_HIDDEN extern _Atomic(const apus_kernels *) apus_kernels_chosen;

APUS_INLINE const apus_kernels *apus_kernels_current(void) {
    return atomic_load_explicit(&apus_kernels_chosen, memory_order_relaxed);
}

/* Whether the processor's instructions for SHA-1 are to be used: it has them, and the variant in
 * use is not the portable one. */
APUS_HIDDEN bool apus_has_sha1(void);

APUS_INLINE uint32_t apus_load32(const uint8_t *bytes) {
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

APUS_INLINE uint64_t apus_load64(const uint8_t *bytes) {
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

APUS_INLINE void apus_store32(uint8_t *bytes, uint32_t value) {
    memcpy(bytes, &value, sizeof value);
}

APUS_INLINE void apus_store64(uint8_t *bytes, uint64_t value) {
    memcpy(bytes, &value, sizeof value);
}

/* How many bytes from here to the next address that is a multiple of width: 1 to width. */
APUS_INLINE size_t apus_bytes_to_alignment(const uint8_t *bytes, size_t width) {
    return width - ((uintptr_t)bytes & (width - 1));
}

#endif
