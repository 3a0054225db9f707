// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* Parsers of frames around functions for payloads, one step after another. */

#include "decoder.h"
#include "plain.h"

#define INLINE static inline __attribute__((always_inline))

/* Whether a frame may follow; *is_text is whether its payload is checked. */
INLINE bool may_follow(uint8_t *message, uint8_t first_byte, bool *is_text) {
    uint8_t opcode = first_byte & 15;
    *is_text = false;
    if (opcode >= 8) {
        return true;
    }
    if ((opcode == 0) != (*message != 0)) {
        return false;
    }
    *message = opcode != 0 ? opcode : *message;
    *is_text = *message == APUS_OPCODE_TEXT;
    return true;
}

INLINE unsigned ours_apart(uint8_t *bytes, size_t size, bool is_fused) {
    unsigned sum = 0;
    uint8_t message = 0;
    apus_utf8_state text = 0;
    for (size_t at = 0; at < size;) {
        apus_frame_header header;
        bool is_text;
        if (apus_frame_header_decode(bytes + at, size - at, APUS_SERVER, 0, &header) != APUS_OK ||
            header.payload_size > size - at - header.header_size ||
            !may_follow(&message, bytes[at], &is_text)) {
            return 0;
        }
        uint8_t *payload = bytes + at + header.header_size;
        size_t payload_size = (size_t)header.payload_size;
        if (is_text && is_fused) {
            if (!apus_mask_utf8(&text, payload, payload_size, header.masking_key, 0)) {
                return 0;
            }
        } else {
            apus_mask(payload, payload_size, header.masking_key, 0);
            if (is_text && !apus_utf8_validate(&text, payload, payload_size)) {
                return 0;
            }
        }
        sum += (unsigned)payload_size;
        if ((header.bits & APUS_FIN) != 0) {
            if (text != 0) {
                return 0;
            }
            message = header.opcode >= 8 ? message : 0;
            sum++;
        }
        at += header.header_size + payload_size;
    }
    return sum;
}

unsigned three_steps(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    return ours_apart(bytes, size, false);
}

unsigned two_steps(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    return ours_apart(bytes, size, true);
}

/* Unmasks, and checks if it is text; the state is 0 between characters. */
typedef bool payload_function(uint8_t *state, uint8_t *bytes, size_t size, uint32_t key,
                              bool is_text);

INLINE bool with_dfa(uint8_t *state, uint8_t *bytes, size_t size, uint32_t key, bool is_text) {
    mask_unrolled(bytes, size, key);
    if (is_text) {
        *state = dfa_go_on(*state, bytes, size);
    }
    return true;
}

/* simdjson takes whole texts only. */
INLINE bool with_icelake(uint8_t *state, uint8_t *bytes, size_t size, uint32_t key, bool is_text) {
    (void)state;
    mask_words(bytes, size, key);
    return !is_text || simdjson_icelake(NULL, bytes, size);
}

INLINE bool with_haswell(uint8_t *state, uint8_t *bytes, size_t size, uint32_t key, bool is_text) {
    (void)state;
    mask_words(bytes, size, key);
    return !is_text || simdjson_haswell(NULL, bytes, size);
}

INLINE unsigned plain(uint8_t *bytes, size_t size, payload_function *read_payload) {
    unsigned sum = 0;
    uint8_t message = 0, text = 0;
    for (size_t at = 0; at < size;) {
        uint64_t payload_size;
        uint32_t key;
        bool is_text;
        size_t header_size = plain_decode(bytes + at, size - at, &payload_size, &key);
        if (header_size == 0 || payload_size > size - at - header_size ||
            !may_follow(&message, bytes[at], &is_text)) {
            return 0;
        }
        uint8_t *payload = bytes + at + header_size;
        if (!read_payload(&text, payload, (size_t)payload_size, key, is_text)) {
            return 0;
        }
        sum += (unsigned)payload_size;
        if ((bytes[at] & APUS_FIN) != 0) {
            bool is_control = (bytes[at] & 8) != 0;
            if (!is_control && text != 0) {
                return 0;
            }
            message = is_control ? message : 0;
            sum++;
        }
        at += header_size + (size_t)payload_size;
    }
    return sum;
}

unsigned plain_dfa(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    return plain(bytes, size, with_dfa);
}

unsigned plain_icelake(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    return plain(bytes, size, with_icelake);
}

unsigned plain_haswell(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    return plain(bytes, size, with_haswell);
}

unsigned plain_frames(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    unsigned count = 0;
    for (size_t at = 0; at < size; count++) {
        uint64_t payload_size;
        uint32_t key;
        size_t header_size = plain_decode(bytes + at, size - at, &payload_size, &key);
        if (header_size == 0) {
            return 0;
        }
        at += header_size + (size_t)payload_size;
    }
    return count;
}
