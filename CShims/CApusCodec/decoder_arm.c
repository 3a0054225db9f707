// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "decoder.h"

#if defined(__AARCH64EL__)

apus_result apus_batch_neon(apus_feed *feed) {
    APUS_RETURN_BATCH(feed, apus_mask_utf8_neon, apus_mask_neon);
}

#endif
