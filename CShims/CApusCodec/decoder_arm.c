// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "decoder.h"

#if defined(__AARCH64EL__)

apus_result apus_batch_neon(apus_feed *feed) {
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
            is_valid = apus_mask_utf8_neon(&text, bytes, bytes, size, key);
        } else {
            apus_mask_neon(bytes, bytes, size, key);
        }
        result = apus_whole_message_end(&at, &message, is_valid && text == 0);
    }
    *feed = at;
    return result;
}

#endif
