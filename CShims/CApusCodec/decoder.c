// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "decoder.h"
#include "mask_utf8.h"

_Static_assert(sizeof(apus_decoder) == 256, "embedders reserve this");
_Static_assert(offsetof(apus_decoder, reserved) + sizeof((apus_decoder *)NULL)->reserved == 256,
               "no holes");
_Static_assert(sizeof(apus_decoder_options) == 32, "embedders reserve this");
_Static_assert(sizeof(apus_event) == 16 + 2 * sizeof(size_t), "no holes");
_Static_assert(sizeof(apus_frame_header) == 16, "no holes");

void apus_decoder_options_init(apus_decoder_options *options, apus_role role) {
    *options = (apus_decoder_options){.frame_size_max = 1 << 20,
                                      .message_size_max = 1 << 20,
                                      .fragment_count_max = 16384,
                                      .role = (uint8_t)role,
                                      .check_utf8 = 1};
}

/* What else there is, a frame or a message sets when it begins. */
void apus_decoder_init(apus_decoder *decoder, const apus_decoder_options *options) {
    decoder->options = *options;
    decoder->result = APUS_OK;
    decoder->reading = APUS_IN_HEADER;
    decoder->message_opcode = 0;
    decoder->header_size = 0;
    decoder->is_closing = 0;
    apus_decoder_forget_target(decoder);
}

bool apus_decoder_is_idle(const apus_decoder *decoder) {
    return decoder->result == APUS_OK && decoder->reading == APUS_IN_HEADER &&
           decoder->message_opcode == 0 && decoder->header_size == 0 && !decoder->is_closing;
}

void apus_decoder_set_target(apus_decoder *decoder, uint8_t *target, size_t size) {
    if (decoder->message_opcode != 0) {
        decoder->target = target;
        decoder->target_size = size;
        decoder->target_used = 0;
    }
}

/* Of the rules that a peer's bytes broke, those which do not count for what is skipped. */
static bool is_about_messages(const apus_decoder *decoder) {
    switch (decoder->result) {
    case APUS_INVALID_UTF8:
        /* The reason of a close frame is none. */
        return decoder->reading != APUS_AFTER_CLOSE;
    case APUS_CONTINUATION_UNEXPECTED:
    case APUS_CONTINUATION_MISSING:
    case APUS_FRAME_TOO_BIG:
    case APUS_MESSAGE_TOO_BIG:
    case APUS_TOO_MANY_FRAGMENTS:
        return true;
    default:
        return false;
    }
}

void apus_decoder_await_close(apus_decoder *decoder) {
    if (is_about_messages(decoder)) {
        decoder->result = APUS_OK;
    }
    decoder->is_closing = 1;
    /* Nothing of the caller's is pointed to any more. */
    decoder->message_opcode = 0;
    apus_decoder_forget_target(decoder);
    if (decoder->reading == APUS_IN_PAYLOAD) {
        decoder->reading = APUS_IN_SKIPPED_PAYLOAD;
    }
}

const uint8_t *apus_decoder_control_payload(const apus_decoder *decoder) {
    return decoder->control;
}

/* ---- Whole messages ---- */

apus_result apus_batch_scalar(apus_feed *feed) {
    APUS_RETURN_BATCH(feed, apus_mask_utf8_scalar, apus_mask_scalar);
}

apus_result apus_batch_unmasked(apus_feed *feed) {
    const apus_kernels *kernels = apus_kernels_current();
    apus_batch at = apus_batch_begin(feed);
    while (apus_batch_next(&at, 0)) {
        apus_utf8_state text = 0;
        if (at.is_checked && (!kernels->utf8(&text, at.bytes + at.payload, at.size) || text != 0)) {
            return apus_batch_end(feed, &at, false);
        }
        apus_batch_put(&at);
    }
    return apus_batch_end(feed, &at, true);
}

/* ---- Feeding ---- */

apus_result apus_decoder_feed(apus_decoder *decoder, uint8_t *bytes, size_t size, size_t *used,
                              apus_event *events, size_t event_capacity, size_t *event_count) {
    apus_feed feed = {.options = &decoder->options,
                      .bytes = bytes,
                      .size = size,
                      .events = events,
                      .event_capacity = event_capacity};
    apus_result result = (apus_result)decoder->result;
    if (result == APUS_OK && size > 0 && apus_decoder_may_be_whole(decoder, &feed)) {
        result = apus_decoder_read_whole(decoder, &feed);
    }
    if (result == APUS_OK && apus_decoder_can_go_on(&feed)) {
        result = apus_decoder_read_frames(decoder, &feed);
    }
    if (result != APUS_OK) {
        decoder->result = result;
    }
    *used = feed.position;
    *event_count = feed.event_count;
    return result;
}
