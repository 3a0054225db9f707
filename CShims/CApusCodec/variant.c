// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "internal.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__AARCH64EL__) && defined(__linux__)
#include <sys/auxv.h>
#endif

/* The best first. */
static const apus_kernels all_kernels[] = {
#if defined(__x86_64__)
    {APUS_VARIANT_AVX512, apus_mask_avx512, apus_utf8_avx512, apus_mask_utf8_avx512,
     apus_batch_avx512},
    {APUS_VARIANT_AVX2, apus_mask_avx2, apus_utf8_avx2, apus_mask_utf8_avx2, apus_batch_avx2},
    {APUS_VARIANT_SSE4, apus_mask_sse4, apus_utf8_sse4, apus_mask_utf8_sse4, apus_batch_sse4},
#elif defined(__AARCH64EL__)
    {APUS_VARIANT_NEON, apus_mask_neon, apus_utf8_neon, apus_mask_utf8_neon, apus_batch_neon},
#endif
    {APUS_VARIANT_SCALAR, apus_mask_scalar, apus_utf8_scalar, apus_mask_utf8_scalar,
     apus_batch_scalar},
};

static const apus_kernels stand_ins;

enum { ALL_KERNELS = sizeof all_kernels / sizeof all_kernels[0] };

/* What the processor has: a bit for each variant, and one more. */
enum { SHA1 = 1 << 16 };

#if defined(__x86_64__)

/* Asked here and not through the compiler's own run-time library, which not every static libc
 * brings along. */
static unsigned ask_processor(void) {
    enum { SSE41 = 1 << 19, OSXSAVE = 1 << 27, AVX = 1 << 28, AVX2 = 1 << 5, VBMI = 1 << 1 };
    const unsigned ssse3_sse41_sse42 = 1u << 9 | 1u << 19 | 1u << 20;
    const unsigned sha = 1u << 29, avx512_f_bw_vl = 1u << 16 | 1u << 30 | 1u << 31;
    /* The registers that the system saves: xmm and ymm; then mask registers and zmm. */
    enum { YMM_STATE = 0x06, ZMM_STATE = 0xE6 };

    unsigned found = 1u << APUS_VARIANT_SCALAR;
    unsigned a, b, c, d, first;
    if (__get_cpuid(1, &a, &b, &first, &d) == 0) {
        return found;
    }
    if ((first & ssse3_sse41_sse42) == ssse3_sse41_sse42) {
        found |= 1u << APUS_VARIANT_SSE4;
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) {
        return found;
    }
    if ((first & SSE41) != 0 && (b & sha) != 0) {
        found |= SHA1;
    }
    if ((first & OSXSAVE) == 0 || (first & AVX) == 0) {
        return found;
    }
    unsigned saved, saved_high;
    __asm__ volatile("xgetbv" : "=a"(saved), "=d"(saved_high) : "c"(0));
    if ((saved & YMM_STATE) == YMM_STATE && (b & AVX2) != 0) {
        found |= 1u << APUS_VARIANT_AVX2;
    }
    if ((saved & ZMM_STATE) == ZMM_STATE && (b & avx512_f_bw_vl) == avx512_f_bw_vl &&
        (b & AVX2) != 0 && (c & VBMI) != 0) {
        found |= 1u << APUS_VARIANT_AVX512;
    }
    return found;
}

#elif defined(__AARCH64EL__)

/* NEON is part of every aarch64. */
static unsigned ask_processor(void) {
    unsigned found = 1u << APUS_VARIANT_SCALAR | 1u << APUS_VARIANT_NEON;
#if defined(__linux__)
    if ((getauxval(AT_HWCAP) & HWCAP_SHA1) != 0) {
        found |= SHA1;
    }
#endif
    return found;
}

#else

static unsigned ask_processor(void) {
    return 1u << APUS_VARIANT_SCALAR;
}

#endif

/* The processor is asked once: in a virtual machine that takes microseconds. Threads that ask at
 * the same time get the same answer. */
static unsigned processor_has(unsigned what) {
    static atomic_uint answer = 0;
    unsigned found = atomic_load_explicit(&answer, memory_order_relaxed);
    if (found == 0) {
        found = ask_processor();
        atomic_store_explicit(&answer, found, memory_order_relaxed);
    }
    return found & what;
}

/* NULL where this build or this processor does not have the variant. */
static const apus_kernels *available_kernels(apus_variant variant) {
    for (size_t i = 0; i < ALL_KERNELS; i++) {
        if (all_kernels[i].variant == variant) {
            return processor_has(1u << variant) != 0 ? &all_kernels[i] : NULL;
        }
    }
    return NULL;
}

/* ---- The choice ---- */

static const apus_kernels *choose(void) {
    size_t best = 0;
    while (available_kernels(all_kernels[best].variant) == NULL) {
        best++;
    }
    /* A thread that selects another one meanwhile is not overruled. */
    const apus_kernels *found = &stand_ins;
    bool is_first =
        atomic_compare_exchange_strong_explicit(&apus_kernels_chosen, &found, &all_kernels[best],
                                                memory_order_relaxed, memory_order_relaxed);
    return is_first ? &all_kernels[best] : found;
}

/* The kernels before the first call. Nobody has to ask whether there was one: the functions of the
 * library are a jump, without a frame of their own for the case that they must choose. */

static void choose_and_mask(uint8_t *target, const uint8_t *source, size_t size, uint32_t key) {
    choose()->mask(target, source, size, key);
}

static bool choose_and_utf8(apus_utf8_state *state, const uint8_t *bytes, size_t size) {
    return choose()->utf8(state, bytes, size);
}

static bool choose_and_mask_utf8(apus_utf8_state *state, uint8_t *target, const uint8_t *source,
                                 size_t size, uint32_t key) {
    return choose()->mask_utf8(state, target, source, size, key);
}

static apus_result choose_and_batch(apus_feed *feed) {
    return choose()->batch(feed);
}

static const apus_kernels stand_ins = {APUS_VARIANT_SCALAR, choose_and_mask, choose_and_utf8,
                                       choose_and_mask_utf8, choose_and_batch};

_Atomic(const apus_kernels *) apus_kernels_chosen = &stand_ins;

bool apus_variant_is_available(apus_variant variant) {
    return available_kernels(variant) != NULL;
}

bool apus_variant_select(apus_variant variant) {
    const apus_kernels *kernels = available_kernels(variant);
    if (kernels == NULL) {
        return false;
    }
    atomic_store_explicit(&apus_kernels_chosen, kernels, memory_order_relaxed);
    return true;
}

apus_variant apus_variant_current(void) {
    const apus_kernels *kernels = apus_kernels_current();
    return (kernels != &stand_ins ? kernels : choose())->variant;
}

bool apus_has_sha1(void) {
    return processor_has(SHA1) != 0 && apus_variant_current() != APUS_VARIANT_SCALAR;
}

const char *apus_codec_version(void) {
    return APUS_CODEC_VERSION;
}
