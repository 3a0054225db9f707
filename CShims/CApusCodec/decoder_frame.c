// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* One frame at a time, or what there is of it: whatever is not a whole message. */

#include "decoder.h"
#include "mask.h"

/* ---- Headers ---- */

/* Judges a data frame in the message that it begins or goes on with. */
static apus_result begin_data(apus_decoder *decoder, uint8_t first_byte, uint64_t payload_size) {
    const apus_decoder_options *options = &decoder->options;
    uint8_t opcode = first_byte & APUS_OPCODE_MASK;
    bool is_open = decoder->message_opcode != 0;
    if (opcode == APUS_OPCODE_CONTINUATION) {
        if (!is_open) {
            return APUS_CONTINUATION_UNEXPECTED;
        }
    } else {
        if (is_open) {
            return APUS_CONTINUATION_MISSING;
        }
        decoder->message_opcode = opcode;
        decoder->message_bits = first_byte & APUS_RESERVED_MASK;
        decoder->message_size = 0;
        decoder->fragment_count = 0;
        decoder->text = 0;
        decoder->has_delivered = 0;
        decoder->is_checked =
            opcode == APUS_OPCODE_TEXT && options->check_utf8 != 0 && decoder->message_bits == 0;
    }
    if (payload_size > options->frame_size_max) {
        return APUS_FRAME_TOO_BIG;
    }
    /* What is left of the limit is compared: a sum might overflow. */
    if (payload_size > options->message_size_max - decoder->message_size) {
        return APUS_MESSAGE_TOO_BIG;
    }
    if (decoder->fragment_count >= options->fragment_count_max) {
        return APUS_TOO_MANY_FRAGMENTS;
    }
    decoder->message_size += payload_size;
    decoder->fragment_count++;
    decoder->reading = APUS_IN_PAYLOAD;
    return APUS_OK;
}

static apus_result begin_frame(apus_decoder *decoder, uint8_t first_byte, uint64_t payload_size) {
    decoder->first_byte = first_byte;
    decoder->payload_remaining = payload_size;
    if ((first_byte & APUS_CONTROL_BIT) == 0) {
        if (decoder->is_closing) {
            decoder->reading = APUS_IN_SKIPPED_PAYLOAD;
            return APUS_OK;
        }
        return begin_data(decoder, first_byte, payload_size);
    }
    decoder->control_size = 0;
    decoder->reading = APUS_IN_CONTROL_PAYLOAD;
    return APUS_OK;
}

/* Whether a first byte needs no judge but that of the order of frames. */
static bool is_plain(uint8_t first_byte, size_t payload_size) {
    bool is_data = (first_byte & ~APUS_FIN) <= APUS_OPCODE_BINARY;
    bool is_control =
        first_byte >= (APUS_FIN | APUS_OPCODE_CLOSE) && first_byte <= (APUS_FIN | APUS_OPCODE_PONG);
    return is_data || (is_control && payload_size < APUS_LENGTH_16);
}

/* APUS_INCOMPLETE: the bytes ended in the header, and what there is of it is kept. */
static apus_result join_header(apus_decoder *decoder, apus_feed *feed, apus_frame_header *header) {
    const apus_decoder_options *options = &decoder->options;
    const uint8_t *start = feed->bytes + feed->position;
    size_t left = feed->size - feed->position;
    size_t kept = decoder->header_size;
    size_t taken = APUS_HEADER_SIZE_MAX - kept < left ? APUS_HEADER_SIZE_MAX - kept : left;
    uint8_t *joined = decoder->header;
    if (kept > 0) {
        memcpy(joined + kept, start, taken);
    }
    const uint8_t *bytes = kept > 0 ? joined : start;
    uint8_t opcode = bytes[0] & APUS_OPCODE_MASK;
    bool begins_message = opcode == APUS_OPCODE_TEXT || opcode == APUS_OPCODE_BINARY;
    uint8_t bits_allowed =
        options->reserved_bits_allowed | (begins_message ? options->message_bits_allowed : 0);
    apus_result result = apus_header_decode(bytes, kept + taken, (apus_role)options->role,
                                            bits_allowed, options->allowances, header);
    if (result == APUS_INCOMPLETE) {
        memcpy(joined + kept, start, taken);
        decoder->header_size = (uint8_t)(kept + taken);
        feed->position += taken;
    }
    return result;
}

