// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "bench.h"
#include "plain.h"

#include <string.h>

enum { ROOM = 16 << 10 };

/* ---- Decoding ---- */

/* Goes from header to header of the frames in the buffer, as a receiver does. */
static unsigned walk(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    unsigned count = 0;
    for (size_t at = 0; at < size; count++) {
        apus_frame_header header;
        if (apus_frame_header_decode(bytes + at, size - at, APUS_SERVER, 0, &header) != APUS_OK) {
            return 0;
        }
        at += header.header_size + header.payload_size;
    }
    return count;
}

/* The same, as many headers per call as there is room for. */
static unsigned walk_batch(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    apus_frame_header headers[64];
    size_t sum = 0, count, used;
    for (size_t at = 0; at < size; at += used) {
        if (apus_frame_headers_decode(bytes + at, size - at, APUS_SERVER, 0, headers, 64, &count,
                                      &used) != APUS_OK) {
            return 0;
        }
        sum += count;
    }
    return (unsigned)sum;
}

/* The same over headers that follow each other without payloads. */
static unsigned decode(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    unsigned count = 0;
    for (size_t at = 0; at < size; count++) {
        apus_frame_header header;
        if (apus_frame_header_decode(bytes + at, size - at, APUS_SERVER, 0, &header) != APUS_OK) {
            return 0;
        }
        at += header.header_size;
    }
    return count;
}

static unsigned plain_walk(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    unsigned count = 0;
    volatile uint32_t seen;
    for (size_t at = 0; at < size; count++) {
        uint64_t payload_size;
        uint32_t key;
        size_t header_size = plain_decode(bytes + at, size - at, &payload_size, &key);
        if (header_size == 0) {
            return 0;
        }
        seen = key;
        at += header_size + payload_size;
    }
    (void)seen;
    return count;
}

static unsigned plain_headers(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    unsigned count = 0;
    volatile uint64_t seen;
    for (size_t at = 0; at < size; count++) {
        uint64_t payload_size;
        uint32_t key;
        size_t header_size = plain_decode(bytes + at, size - at, &payload_size, &key);
        if (header_size == 0) {
            return 0;
        }
        seen = payload_size ^ key;
        at += header_size;
    }
    (void)seen;
    return count;
}

static const struct row walk_rows[] = {
    {"apus_frame_headers_decode", OURS_PORTABLE, walk_batch},
    {"apus_frame_header_decode", OURS_PORTABLE, walk},
    {"plain parser inlined", PEER, plain_walk},
};

static const struct row decode_rows[] = {
    {"apus_frame_header_decode", OURS_PORTABLE, decode},
    {"plain parser inlined", PEER, plain_headers},
};

/* ---- Encoding ---- */

enum { HEADERS_PER_CALL = 64 };

/* `size` is the payload's. */
static unsigned encode(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)bytes;
    unsigned sum = 0;
    for (size_t i = 0; i < HEADERS_PER_CALL; i++) {
        sum += (unsigned)apus_frame_header_encode(target + i * 16, 0x82, size, NULL);
    }
    return sum;
}

static unsigned encode_masked(uint8_t *target, uint8_t *bytes, size_t size) {
    unsigned sum = 0;
    for (size_t i = 0; i < HEADERS_PER_CALL; i++) {
        sum += (unsigned)apus_frame_header_encode(target + i * 16, 0x82, size, bytes + i * 4);
    }
    return sum - 4 * HEADERS_PER_CALL;
}

static const struct row encode_rows[] = {
    {"apus_frame_header_encode", OURS_PORTABLE, encode},
    {"apus_frame_header_encode masked", OURS_PORTABLE, encode_masked},
};

/* ---- The frames ---- */

static uint8_t buffer[ROOM], target[ROOM];

/* Fills the buffer with masked frames, or with their headers only; tells how many in `items`. */
static struct work make_frames(const char *group, const char *name, uint64_t payload_size,
                               bool headers_only) {
    static struct piece piece;
    struct work work = {group, name, target, buffer, &piece, 1, 0, NULL, 0};
    size_t at = 0;
    while (true) {
        uint64_t size = payload_size == 0 ? 1 + bench_random() % 125 : payload_size;
        uint32_t random_key = bench_random();
        uint8_t key[4], header[APUS_HEADER_SIZE_MAX];
        memcpy(key, &random_key, 4);
        size_t header_size = apus_frame_header_encode(header, 0x82, size, key);
        size_t frame_size = header_size + (headers_only ? 0 : size);
        if (at + frame_size > ROOM) {
            break;
        }
        memcpy(buffer + at, header, header_size);
        at += frame_size;
        work.items++;
    }
    piece = (struct piece){0, (uint32_t)at};
    return work;
}

void bench_frame(void) {
    static const struct table walks = TABLE("walk", walk_rows);
    static const struct table decodes = TABLE("decode", decode_rows);
    static const struct table encodes = TABLE("encode", encode_rows);
    static const struct {
        const char *name;
        uint32_t payload_size;
    } forms[] = {{"2-byte length", 20}, {"4-byte length", 1000}, {"10-byte length", 100000}};

    struct work work = make_frames("frames", "20 B", 20, false);
    measure(&walks, &work);
    work = make_frames("frames", "random 1–125 B", 0, false);
    measure(&walks, &work);
    for (size_t i = 0; i < 3; i++) {
        work = make_frames("headers", forms[i].name, forms[i].payload_size, true);
        measure(&decodes, &work);
    }
    for (size_t i = 0; i < 3; i++) {
        struct piece piece = {0, forms[i].payload_size};
        work = (struct work){"headers", forms[i].name,    target, buffer, &piece,
                             1,         HEADERS_PER_CALL, NULL,   0};
        measure(&encodes, &work);
    }
}
