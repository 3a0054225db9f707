// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#ifndef APUS_CODEC_DECODER_H
#define APUS_CODEC_DECODER_H

#include "frame.h"

/* Of the first byte of a header. */
enum { APUS_OPCODE_MASK = 0x0F };

/* One call of apus_decoder_feed. */
struct apus_feed {
    const apus_decoder_options *options;
    uint8_t *bytes;
    size_t size;
    size_t position;
    apus_event *events;
    size_t event_capacity;
    size_t event_count;
    bool has_collected; /* an event refers to the payload that the decoder collected */
    bool is_held;       /* and the next one must not overwrite it */
};

/* What the next byte belongs to: apus_decoder.reading. */
enum {
    APUS_IN_HEADER = 0,
    APUS_IN_PAYLOAD = 1,
    APUS_IN_CONTROL_PAYLOAD = 2,
    APUS_IN_SKIPPED_PAYLOAD = 3,
    APUS_AFTER_CLOSE = 4
};

APUS_INLINE bool apus_decoder_can_go_on(const apus_feed *feed) {
    return feed->position < feed->size && feed->event_count < feed->event_capacity &&
           !feed->is_held;
}

/* decoder.c: for clients; what is left to do is the same for all instruction sets. */
APUS_HIDDEN apus_batch_kernel apus_batch_unmasked;
/* decoder_frame.c: everything else, where there is a byte and room for an event, until one of them
 * is used up. Apart, so that a call that brings nothing but whole messages does not prepare for it.
 */
APUS_HIDDEN apus_result apus_decoder_read_frames(apus_decoder *decoder, apus_feed *feed);

APUS_INLINE void apus_decoder_forget_target(apus_decoder *decoder) {
    decoder->target = NULL;
    decoder->target_size = 0;
    decoder->target_used = 0;
}

/* The size of a header with a length of 7 or 16 bits, if it is there as a whole and its mask bit as
 * given; else 0. What its first byte means is not looked at. */
APUS_INLINE size_t apus_header_measure(const uint8_t *bytes, size_t size, uint8_t mask_bit,
                                       size_t *payload_size) {
    size_t header_size = mask_bit != 0 ? 6 : 2;
    if (size < header_size) {
        return 0;
    }
    *payload_size = bytes[1] ^ mask_bit;
    if (*payload_size < APUS_LENGTH_16) {
        return header_size;
    }
    header_size += 2;
    if (*payload_size != APUS_LENGTH_16 || size < header_size) {
        return 0;
    }
    *payload_size = (size_t)bytes[2] << 8 | bytes[3];
    return *payload_size >= APUS_LENGTH_16 ? header_size : 0;
}

APUS_INLINE bool apus_is_whole_message(uint8_t first_byte) {
    return first_byte == (APUS_FIN | APUS_OPCODE_TEXT) ||
           first_byte == (APUS_FIN | APUS_OPCODE_BINARY);
}

/* Whether the batch kernels can be asked for what comes. */
APUS_INLINE bool apus_decoder_may_be_whole(const apus_decoder *decoder, const apus_feed *feed) {
    return apus_is_whole_message(feed->bytes[feed->position]) &&
           decoder->reading == APUS_IN_HEADER && decoder->header_size == 0 &&
           decoder->message_opcode == 0 && !decoder->is_closing &&
           decoder->options.fragment_count_max > 0;
}

/* As many whole messages as follow each other. */
APUS_INLINE apus_result apus_decoder_read_whole(const apus_decoder *decoder, apus_feed *feed) {
    return decoder->options.role == APUS_SERVER ? apus_kernels_current()->batch(feed)
                                                : apus_batch_unmasked(feed);
}

/*
 * Whole messages
 *
 * Most traffic is messages of one frame of less than 64 KiB, many in a buffer. They need no state
 * from one to the next, so each instruction set has a loop of its own into which its kernels for
 * short pieces are inlined: apus_batch_kernel takes masked messages as long as they are of that
 * kind. Whatever else comes, and whatever breaks a rule but that of UTF-8, is left to the general
 * way.
 *
 * Where the next header begins is known only when the length in this one is loaded, and that is
 * what the loop waits for. Many messages are as long as the one before; where that is so the branch
 * on it is foreseen, and the processor goes on with the length that it has.
 */
