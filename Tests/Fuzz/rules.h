// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * Frame headers by the rules of RFC 6455 §5.2 one by one: a violation must be there in the bytes so
 * far, a header must break no rule and come out of the encoder as it was, and what is incomplete
 * must have a continuation.
 */

#ifndef APUS_FUZZ_RULES_H
#define APUS_FUZZ_RULES_H

#include "fuzz.h"

enum { PREFIX_LIMIT = APUS_HEADER_SIZE_MAX + 2 };

typedef struct reader {
    apus_role role;
    uint8_t allowed;
} reader;

static apus_result decode(reader by, const uint8_t *bytes, size_t size, apus_frame_header *header) {
    exact copy = exact_copy(bytes, size, 0);
    apus_result result = apus_frame_header_decode(copy.bytes, size, by.role, by.allowed, header);
    exact_end(copy);
    return result;
}

/* Whether the bytes prove what the decoder says about them. */
static bool is_broken(apus_result rule, reader by, const uint8_t *bytes, size_t size) {
    uint8_t first = bytes[0], second = size > 1 ? bytes[1] : 0;
    bool is_control = (first & 0x0F) >= 8;
    switch (rule) {
    case APUS_RESERVED_BITS:
        return (first & 0x70) != (first & 0x70 & by.allowed);
    case APUS_RESERVED_OPCODE:
        return strchr("\x3\x4\x5\x6\x7\xB\xC\xD\xE\xF", first & 0x0F) != NULL &&
               (first & 0x0F) != 0;
    case APUS_CONTROL_FRAGMENTED:
        return is_control && first < 0x80;
    case APUS_CONTROL_TOO_LONG:
        return is_control && size > 1 && second % 0x80 > 125;
    case APUS_LENGTH_NOT_MINIMAL:
        return (size >= 4 && second % 0x80 == 126 && bytes[2] == 0 && bytes[3] < 126) ||
               (size >= 8 && second % 0x80 == 127 && memcmp(bytes + 2, "\0\0\0\0\0\0", 6) == 0);
    case APUS_LENGTH_TOP_BIT:
        return size >= 3 && second % 0x80 == 127 && bytes[2] >= 0x80;
    case APUS_MASK_MISSING:
        return by.role == APUS_SERVER && size > 1 && second < 0x80;
    case APUS_MASK_UNEXPECTED:
        return by.role == APUS_CLIENT && size > 1 && second >= 0x80;
    default:
        return false;
    }
}

/* Some continuation must make a header of what is said to be incomplete. */
static void check_incomplete(reader by, const uint8_t *bytes, size_t size) {
    uint8_t whole[APUS_HEADER_SIZE_MAX];
    CHECK(size < sizeof whole);
    memset(whole, 0x7F, sizeof whole);
    whole[0] = APUS_FIN | APUS_OPCODE_BINARY;
    whole[1] = by.role == APUS_SERVER ? 0x80 : 0;
    if (size > 0) {
        memcpy(whole, bytes, size);
    }
    apus_frame_header header;
    CHECK(decode(by, whole, sizeof whole, &header) == APUS_OK);
    CHECK(header.header_size > size);
}

static void check_header(reader by, const uint8_t *bytes, size_t size,
                         const apus_frame_header *header) {
    CHECK(header->header_size <= size);
    CHECK(header->payload_size <= INT64_MAX);
    CHECK((header->bits | header->opcode) == bytes[0]);
    CHECK(header->is_masked == (by.role == APUS_SERVER));
    CHECK(header->is_masked || header->masking_key == 0);
    for (int rule = APUS_CLOSE_CODE_INVALID; rule < 0; rule++) {
        CHECK(!is_broken((apus_result)rule, by, bytes, size));
    }
    uint8_t key[4];
    memcpy(key, &header->masking_key, 4);
    exact again = exact_make(header->header_size, 0);
    size_t written = apus_frame_header_encode(again.bytes, header->bits | header->opcode,
                                              header->payload_size, header->is_masked ? key : NULL);
    CHECK(written == header->header_size);
    CHECK(memcmp(again.bytes, bytes, written) == 0);
    exact_end(again);
}

/* Decodes every prefix of the stream. */
static void check_every_prefix(reader by, const uint8_t *bytes, size_t size) {
    apus_result before = APUS_INCOMPLETE;
    apus_frame_header header_before = {0};
    for (size_t prefix = 0; prefix <= size && prefix <= PREFIX_LIMIT; prefix++) {
        apus_frame_header header = {0};
        apus_result result = decode(by, bytes, prefix, &header);
        CHECK(apus_result_close_code(result) == (result < 0 ? 1002 : 0));
        if (before != APUS_INCOMPLETE) {
            /* Once judged, more bytes change nothing. */
            CHECK(result == before);
            CHECK(result != APUS_OK || memcmp(&header, &header_before, sizeof header) == 0);
        } else if (result == APUS_OK) {
            CHECK(header.header_size == prefix);
            check_header(by, bytes, prefix, &header);
        } else if (result == APUS_INCOMPLETE) {
            check_incomplete(by, bytes, prefix);
        } else {
            CHECK(is_broken(result, by, bytes, prefix));
        }
        before = result;
        header_before = header;
    }
}

/* Many headers at once: those that are found one by one, and what ends them. */
FUZZ_UNUSED static void check_headers(reader by, const uint8_t *bytes, size_t size,
                                      size_t capacity) {
    exact copy = exact_copy(bytes, size, 0);
    exact room = exact_make(capacity * sizeof(apus_frame_header), 0);
    size_t count, used, at = 0, expected_count = 0;
    apus_result expected = APUS_OK;
    apus_result result =
        apus_frame_headers_decode(copy.bytes, size, by.role, by.allowed,
                                  (apus_frame_header *)room.bytes, capacity, &count, &used);
    CHECK(count <= capacity && used <= size);
    while (at < size && expected_count < capacity) {
        apus_frame_header header;
        expected = decode(by, bytes + at, size - at, &header);
        if (expected == APUS_OK && header.payload_size > size - at - header.header_size) {
            expected = APUS_INCOMPLETE;
        }
        if (expected != APUS_OK) {
            break;
        }
        CHECK(expected_count < count);
        const uint8_t *found = room.bytes + expected_count * sizeof header;
        CHECK(memcmp(found, &header, sizeof header) == 0);
        at += header.header_size + (size_t)header.payload_size;
        expected_count++;
    }
    CHECK(result == expected && count == expected_count && used == at);
    exact_end(room);
    exact_end(copy);
}

#endif
