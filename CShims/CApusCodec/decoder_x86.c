// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "decoder.h"
#include "mask_utf8_x86.h"

#if defined(__x86_64__)

apus_result apus_batch_sse2(apus_feed *feed) {
    apus_feed at = *feed;
    apus_small_frame frame;
    apus_result result = APUS_OK;
    while (result == APUS_OK && apus_small_frame_next(&at, &frame)) {
        uint8_t *bytes = frame.payload;
        apus_utf8_state text = 0;
        bool is_valid = true;
        if (frame.is_checked) {
            is_valid = apus_mask_utf8_sse2(&text, bytes, bytes, frame.size, frame.masking_key);
        } else {
            apus_mask_sse2(bytes, bytes, frame.size, frame.masking_key);
        }
        result = apus_small_frame_end(&at, &frame, is_valid && text == 0);
    }
    *feed = at;
    return result;
}

APUS_AVX2 apus_result apus_batch_avx2(apus_feed *feed) {
    apus_feed at = *feed;
    apus_small_frame frame;
    apus_result result = APUS_OK;
    while (result == APUS_OK && apus_small_frame_next(&at, &frame)) {
        uint8_t *bytes = frame.payload;
        apus_utf8_state text = 0;
        bool is_valid = true;
        if (frame.is_checked) {
            is_valid =
                apus_mask_utf8_short_avx2(&text, bytes, bytes, frame.size, frame.masking_key);
        } else {
            apus_mask_up_to_128(bytes, bytes, frame.size, frame.masking_key);
        }
        result = apus_small_frame_end(&at, &frame, is_valid && text == 0);
    }
    *feed = at;
    return result;
}

APUS_AVX512 apus_result apus_batch_avx512(apus_feed *feed) {
    apus_feed at = *feed;
    apus_small_frame frame;
    apus_result result = APUS_OK;
    while (result == APUS_OK && apus_small_frame_next(&at, &frame)) {
        uint8_t *bytes = frame.payload;
        apus_utf8_state text = 0;
        bool is_valid = true;
        if (frame.is_checked) {
            is_valid =
                apus_mask_utf8_short_avx512(&text, bytes, bytes, frame.size, frame.masking_key);
        } else {
            apus_mask_up_to_128(bytes, bytes, frame.size, frame.masking_key);
        }
        result = apus_small_frame_end(&at, &frame, is_valid && text == 0);
    }
    *feed = at;
    return result;
}

#endif