/* A header of which a part is kept, or that is cut, broken, of a large frame or takes liberties. */
static apus_result read_any_header(apus_decoder *decoder, apus_feed *feed) {
    apus_frame_header header;
    size_t kept = decoder->header_size;
    apus_result result = join_header(decoder, feed, &header);
    if (result != APUS_OK) {
        return result;
    }
    decoder->masking_key = header.masking_key;
    decoder->is_masked = header.is_masked;
    result = begin_frame(decoder, header.bits | header.opcode, header.payload_size);
    if (result == APUS_OK) {
        decoder->header_size = 0;
        feed->position += header.header_size - kept;
    }
    return result;
}

static apus_result read_header(apus_decoder *decoder, apus_feed *feed) {
    const uint8_t *bytes = feed->bytes + feed->position;
    uint8_t mask_bit = decoder->options.role == APUS_SERVER ? APUS_MASK_BIT : 0;
    size_t payload_size;
    size_t header_size =
        apus_header_measure(bytes, feed->size - feed->position, mask_bit, &payload_size);
    if (decoder->header_size > 0 || header_size == 0 || !is_plain(bytes[0], payload_size)) {
        return read_any_header(decoder, feed);
    }
    decoder->masking_key = mask_bit != 0 ? apus_load32(bytes + header_size - 4) : 0;
    decoder->is_masked = mask_bit != 0;
    apus_result result = begin_frame(decoder, bytes[0], payload_size);
    feed->position += result == APUS_OK ? header_size : 0;
    return result;
}

/* ---- Payloads ---- */

/* There is room: every event comes from a step of its own, which is not taken without. */
static apus_event *add_event(apus_feed *feed) {
    return &feed->events[feed->event_count++];
}

/* Unmasks and checks what follows of a payload: the same memory or disjoint. */
static bool copy_payload(apus_decoder *decoder, uint8_t *target, const uint8_t *source,
                         size_t size) {
    const apus_kernels *kernels = apus_kernels_current();
    uint32_t key = decoder->masking_key;
    if (decoder->is_masked) {
        if (decoder->is_checked) {
            return kernels->mask_utf8(&decoder->text, target, source, size, key);
        }
        kernels->mask(target, source, size, key);
        return true;
    }
    if (target != source && size > 0) {
        memcpy(target, source, size);
    }
    return !decoder->is_checked || kernels->utf8(&decoder->text, target, size);
}

static apus_result read_payload(apus_decoder *decoder, apus_feed *feed) {
    uint8_t *source = feed->bytes + feed->position;
    size_t room = decoder->target_size - decoder->target_used;
    bool is_to_target = room > 0;
    uint8_t *target = is_to_target ? decoder->target + decoder->target_used : source;
    size_t left = feed->size - feed->position;
    left = is_to_target && room < left ? room : left;
    bool ends_frame = decoder->payload_remaining <= left;
    size_t size = ends_frame ? (size_t)decoder->payload_remaining : left;
    bool ends_message = ends_frame && (decoder->first_byte & APUS_FIN) != 0;
    bool is_valid = copy_payload(decoder, target, source, size);
    if (!is_valid || (ends_message && decoder->is_checked && decoder->text != 0)) {
        return APUS_INVALID_UTF8;
    }
    decoder->payload_remaining -= size;
    if (ends_frame) {
        decoder->reading = APUS_IN_HEADER;
    } else {
        decoder->masking_key = apus_key_at(decoder->masking_key, size);
    }
    if (size > 0 || ends_message) {
        *add_event(feed) = (apus_event){
            .offset = is_to_target ? decoder->target_used : feed->position,
            .size = size,
            .remaining = decoder->payload_remaining,
            .kind = APUS_EVENT_MESSAGE_PART,
            .opcode = decoder->message_opcode,
            .reserved_bits = decoder->has_delivered ? decoder->first_byte & APUS_RESERVED_MASK
                                                    : decoder->message_bits,
            .is_first = !decoder->has_delivered,
            .is_last = ends_message,
            .place = is_to_target ? APUS_PLACE_TARGET : APUS_PLACE_FED};
        decoder->has_delivered = 1;
    }
    if (is_to_target) {
        decoder->target_used += size;
    }
    if (ends_message) {
        decoder->message_opcode = 0;
        apus_decoder_forget_target(decoder);
    }
    feed->position += size;
    return APUS_OK;
}

