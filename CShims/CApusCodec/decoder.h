// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#ifndef APUS_CODEC_DECODER_H
#define APUS_CODEC_DECODER_H

#include "frame.h"

/* One call of apus_decoder_feed. */
struct apus_feed {
    uint8_t *bytes;
    size_t size;
    size_t position;
    apus_event *events;
    size_t event_capacity;
    size_t event_count;
    bool has_collected; /* an event refers to the payload that the decoder collected */
    bool is_held;       /* and the next one must not overwrite it */

    /* For whole messages. */
    bool is_checked;
    uint8_t mask_bit;
    uint8_t header_size;
    uint16_t payload_size_max;
};

/*
 * Whole messages
 *
 * Most traffic is messages of one frame of less than 64 KiB, many in a buffer. They need no state
 * from one to the next, so each instruction set has a loop of its own into which its kernels for
 * short pieces are inlined: apus_batch_kernel takes messages as long as they are of that kind.
 * Whatever else comes, and whatever breaks a rule but that of UTF-8, is left to the general way.
 */
typedef struct apus_whole_message {
    uint8_t *payload;
    size_t size;
    size_t header_size;
    uint32_t masking_key;
    uint8_t opcode;
    bool is_checked;
} apus_whole_message;

APUS_INLINE bool apus_whole_message_next(const apus_feed *feed, apus_whole_message *message) {
    size_t left = feed->size - feed->position;
    if (left < feed->header_size || feed->event_count == feed->event_capacity) {
        return false;
    }
    uint8_t *header = feed->bytes + feed->position;
    uint8_t opcode = header[0] ^ APUS_FIN;
    if (opcode != APUS_OPCODE_TEXT && opcode != APUS_OPCODE_BINARY) {
        return false;
    }
    size_t size = header[1] ^ feed->mask_bit;
    size_t header_size = feed->header_size;
    if (size >= APUS_LENGTH_16) {
        header_size += 2;
        if (size != APUS_LENGTH_16 || left < header_size) {
            return false;
        }
        size = (size_t)header[2] << 8 | header[3];
        if (size < APUS_LENGTH_16) {
            return false;
        }
    }
    if (size > feed->payload_size_max || size > left - header_size) {
        return false;
    }
    message->payload = header + header_size;
    message->size = size;
    message->header_size = header_size;
    message->masking_key = feed->mask_bit != 0 ? apus_load32(message->payload - 4) : 0;
    message->opcode = opcode;
    message->is_checked = opcode == APUS_OPCODE_TEXT && feed->is_checked;
    return true;
}

/* Goes behind the message, which becomes an event if it is valid. */
APUS_INLINE apus_result apus_whole_message_end(apus_feed *feed, const apus_whole_message *message,
                                               bool is_valid) {
    feed->position += message->header_size;
    if (!is_valid) {
        return APUS_INVALID_UTF8;
    }
    feed->events[feed->event_count] = (apus_event){.offset = feed->position,
                                                   .size = message->size,
                                                   .kind = APUS_EVENT_MESSAGE_PART,
                                                   .opcode = message->opcode,
                                                   .is_first = 1,
                                                   .is_last = 1};
    feed->event_count++;
    feed->position += message->size;
    return APUS_OK;
}

/*
 * The body of one instruction set's loop, from its kernels for text and for other payloads. A
 * macro, since what is inlined into a function must not need more than the function's own target
 * attribute.
 */
#define APUS_RETURN_BATCH(feed, mask_utf8, mask)                                                   \
    do {                                                                                           \
        apus_feed at = *(feed);                                                                    \
        apus_whole_message message;                                                                \
        apus_result result = APUS_OK;                                                              \
        while (result == APUS_OK && apus_whole_message_next(&at, &message)) {                      \
            uint8_t *bytes = message.payload;                                                      \
            apus_utf8_state text = 0;                                                              \
            bool is_valid = true;                                                                  \
            if (message.is_checked) {                                                              \
                is_valid = mask_utf8(&text, bytes, bytes, message.size, message.masking_key);      \
            } else {                                                                               \
                mask(bytes, bytes, message.size, message.masking_key);                             \
            }                                                                                      \
            result = apus_whole_message_end(&at, &message, is_valid && text == 0);                 \
        }                                                                                          \
        *(feed) = at;                                                                              \
        return result;                                                                             \
    } while (0)

#endif
