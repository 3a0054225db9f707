// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * The decoder: however a stream is cut, however many events there is room for, whatever variant
 * reads it, whether it goes to targets, and whether a decoder that is idle is made anew, the events
 * joined, the result and the bytes used are the same, and within the limits.
 * Input: role, whether text is checked, whether there are targets, allowed bits and whether a close
 * frame is awaited; allowances; the three limits; where the close frame is awaited; where pieces
 * start; cuts; whether there is a lot of one byte at the end, and which; where there are targets,
 * how large they are; the rest is the stream.
 */

#include "fuzz.h"
#include "text.h"

enum { LONG = 512, SHIFT_LIMIT = 64, CUTS = 3, MANY = 8, NO_LIMIT = 240, LOG_LIMIT = 1 << 20 };

enum { ROOM_LIMIT = 96, GARBAGE = 0xA5 };

typedef struct stream {
    apus_decoder_options options;
    const uint8_t *bytes;
    size_t size;
    size_t await_at; /* above size: never */
    size_t shift;
    size_t cuts[CUTS];
    bool has_targets;
    uint8_t room;
} stream;

/* ---- What came out ---- */

/* All events in a row of bytes that does not tell how the stream was cut. */
typedef struct record {
    uint8_t log[LOG_LIMIT];
    size_t log_size;
    size_t settled; /* of the log: up to the last frame that came whole */
    size_t used;
    apus_result result;

    uint64_t message_size;
    uint64_t frame_remaining;
    uint32_t frame_count;
    bool is_in_message;
    bool is_closed;
    uint8_t message_bits;
    text text;
} record;

static void note(record *to, const void *bytes, size_t size) {
    CHECK(size <= sizeof to->log - to->log_size);
    memcpy(to->log + to->log_size, bytes, size);
    to->log_size += size;
}

/* A part: what begins its frame is noted once, and its bytes follow those before. */
static void note_part(record *to, const stream *of, const apus_event *event, const uint8_t *bytes) {
    const apus_decoder_options *options = &of->options;
    CHECK(event->is_first == !to->is_in_message);
    CHECK(event->size > 0 || event->is_last);
    CHECK(event->opcode == APUS_OPCODE_TEXT || event->opcode == APUS_OPCODE_BINARY);
    CHECK(event->close_code == 0 && event->place != APUS_PLACE_DECODER);
    if (event->is_first) {
        to->message_size = 0;
        to->frame_count = 0;
        to->text = (text){0};
        to->message_bits = event->reserved_bits;
        to->is_in_message = true;
    }
    if (to->frame_remaining == 0) {
        uint64_t size = event->size + event->remaining;
        uint8_t head[] = {'f', event->is_first, event->opcode, event->reserved_bits};
        note(to, head, sizeof head);
        note(to, &size, sizeof size);
        CHECK(size <= options->frame_size_max);
        CHECK(++to->frame_count <= options->fragment_count_max);
    } else {
        CHECK(event->size + event->remaining == to->frame_remaining);
    }
    to->frame_remaining = event->remaining;
    to->message_size += event->size;
    CHECK(to->message_size <= options->message_size_max);
    note(to, bytes, event->size);
    /* Text that begins with reserved bits is not checked. */
    if (options->check_utf8 && event->opcode == APUS_OPCODE_TEXT && to->message_bits == 0) {
        text_read(&to->text, bytes, event->size);
        CHECK(!to->text.is_broken);
        CHECK(!event->is_last || to->text.missing == 0);
    }
    if (event->is_last) {
        CHECK(event->remaining == 0);
        note(to, "l", 1);
        to->is_in_message = false;
    }
    if (event->remaining == 0) {
        to->settled = to->log_size;
    }
}

