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

    /* For small frames. */
    bool is_checked;
    uint8_t mask_bit;
    uint8_t header_size;
    uint8_t payload_size_max;
};

/*
 * Small frames
 *
 * Most traffic is whole messages of one frame with a one-byte length, many in a buffer. They need
 * no state from one to the next, so each instruction set has a loop of its own into which all of
 * its kernels are inlined: apus_batch_kernel takes frames as long as they are of that kind.
 * Whatever else comes, and whatever breaks a rule but that of UTF-8, is left to the general way.
 */
typedef struct apus_small_frame {
    uint8_t *payload;
    size_t size;
    uint32_t masking_key;
    bool is_checked;
} apus_small_frame;

APUS_INLINE bool apus_small_frame_next(const apus_feed *feed, apus_small_frame *frame) {
    size_t left = feed->size - feed->position;
    if (left < feed->header_size || feed->event_count == feed->event_capacity) {
        return false;
    }
    uint8_t *header = feed->bytes + feed->position;
    uint8_t opcode = header[0] ^ APUS_FIN;
    uint8_t size = header[1] ^ feed->mask_bit;
    if ((opcode != APUS_OPCODE_TEXT && opcode != APUS_OPCODE_BINARY) ||
        size > feed->payload_size_max || size > left - feed->header_size) {
        return false;
    }
    frame->payload = header + feed->header_size;
    frame->size = size;
    frame->masking_key = feed->mask_bit != 0 ? apus_load32(header + 2) : 0;
    frame->is_checked = opcode == APUS_OPCODE_TEXT && feed->is_checked;
    return true;
}

/* Goes to the next frame; this one becomes an event if it is valid. */
APUS_INLINE apus_result apus_small_frame_end(apus_feed *feed, const apus_small_frame *frame,
                                             bool is_valid) {
    uint8_t opcode = feed->bytes[feed->position] ^ APUS_FIN;
    feed->position += feed->header_size;
    if (!is_valid) {
        return APUS_INVALID_UTF8;
    }
    feed->events[feed->event_count] = (apus_event){.offset = feed->position,
                                                   .size = frame->size,
                                                   .kind = APUS_EVENT_MESSAGE_PART,
                                                   .opcode = opcode,
                                                   .is_first = 1,
                                                   .is_last = 1};
    feed->event_count++;
    feed->position += frame->size;
    return APUS_OK;
}

#endif
