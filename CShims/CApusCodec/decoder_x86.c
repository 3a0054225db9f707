// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "decoder.h"
#include "mask_utf8_x86.h"

#if defined(__x86_64__)

apus_result apus_batch_sse2(apus_feed *feed) {
    apus_feed at = *feed;
    apus_whole_message message;
    apus_result result = APUS_OK;
    while (result == APUS_OK && apus_whole_message_next(&at, &message)) {
        uint8_t *bytes = message.payload;
        size_t size = message.size;
        uint32_t key = message.masking_key;
        apus_utf8_state text = 0;
        bool is_valid = true;
        if (message.is_checked) {
            is_valid = apus_mask_utf8_sse2(&text, bytes, bytes, size, key);
        } else {
            apus_mask_sse2(bytes, bytes, size, key);
        }
        result = apus_whole_message_end(&at, &message, is_valid && text == 0);
    }
    *feed = at;
    return result;
}

APUS_AVX2 apus_result apus_batch_avx2(apus_feed *feed) {
    apus_feed at = *feed;
    apus_whole_message message;
    apus_result result = APUS_OK;
    while (result == APUS_OK && apus_whole_message_next(&at, &message)) {
        uint8_t *bytes = message.payload;
        size_t size = message.size;
        uint32_t key = message.masking_key;
        apus_utf8_state text = 0;
        bool is_valid = true;
        if (message.is_checked) {
            is_valid = size <= 128 ? apus_mask_utf8_short_avx2(&text, bytes, bytes, size, key)
                                   : apus_mask_utf8_avx2(&text, bytes, bytes, size, key);
        } else if (size <= 128) {
            apus_mask_up_to_128(bytes, bytes, size, key);
        } else {
            apus_mask_avx2(bytes, bytes, size, key);
        }
        result = apus_whole_message_end(&at, &message, is_valid && text == 0);
    }
    *feed = at;
    return result;
}

APUS_AVX512 apus_result apus_batch_avx512(apus_feed *feed) {
    apus_feed at = *feed;
    apus_whole_message message;
    apus_result result = APUS_OK;
    while (result == APUS_OK && apus_whole_message_next(&at, &message)) {
        uint8_t *bytes = message.payload;
        size_t size = message.size;
        uint32_t key = message.masking_key;
        apus_utf8_state text = 0;
        bool is_valid = true;
        if (message.is_checked) {
            is_valid = size <= 128 ? apus_mask_utf8_short_avx512(&text, bytes, bytes, size, key)
                                   : apus_mask_utf8_avx512(&text, bytes, bytes, size, key);
        } else if (size <= 128) {
            apus_mask_up_to_128(bytes, bytes, size, key);
        } else {
            apus_mask_avx512(bytes, bytes, size, key);
        }
        result = apus_whole_message_end(&at, &message, is_valid && text == 0);
    }
    *feed = at;
    return result;
}

#endif