static apus_result skip_payload(apus_decoder *decoder, apus_feed *feed) {
    size_t left = feed->size - feed->position;
    bool ends_frame = decoder->payload_remaining <= left;
    size_t size = ends_frame ? (size_t)decoder->payload_remaining : left;
    decoder->payload_remaining -= size;
    feed->position += size;
    if (ends_frame) {
        decoder->reading = APUS_IN_HEADER;
    }
    return APUS_OK;
}

/* The whole payload of a control frame, which offset leads to. */
static apus_result end_control(apus_decoder *decoder, apus_feed *feed, const uint8_t *payload,
                               size_t offset, size_t size, apus_place place) {
    uint8_t opcode = decoder->first_byte & APUS_OPCODE_MASK;
    static const uint8_t kinds[] = {APUS_EVENT_CLOSE, APUS_EVENT_PING, APUS_EVENT_PONG};
    apus_event event = {.offset = offset,
                        .size = size,
                        .kind = kinds[opcode - APUS_OPCODE_CLOSE],
                        .opcode = opcode,
                        .reserved_bits = decoder->first_byte & APUS_RESERVED_MASK,
                        .place = (uint8_t)place};
    if (event.kind == APUS_EVENT_CLOSE) {
        decoder->reading = APUS_AFTER_CLOSE;
        apus_result result = apus_close_payload_decode(payload, size, &event.close_code);
        if (result != APUS_OK) {
            return result;
        }
        if (size > 0) {
            event.offset += 2;
            event.size -= 2;
        }
    } else {
        decoder->reading = APUS_IN_HEADER;
        if (decoder->is_closing) {
            return APUS_OK;
        }
    }
    *add_event(feed) = event;
    feed->has_collected = feed->has_collected || place == APUS_PLACE_DECODER;
    return APUS_OK;
}

static apus_result read_control(apus_decoder *decoder, apus_feed *feed) {
    uint8_t *bytes = feed->bytes + feed->position;
    size_t offset = feed->position;
    size_t left = feed->size - feed->position;
    size_t remaining = (size_t)decoder->payload_remaining;
    if (decoder->control_size == 0 && remaining <= left) {
        if (decoder->is_masked) {
            apus_mask(bytes, remaining, decoder->masking_key, 0);
        }
        apus_result result = end_control(decoder, feed, bytes, offset, remaining, APUS_PLACE_FED);
        feed->position += result == APUS_OK ? remaining : 0;
        return result;
    }
    if (feed->has_collected) {
        feed->is_held = true;
        return APUS_OK;
    }
    size_t size = remaining < left ? remaining : left;
    /* A copy of no bytes may come from behind the end. */
    memcpy(decoder->control + decoder->control_size, bytes, size);
    decoder->control_size = (uint8_t)(decoder->control_size + size);
    decoder->payload_remaining -= size;
    if (size < remaining) {
        feed->position += size;
        return APUS_OK;
    }
    if (decoder->is_masked) {
        apus_mask(decoder->control, decoder->control_size, decoder->masking_key, 0);
    }
    apus_result result =
        end_control(decoder, feed, decoder->control, 0, decoder->control_size, APUS_PLACE_DECODER);
    feed->position += result == APUS_OK ? size : 0;
    return result;
}

/* ---- Frames ---- */

/* Goes on by one frame, or what there is of it. */
static apus_result read_frame(apus_decoder *decoder, apus_feed *feed) {
    if (decoder->reading == APUS_IN_HEADER) {
        apus_result result = read_header(decoder, feed);
        if (result != APUS_OK) {
            return result == APUS_INCOMPLETE ? APUS_OK : result;
        }
    }
    switch (decoder->reading) {
    case APUS_IN_PAYLOAD:
        return read_payload(decoder, feed);
    case APUS_IN_CONTROL_PAYLOAD:
        return read_control(decoder, feed);
    case APUS_IN_SKIPPED_PAYLOAD:
        return skip_payload(decoder, feed);
    default:
        feed->position = feed->size;
        return APUS_OK;
    }
}

apus_result apus_decoder_read_frames(apus_decoder *decoder, apus_feed *feed) {
    apus_result result;
    do {
        result = read_frame(decoder, feed);
        if (result != APUS_OK || !apus_decoder_can_go_on(feed)) {
            return result;
        }
        if (apus_decoder_may_be_whole(decoder, feed)) {
            result = apus_decoder_read_whole(decoder, feed);
        }
    } while (result == APUS_OK && apus_decoder_can_go_on(feed));
    return result;
}