static void note_control(record *to, const apus_event *event, const uint8_t *payload) {
    CHECK(event->place != APUS_PLACE_TARGET);
    CHECK(event->size <= 125 && event->remaining == 0 && !event->is_first && !event->is_last);
    static const uint8_t opcodes[] = {[APUS_EVENT_PING] = APUS_OPCODE_PING,
                                      [APUS_EVENT_PONG] = APUS_OPCODE_PONG,
                                      [APUS_EVENT_CLOSE] = APUS_OPCODE_CLOSE};
    CHECK(event->kind >= APUS_EVENT_PING && event->kind <= APUS_EVENT_CLOSE);
    CHECK(event->opcode == opcodes[event->kind]);
    CHECK((event->close_code != 0) == (event->kind == APUS_EVENT_CLOSE));
    uint8_t head[] = {'c', event->kind, event->opcode, event->reserved_bits, (uint8_t)event->size};
    note(to, head, sizeof head);
    note(to, &event->close_code, sizeof event->close_code);
    note(to, payload, event->size);
    to->settled = to->log_size;
    to->is_closed = event->kind == APUS_EVENT_CLOSE;
}

/* ---- Feeding ---- */

typedef struct feeder {
    const stream *of;
    apus_decoder decoder;
    apus_event *events; /* ends where its allocation ends */
    size_t capacity;
    exact piece; /* as large as the last one */
    size_t piece_size;
    exact target;
    size_t target_size;
    size_t target_used;
    uint32_t targets; /* how many there were */
    bool is_awaiting;
} feeder;

static void drop_target(feeder *by) {
    if (by->target.allocation != NULL) {
        exact_end(by->target);
    }
    by->target = (exact){0};
    by->target_size = by->target_used = 0;
}

/* A new one once in a while; in memory of its own, as small as it is said to be. */
static void set_target(feeder *by) {
    uint32_t number = by->of->room * 40503u + by->targets++ * 2654435761u;
    if (!by->of->has_targets || number >> 30 == 0) {
        return;
    }
    /* An old one that is not in use by now is not used again, even where no new one is taken. */
    bool is_taken = by->decoder.message_opcode != 0;
    exact fresh = exact_make(ROOM_LIMIT, 0);
    size_t size = (number >> 8) % (ROOM_LIMIT + 1);
    uint8_t *end = fresh.bytes + ROOM_LIMIT - size;
    apus_decoder_set_target(&by->decoder, end, size);
    drop_target(by);
    if (is_taken) {
        by->target = (exact){fresh.allocation, end, ROOM_LIMIT - size};
        by->target_size = size;
    } else {
        exact_end(fresh);
    }
}

/* Where the bytes of an event are; those in a target follow each other. */
static const uint8_t *base_of(feeder *by, const apus_event *event, const uint8_t *bytes,
                              size_t used) {
    const uint8_t *base = bytes;
    size_t limit = used;
    if (event->place == APUS_PLACE_DECODER) {
        base = apus_decoder_control_payload(&by->decoder);
        limit = 125;
    } else if (event->place == APUS_PLACE_TARGET) {
        CHECK(event->offset == by->target_used);
        base = by->target.bytes;
        limit = by->target_size;
        by->target_used += event->size;
    }
    CHECK(event->offset <= limit && event->size <= limit - event->offset);
    return base;
}

/* Only what events refer to was changed in the bytes that were used. */
static void check_untouched(const feeder *by, const uint8_t *bytes, const uint8_t *wire,
                            size_t used, size_t count) {
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        const apus_event *event = &by->events[i];
        if (event->place == APUS_PLACE_FED) {
            bool has_code = event->kind == APUS_EVENT_CLOSE && event->close_code != 1005;
            size_t start = event->offset - (has_code ? 2 : 0);
            CHECK(start >= at && memcmp(bytes + at, wire + at, start - at) == 0);
            at = event->offset + event->size;
        }
    }
    CHECK(memcmp(bytes + at, wire + at, used - at) == 0);
}

static void note_events(record *to, feeder *by, const uint8_t *bytes, size_t used, size_t count) {
    size_t collected = 0;
    for (size_t i = 0; i < count; i++) {
        const apus_event *event = &by->events[i];
        const uint8_t *base = base_of(by, event, bytes, used);
        CHECK(!to->is_closed);
        collected += event->place == APUS_PLACE_DECODER;
        if (event->kind == APUS_EVENT_MESSAGE_PART) {
            CHECK(!by->is_awaiting);
            note_part(to, by->of, event, base + event->offset);
        } else {
            CHECK(!by->is_awaiting || event->kind == APUS_EVENT_CLOSE);
            note_control(to, event, base + event->offset);
        }
    }
    CHECK(collected <= 1);
}