typedef struct apus_batch {
    uint8_t *bytes;
    size_t bytes_end;
    size_t position; /* of a header */
    apus_event *event;
    apus_event *events_end;
    size_t payload_size_max;
    bool checks_text;

    /* The message. */
    size_t payload;
    size_t size;
    uint32_t head; /* the first two bytes, if they tell the size */
    bool is_checked;
    const apus_event *likeness;
} apus_batch;

/* Each field on its own: a copy of what was just written in pieces has to wait for them. */
APUS_INLINE apus_batch apus_batch_begin(const apus_feed *feed) {
    const apus_decoder_options *options = feed->options;
    uint64_t size = UINT16_MAX;
    size = size < options->frame_size_max ? size : options->frame_size_max;
    size = size < options->message_size_max ? size : options->message_size_max;
    return (apus_batch){.bytes = feed->bytes,
                        .bytes_end = feed->size,
                        .position = feed->position,
                        .event = feed->events + feed->event_count,
                        .events_end = feed->events + feed->event_capacity,
                        .payload_size_max = (size_t)size,
                        .checks_text = options->check_utf8 != 0,
                        .head = UINT32_MAX};
}

/* Copied as a whole, for to set eight small fields takes eight stores. */
APUS_INLINE const apus_event *apus_batch_likeness(bool is_text) {
    static const apus_event text = {
        .kind = APUS_EVENT_MESSAGE_PART, .opcode = APUS_OPCODE_TEXT, .is_first = 1, .is_last = 1};
    static const apus_event binary = {
        .kind = APUS_EVENT_MESSAGE_PART, .opcode = APUS_OPCODE_BINARY, .is_first = 1, .is_last = 1};
    return is_text ? &text : &binary;
}

APUS_INLINE bool apus_batch_next(apus_batch *at, uint8_t mask_bit) {
    const uint8_t *header = at->bytes + at->position;
    size_t header_size = mask_bit != 0 ? 6 : 2;
    if (at->position + header_size > at->bytes_end || at->event == at->events_end) {
        return false;
    }
    uint16_t head;
    memcpy(&head, header, sizeof head);
    if (head != at->head) {
        size_t left = at->bytes_end - at->position;
        header_size = apus_header_measure(header, left, mask_bit, &at->size);
        if (header_size == 0 || !apus_is_whole_message(header[0]) ||
            at->size > at->payload_size_max) {
            return false;
        }
        bool is_text = header[0] == (APUS_FIN | APUS_OPCODE_TEXT);
        at->head = at->size < APUS_LENGTH_16 ? head : UINT32_MAX;
        at->is_checked = is_text && at->checks_text;
        at->likeness = apus_batch_likeness(is_text);
    }
    at->payload = at->position + header_size;
    return at->payload + at->size <= at->bytes_end;
}

APUS_INLINE void apus_batch_put(apus_batch *at) {
    apus_event *event = at->event++;
    *event = *at->likeness;
    event->offset = at->payload;
    event->size = at->size;
    at->position = at->payload + at->size;
}

APUS_INLINE apus_result apus_batch_end(apus_feed *feed, const apus_batch *at, bool is_valid) {
    feed->position = at->position;
    feed->event_count = (size_t)(at->event - feed->events);
    return is_valid ? APUS_OK : APUS_INVALID_UTF8;
}

/*
 * The body of one instruction set's loop, from its kernels for text and for other payloads. A
 * macro, since what is inlined into a function must not need more than the function's own target
 * attribute.
 */
#define APUS_RETURN_BATCH(feed, mask_utf8, mask)                                                   \
    do {                                                                                           \
        apus_batch at = apus_batch_begin(feed);                                                    \
        while (apus_batch_next(&at, APUS_MASK_BIT)) {                                              \
            uint8_t *payload = at.bytes + at.payload;                                              \
            uint32_t key = apus_load32(payload - 4);                                               \
            apus_utf8_state text = 0;                                                              \
            if (!at.is_checked) {                                                                  \
                mask(payload, payload, at.size, key);                                              \
            } else if (!mask_utf8(&text, payload, payload, at.size, key) || text != 0) {           \
                return apus_batch_end(feed, &at, false);                                           \
            }                                                                                      \
            apus_batch_put(&at);                                                                   \
        }                                                                                          \
        return apus_batch_end(feed, &at, true);                                                    \
    } while (0)

#endif
