// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* From received bytes to messages: headers, unmasking, UTF-8 and the order of frames. */

#include "decoder.h"

#include <stdio.h>
#include <string.h>

/* ---- Ours ---- */

size_t bench_read_size;
const uint8_t *wslay_expected;

static inline unsigned feed(apus_decoder *decoder, uint8_t *bytes, size_t size) {
    enum { EVENTS = 64 };
    apus_event events[EVENTS];
    unsigned sum = 0;
    for (size_t used; size > 0; bytes += used, size -= used) {
        size_t count;
        if (apus_decoder_feed(decoder, bytes, size, &used, events, EVENTS, &count) != APUS_OK) {
            return 0;
        }
        for (size_t i = 0; i < count; i++) {
            sum += (unsigned)events[i].size + (events[i].kind != APUS_EVENT_MESSAGE_PART) +
                   events[i].is_last;
        }
    }
    return sum;
}

static void init(apus_decoder *decoder) {
    apus_decoder_options options;
    apus_decoder_options_init(&options, APUS_SERVER);
    apus_decoder_init(decoder, &options);
}

static unsigned feed_all(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    apus_decoder decoder;
    init(&decoder);
    return feed(&decoder, bytes, size);
}

static unsigned feed_reads(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    apus_decoder decoder;
    init(&decoder);
    unsigned sum = 0;
    for (size_t at = 0; at < size; at += bench_read_size) {
        size_t left = size - at;
        sum += feed(&decoder, bytes + at, left < bench_read_size ? left : bench_read_size);
    }
    return sum;
}

/* As a server does that keeps no decoder for a connection between messages. */
static unsigned feed_fresh(uint8_t *target, uint8_t *bytes, size_t size) {
    static apus_decoder_options options;
    (void)target;
    if (options.frame_size_max == 0) {
        apus_decoder_options_init(&options, APUS_SERVER);
    }
    apus_decoder decoder;
    apus_decoder_init(&decoder, &options);
    unsigned sum = feed(&decoder, bytes, size);
    return apus_decoder_is_idle(&decoder) ? sum : 0;
}

/* ---- Contenders ---- */

#define PLAIN_SIMDJSON                                                                             \
    {"plain parser + u64 loop + simdjson icelake", PEER, plain_icelake}, {                         \
        "plain parser + u64 loop + simdjson haswell", PEER, plain_haswell                          \
    }
#define PLAIN_DFA                                                                                  \
    { "plain parser + 4-byte loop + DFA", PEER, plain_dfa }

static struct row whole_rows[] = {
    {"apus_decoder_feed", OURS, feed_all},
    {"header + mask + validate", OURS, three_steps},
    {"header + mask_utf8", OURS, two_steps},
    PLAIN_DFA,
    PLAIN_SIMDJSON,
    {"wslay_event_recv", PEER, wslay_events},
    {"wslay_frame_recv", FLOOR, wslay_frames},
    {"plain parser", FLOOR, plain_frames},
};

/* wslay would answer each ping. */
static struct row ping_rows[] = {
    {"apus_decoder_feed", OURS, feed_all},
    {"header + mask + validate", OURS, three_steps},
    PLAIN_DFA,
    PLAIN_SIMDJSON,
};

static struct row fragment_rows[] = {
    {"apus_decoder_feed", OURS, feed_all},
    {"header + mask + validate", OURS, three_steps},
    PLAIN_DFA,
    {"wslay_event_recv", PEER, wslay_events},
};

static struct row read_rows[] = {
    {"apus_decoder_feed", OURS, feed_reads},
    {"wslay_event_recv", PEER, wslay_reads},
};

static struct row fresh_rows[] = {
    {"apus_decoder_feed fresh", OURS, feed_fresh},
    {"header + mask + validate", OURS, three_steps},
    PLAIN_DFA,
    PLAIN_SIMDJSON,
};

/* ---- The streams ---- */

enum { SMALL = 16 << 10, LARGE = 512 << 10 };

static const struct traffic all_traffic[] = {
    {"20 B ascii", "ascii", 20, 20},    {"20 B cjk", "cjk", 20, 20},
    {"20 B latin", "latin", 20, 20},    {"64 B ascii", "ascii", 64, 64},
    {"125 B ascii", "ascii", 125, 125}, {"1–60 B ascii", "ascii", 1, 60},
    {"1–125 B ascii", "ascii", 1, 125}, {"1–125 B latin", "latin", 1, 125},
};