/* An idle decoder is as good as a new one, whatever the new one's memory held. */
static void renew_if_idle(feeder *by) {
    if (apus_decoder_is_idle(&by->decoder)) {
        memset(&by->decoder, GARBAGE, sizeof by->decoder);
        apus_decoder_init(&by->decoder, &by->of->options);
        CHECK(apus_decoder_is_idle(&by->decoder));
    }
}

/* A violation is for good: nothing is used, nothing written. */
static void check_sticky(feeder *by, apus_result violation) {
    exact more = exact_make(1, 0);
    size_t used = 1, count = 1;
    CHECK(apus_decoder_feed(&by->decoder, more.bytes, 1, &used, by->events, by->capacity, &count) ==
          violation);
    CHECK(used == 0 && count == 0 && more.bytes[0] == CANARY);
    exact_end(more);
}

/* Only then bytes behind the used ones may have been unmasked. */
static bool is_invalid_payload(apus_result result) {
    return result == APUS_INVALID_UTF8 || result == APUS_CLOSE_PAYLOAD_TOO_SHORT ||
           result == APUS_CLOSE_CODE_INVALID;
}

/* Feeds the bytes from start to end in memory of their own. */
static void feed_piece(feeder *by, record *to, size_t start, size_t end) {
    size_t size = end - start;
    if (by->piece.allocation == NULL || by->piece_size != size) {
        if (by->piece.allocation != NULL) {
            exact_end(by->piece);
        }
        by->piece = exact_make(size, by->of->shift);
        by->piece_size = size;
    }
    const uint8_t *wire = by->of->bytes + start;
    memcpy(by->piece.bytes, wire, size);
    for (size_t position = 0; position < size && to->result == APUS_OK;) {
        uint8_t *bytes = by->piece.bytes + position;
        size_t left = size - position, used = SIZE_MAX, count = SIZE_MAX;
        set_target(by);
        to->result =
            apus_decoder_feed(&by->decoder, bytes, left, &used, by->events, by->capacity, &count);
        CHECK(to->result != APUS_INCOMPLETE);
        CHECK(used <= left && count <= by->capacity);
        CHECK(to->result != APUS_OK || used > 0);
        note_events(to, by, bytes, used, count);
        if (!by->is_awaiting) {
            check_untouched(by, bytes, wire + position, used, count);
        }
        renew_if_idle(by);
        position += used;
        to->used += used;
        CHECK(is_invalid_payload(to->result) ||
              memcmp(by->piece.bytes + position, wire + position, size - position) == 0);
    }
    if (to->result != APUS_OK) {
        check_sticky(by, to->result);
    }
}

typedef enum way { WHOLE, EACH_BYTE, CUT } way;

static size_t next_end(const stream *of, way cut, size_t start) {
    size_t end = cut == EACH_BYTE ? start + 1 : of->size;
    for (size_t i = 0; cut == CUT && i < CUTS; i++) {
        end = of->cuts[i] > start && of->cuts[i] < end ? of->cuts[i] : end;
    }
    return start < of->await_at && of->await_at < end ? of->await_at : end;
}

static void read_stream(record *to, const stream *of, way cut, size_t capacity) {
    feeder by = {.of = of, .capacity = capacity};
    by.events = malloc(capacity * sizeof *by.events);
    CHECK(by.events != NULL);
    memset(&by.decoder, GARBAGE, sizeof by.decoder);
    apus_decoder_init(&by.decoder, &of->options);
    memset(&to->log_size, 0, sizeof *to - offsetof(record, log_size));
    for (size_t start = 0; start < of->size && to->result == APUS_OK;) {
        if (start == of->await_at) {
            apus_decoder_await_close(&by.decoder);
            by.is_awaiting = true;
        }
        size_t end = next_end(of, cut, start);
        feed_piece(&by, to, start, end);
        start = end;
    }
    CHECK(to->result != APUS_OK || to->used == of->size);
    /* How much of a frame came before its invalid byte was seen depends on the cuts. */
    if (to->result == APUS_INVALID_UTF8) {
        to->log_size = to->settled;
    }
    if (by.piece.allocation != NULL) {
        exact_end(by.piece);
    }
    drop_target(&by);
    free(by.events);
}

