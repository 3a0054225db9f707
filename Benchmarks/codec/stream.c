// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* Buffers full of masked frames. */

#include "decoder.h"

#include <string.h>

enum { ROOM_MAX = 512 << 10, FRAMES_MAX = 32768, PING_EACH = 16, FRAGMENTS = 3 };

static struct piece frames[FRAMES_MAX];
static uint8_t payloads[ROOM_MAX];

static size_t put_frame(struct stream *to, uint8_t *out, uint8_t first_byte, size_t size) {
    uint32_t random_key = bench_random() << 16 ^ bench_random();
    uint8_t key[4];
    memcpy(key, &random_key, 4);
    size_t header_size = apus_frame_header_encode(out, first_byte, size, key);
    fill_text(out + header_size, size);
    memcpy(payloads + to->payload_count, out + header_size, size);
    to->payload_count += size;
    mask_unrolled(out + header_size, size, random_key);
    to->answer += (unsigned)size + (first_byte >= APUS_FIN);
    return header_size + size;
}

static uint8_t first_byte(enum form form, size_t number) {
    if (form != FRAGMENTED) {
        bool is_ping = form == WITH_PINGS && number % PING_EACH == PING_EACH - 1;
        return APUS_FIN | (is_ping ? APUS_OPCODE_PING : APUS_OPCODE_TEXT);
    }
    uint8_t opcode = number % FRAGMENTS == 0 ? APUS_OPCODE_TEXT : APUS_OPCODE_CONTINUATION;
    return number % FRAGMENTS == FRAGMENTS - 1 ? APUS_FIN | opcode : opcode;
}

struct stream make_stream(const char *group, const struct traffic *traffic, enum form form,
                          size_t room) {
    static struct piece all;
    struct stream made = {
        {group, traffic->name, pool(1), pool(0), &all, 1, 0, NULL, 0}, frames, payloads, 0, 0};
    struct work *work = &made.work;
    size_t at = 0;
    choose_text(traffic->text);
    if (room > ROOM_MAX) {
        die("no room");
    }
    while (room - at >= FRAGMENTS * (traffic->most + APUS_HEADER_SIZE_MAX) ||
           (form == FRAGMENTED && work->items % FRAGMENTS != 0)) {
        size_t size = traffic->least + bench_random() % (traffic->most - traffic->least + 1);
        uint8_t first = first_byte(form, work->items);
        size_t frame_size = put_frame(&made, work->bytes + at, first, size);
        frames[work->items++] = (struct piece){(uint32_t)at, (uint32_t)frame_size};
        at += frame_size;
    }
    all = (struct piece){0, (uint32_t)at};
    keep_fresh(work);
    return made;
}