static const struct traffic some_traffic[] = {
    {"20 B ascii", "ascii", 20, 20},
    {"1–125 B ascii", "ascii", 1, 125},
    {"1–125 B latin", "latin", 1, 125},
};

/* ---- Checking ---- */

/* Of those that change the bytes: each payload is there, and each header as it was. */
static bool is_unmasked(const struct stream *of) {
    const struct work *work = &of->work;
    const uint8_t *payload = of->payloads;
    for (size_t i = 0; i < work->items; i++) {
        size_t at = of->frames[i].offset;
        size_t size = of->frames[i].size - 6;
        if (memcmp(work->bytes + at, work->fresh + at, 6) != 0 ||
            memcmp(work->bytes + at + 6, payload, size) != 0) {
            return false;
        }
        payload += size;
    }
    return true;
}

static void check_row(const struct row *row, const struct stream *of, bool each_frame) {
    const struct work *work = &of->work;
    bool copies = row->run == wslay_events || row->run == wslay_reads;
    memcpy(work->bytes, work->fresh, work->fresh_size);
    wslay_expected = copies ? of->payloads : NULL;
    unsigned sum = 0;
    for (size_t i = 0; each_frame && i < work->items; i++) {
        sum += row->run(work->target, work->bytes + of->frames[i].offset, of->frames[i].size);
    }
    if (!each_frame) {
        sum = row->run(work->target, work->bytes, work->fresh_size);
    }
    bool is_found = copies ? wslay_expected == of->payloads + of->payload_count : is_unmasked(of);
    if (sum != of->answer || !is_found) {
        fprintf(stderr, "%s: %s, %s\n", row->name, work->group, work->size);
        die("does not find what was sent");
    }
    wslay_expected = NULL;
}

static void check_and_measure(const struct table *table, struct stream *of, bool each_frame) {
    struct work *work = &of->work;
    for (int variant = APUS_VARIANT_SCALAR; variant <= APUS_VARIANT_NEON; variant++) {
        if (!apus_variant_select((apus_variant)variant)) {
            continue;
        }
        for (size_t i = 0; i < table->count; i++) {
            if (table->rows[i].run != NULL && table->rows[i].kind != FLOOR) {
                check_row(&table->rows[i], of, each_frame);
            }
        }
    }
    if (each_frame) {
        work->pieces = of->frames;
        for (work->piece_count = 1; work->piece_count * 2 <= work->items;) {
            work->piece_count *= 2;
        }
        work->items = 1;
    }
    measure(table, work);
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void bench_decoder(void) {
    static const struct table whole = TABLE("decoder", whole_rows);
    static const struct table pings = TABLE("decoder-pings", ping_rows);
    static const struct table fragments = TABLE("decoder-fragments", fragment_rows);
    static const struct table reads = TABLE("decoder-reads", read_rows);
    static const struct table fresh = TABLE("decoder-fresh", fresh_rows);
    drop_simdjson_not_for_here(whole_rows, COUNT(whole_rows));
    drop_simdjson_not_for_here(ping_rows, COUNT(ping_rows));
    drop_simdjson_not_for_here(fresh_rows, COUNT(fresh_rows));
    for (size_t i = 0; i < 2 * COUNT(all_traffic); i++) {
        bool is_small = i < COUNT(all_traffic);
        struct stream stream =
            make_stream(is_small ? "16 KiB" : "512 KiB", &all_traffic[i % COUNT(all_traffic)],
                        WHOLE, is_small ? SMALL : LARGE);
        check_and_measure(&whole, &stream, false);
    }
    for (size_t i = 0; i < COUNT(some_traffic); i++) {
        struct stream stream = make_stream("512 KiB", &some_traffic[i], WITH_PINGS, LARGE);
        check_and_measure(&pings, &stream, false);
        stream = make_stream("512 KiB", &some_traffic[i], FRAGMENTED, LARGE);
        check_and_measure(&fragments, &stream, false);
        bench_read_size = 256;
        stream = make_stream("512 KiB", &some_traffic[i], WHOLE, LARGE);
        check_and_measure(&reads, &stream, false);
    }
    for (size_t i = 0; i < COUNT(all_traffic); i++) {
        const struct traffic *traffic = &all_traffic[i];
        bool is_random = traffic->least != traffic->most;
        struct stream stream = make_stream("a frame", traffic, WHOLE, is_random ? LARGE : SMALL);
        check_and_measure(&fresh, &stream, true);
    }
}
