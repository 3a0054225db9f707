// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "internal.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

_Atomic(const apus_kernels *) apus_kernels_chosen = NULL;

/* The best first. */
static const apus_kernels all_kernels[] = {
#if defined(__x86_64__)
    {APUS_VARIANT_AVX512, apus_mask_avx512, apus_utf8_avx512, apus_mask_utf8_avx512,
     apus_batch_avx512},
    {APUS_VARIANT_AVX2, apus_mask_avx2, apus_utf8_avx2, apus_mask_utf8_avx2, apus_batch_avx2},
    {APUS_VARIANT_SSE2, apus_mask_sse2, apus_utf8_sse2, apus_mask_utf8_sse2, apus_batch_sse2},
#elif defined(__AARCH64EL__)
    {APUS_VARIANT_NEON, apus_mask_neon, apus_utf8_neon, apus_mask_utf8_neon, apus_batch_neon},
#endif
    {APUS_VARIANT_SCALAR, apus_mask_scalar, apus_utf8_scalar, apus_mask_utf8_scalar,
     apus_batch_scalar},
};

enum { ALL_KERNELS = sizeof all_kernels / sizeof all_kernels[0] };

#if defined(__x86_64__)

/* Asked here and not through the compiler's own run-time library, which not every static libc
 * brings along. */
static bool processor_has(apus_variant variant) {
    enum { OSXSAVE = 1 << 27, AVX = 1 << 28, AVX2 = 1 << 5, VBMI = 1 << 1 };
    const unsigned avx512_f_bw_vl = 1u << 16 | 1u << 30 | 1u << 31;
    /* The registers that the system saves: xmm and ymm; then mask registers and zmm. */
    enum { YMM_STATE = 0x06, ZMM_STATE = 0xE6 };

    if (variant == APUS_VARIANT_SSE2) {
        return true;
    }
    unsigned a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & OSXSAVE) == 0 || (c & AVX) == 0) {
        return false;
    }
    unsigned saved, saved_high;
    __asm__ volatile("xgetbv" : "=a"(saved), "=d"(saved_high) : "c"(0));
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (b & AVX2) == 0) {
        return false;
    }
    if (variant == APUS_VARIANT_AVX2) {
        return (saved & YMM_STATE) == YMM_STATE;
    }
    return (saved & ZMM_STATE) == ZMM_STATE && (b & avx512_f_bw_vl) == avx512_f_bw_vl &&
           (c & VBMI) != 0;
}

#else

/* NEON is part of every aarch64. */
static bool processor_has(apus_variant variant) {
    (void)variant;
    return true;
}

#endif

/* NULL where this build or this processor does not have the variant. */
static const apus_kernels *available_kernels(apus_variant variant) {
    for (size_t i = 0; i < ALL_KERNELS; i++) {
        if (all_kernels[i].variant == variant) {
            bool is_available = variant == APUS_VARIANT_SCALAR || processor_has(variant);
            return is_available ? &all_kernels[i] : NULL;
        }
    }
    return NULL;
}

const apus_kernels *apus_kernels_choose(void) {
    size_t best = 0;
    while (available_kernels(all_kernels[best].variant) == NULL) {
        best++;
    }
    /* A thread that selects another one meanwhile is not overruled. */
    const apus_kernels *found = NULL;
    bool is_first =
        atomic_compare_exchange_strong_explicit(&apus_kernels_chosen, &found, &all_kernels[best],
                                                memory_order_relaxed, memory_order_relaxed);
    return is_first ? &all_kernels[best] : found;
}

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
    return apus_kernels_current()->variant;
}

const char *apus_codec_version(void) {
    return APUS_CODEC_VERSION;
}