/* ---- Comparing ---- */

static record first, other;

static void check_same(const record *one, const record *two) {
    CHECK(one->result == two->result);
    CHECK(one->log_size == two->log_size);
    CHECK(memcmp(one->log, two->log, one->log_size) == 0);
}

static uint64_t take_limit(input *from) {
    uint64_t limit = take(from, 1);
    return limit < NO_LIMIT ? limit : UINT64_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_size) {
    input from = {data, data_size};
    stream of;
    uint8_t how = (uint8_t)take(&from, 1);
    apus_decoder_options_init(&of.options, (how & 1) != 0 ? APUS_CLIENT : APUS_SERVER);
    of.options.check_utf8 = (how & 2) == 0;
    of.options.reserved_bits_allowed = how & 0x70;
    uint8_t liberties = (uint8_t)take(&from, 1);
    of.options.allowances = liberties & 7;
    of.options.message_bits_allowed = liberties & 0x70;
    of.options.frame_size_max = take_limit(&from);
    of.options.message_size_max = take_limit(&from);
    of.options.fragment_count_max = (uint32_t)take_limit(&from);
    uint64_t await_at = take(&from, 1);
    of.shift = take(&from, 1) % SHIFT_LIMIT;
    uint64_t cuts[CUTS];
    for (size_t i = 0; i < CUTS; i++) {
        cuts[i] = take(&from, 1);
    }
    /* Once in a while the kernels' loops over many blocks. */
    size_t more = take(&from, 1) >= NO_LIMIT ? LONG : 0;
    uint8_t filler = (uint8_t)take(&from, 1);
    of.has_targets = (how & 8) != 0;
    of.room = of.has_targets ? (uint8_t)take(&from, 1) : 0;
    of.size = from.size + more;
    of.await_at = (how & 0x80) != 0 ? await_at % (of.size + 1) : SIZE_MAX;
    for (size_t i = 0; i < CUTS; i++) {
        of.cuts[i] = cuts[i] % (of.size + 1);
    }
    exact bytes = exact_make(of.size, 0);
    for (size_t i = 0; i < of.size; i++) {
        bytes.bytes[i] = i < from.size ? from.bytes[i] : filler;
    }
    of.bytes = bytes.bytes;

    size_t whole_used = 0, least_used = 0;
    /* Single bytes take the longest, and what variants have of their own sees little of them: one
     * variant does, another with another size. */
    size_t turns = 2 * available_variants(), of_bytes = 2 * (of.size % available_variants());
    for (way cut = WHOLE; cut <= CUT; cut++) {
        size_t begin = cut == EACH_BYTE ? of_bytes : 0, end = cut == EACH_BYTE ? begin + 2 : turns;
        for (size_t turn = begin; turn < end; turn++) {
            use_variant(turn / 2);
            bool is_first = cut == WHOLE && turn == 0;
            record *to = is_first ? &first : &other;
            read_stream(to, &of, cut, turn % 2 == 0 ? MANY : 1);
            check_same(&first, to);
            /* A violation is found in the same bytes if the cuts are the same; else no earlier than
             * in the whole stream. A target cuts what it has no room for, and how many there are
             * depends on the room for events. */
            whole_used = is_first ? to->used : whole_used;
            least_used = turn == begin ? to->used : least_used;
            bool is_cut_anywhere = of.has_targets && to->result == APUS_INVALID_UTF8;
            CHECK(is_cut_anywhere || (to->used == least_used && to->used >= whole_used));
        }
    }
    exact_end(bytes);
    return 0;
}
