// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * Prints the frames of one direction of a WebSocket connection, read from standard input:
 *
 *     frames [--client | --server] [--read-size BYTES] <stream
 *
 * --server (the default) reads what a server receives, so frames must be masked; --client what a
 * client receives. Opening handshakes are not part of the stream. It ends with status 0 at the end
 * of the stream, 1 where the stream breaks a rule of RFC 6455 or ends inside of a frame or a
 * message, 64 for wrong arguments, 74 if reading fails. --read-size bounds each read.
 *
 * It needs 14 bytes for a header and 125 of each payload, however long frames are: payloads are
 * unmasked and checked piece by piece as they come. Built from the two files of tools/amalgamate:
 *
 *     cc -std=c11 -O2 frames.c apus_codec.c -o frames
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apus_codec.h"

enum { CONTROL_SIZE_MAX = 125, PREVIEW_SIZE_MAX = 60, CONTROL_BIT = 0x8 };

/* All that is kept between two reads. */
typedef struct dissector {
    apus_role role;
    uint64_t offset;       /* of the next byte in the stream */
    uint64_t frame_offset; /* of the frame's first byte */

    uint8_t header_bytes[APUS_HEADER_SIZE_MAX];
    size_t header_size; /* how many of them are there */

    bool is_in_payload;
    apus_frame_header header;
    uint64_t payload_size;          /* how much of it came */
    uint8_t kept[CONTROL_SIZE_MAX]; /* its first bytes, unmasked: all of a control frame */

    uint8_t message_opcode; /* of the fragmented message that is open, or 0 */
    apus_utf8_state text;
    bool is_closed;
} dissector;

static size_t smaller(size_t a, uint64_t b) {
    return a < b ? a : (size_t)b;
}

/* ---- Printing ---- */

static const char *opcode_name(uint8_t opcode) {
    static const char *const names[16] = {
        [APUS_OPCODE_CONTINUATION] = "continuation",
        [APUS_OPCODE_TEXT] = "text",
        [APUS_OPCODE_BINARY] = "binary",
        [APUS_OPCODE_CLOSE] = "close",
        [APUS_OPCODE_PING] = "ping",
        [APUS_OPCODE_PONG] = "pong",
    };
    return names[opcode];
}

/* Only printable ASCII goes out as it is: the bytes are a stranger's, and a terminal obeys some. */
static void print_text(const uint8_t *bytes, size_t size) {
    putchar('"');
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '"' || bytes[i] == '\\') {
            printf("\\%c", bytes[i]);
        } else if (bytes[i] == '\n') {
            printf("\\n");
        } else if (bytes[i] >= 0x20 && bytes[i] < 0x7F) {
            putchar(bytes[i]);
        } else {
            printf("\\x%02x", bytes[i]);
        }
    }
    putchar('"');
}

static void print_frame(const dissector *d, uint16_t close_code) {
    const apus_frame_header *header = &d->header;
    printf("%" PRIu64 ": %s%s length %" PRIu64, d->frame_offset, opcode_name(header->opcode),
           (header->bits & APUS_FIN) != 0 ? " fin" : "", header->payload_size);
    if (header->is_masked) {
        uint8_t key[4];
        memcpy(key, &header->masking_key, sizeof key);
        printf(" mask %02x%02x%02x%02x", key[0], key[1], key[2], key[3]);
    }
    if (header->opcode == APUS_OPCODE_CLOSE) {
        size_t size = (size_t)header->payload_size;
        printf(" code %u reason ", close_code);
        print_text(d->kept + (size > 2 ? 2 : 0), size > 2 ? size - 2 : 0);
    } else {
        putchar(' ');
        print_text(d->kept, smaller(PREVIEW_SIZE_MAX, header->payload_size));
        printf("%s", header->payload_size > PREVIEW_SIZE_MAX ? "..." : "");
    }
    putchar('\n');
}

/* Says where, which rule and what to close with. Returns false: nothing can follow. */
static bool violation(const dissector *d, const char *rule, const char *section, uint16_t code) {
    printf("violation in the frame at %" PRIu64 ": %s (RFC 6455 §%s), close with %u\n",
           d->frame_offset, rule, section, code);
    return false;
}

static bool codec_violation(const dissector *d, apus_result result) {
    static const struct {
        apus_result result;
        const char *rule, *section;
    } rules[] = {
        {APUS_RESERVED_BITS, "reserved bit without an extension", "5.2"},
        {APUS_RESERVED_OPCODE, "reserved opcode", "5.2"},
        {APUS_CONTROL_FRAGMENTED, "control frame without FIN", "5.5"},
        {APUS_CONTROL_TOO_LONG, "control frame over 125 bytes", "5.5"},
        {APUS_LENGTH_NOT_MINIMAL, "length is not in its shortest form", "5.2"},
        {APUS_LENGTH_TOP_BIT, "64-bit length with its top bit set", "5.2"},
        {APUS_MASK_MISSING, "frame from a client without mask", "5.1"},
        {APUS_MASK_UNEXPECTED, "frame from a server with mask", "5.1"},
        {APUS_INVALID_UTF8, "text is not UTF-8", "8.1"},
        {APUS_CLOSE_PAYLOAD_TOO_SHORT, "close frame with one byte of payload", "5.5.1"},
        {APUS_CLOSE_CODE_INVALID, "close code that must not be sent", "7.4"},
    };
    uint16_t code = apus_result_close_code(result);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (rules[i].result == result) {
            return violation(d, rules[i].rule, rules[i].section, code);
        }
    }
    return violation(d, "a rule that this program does not know", "5", code);
}

/* ---- Frames ---- */

/* What the header alone cannot know: what came before it. */
static bool begin_frame(dissector *d) {
    uint8_t opcode = d->header.opcode;
    d->is_in_payload = true;
    d->payload_size = 0;
    if (d->is_closed) {
        return violation(d, "frame after a close frame", "5.5.1", 1002);
    }
    if ((opcode & CONTROL_BIT) != 0) {
        return true;
    }
    if (opcode == APUS_OPCODE_CONTINUATION && d->message_opcode == 0) {
        return violation(d, "continuation without a message", "5.4", 1002);
    }
    if (opcode != APUS_OPCODE_CONTINUATION) {
        if (d->message_opcode != 0) {
            return violation(d, "new message inside of a fragmented one", "5.4", 1002);
        }
        d->message_opcode = opcode;
        d->text = 0;
    }
    return true;
}

static bool end_frame(dissector *d) {
    const apus_frame_header *header = &d->header;
    uint16_t close_code = 0;
    d->is_in_payload = false;
    d->header_size = 0;
    if (header->opcode == APUS_OPCODE_CLOSE) {
        apus_result result =
            apus_close_payload_decode(d->kept, (size_t)header->payload_size, &close_code);
        if (result != APUS_OK) {
            return codec_violation(d, result);
        }
        d->is_closed = true;
    } else if ((header->opcode & CONTROL_BIT) == 0 && (header->bits & APUS_FIN) != 0) {
        if (d->message_opcode == APUS_OPCODE_TEXT && d->text != 0) {
            return codec_violation(d, APUS_INVALID_UTF8);
        }
        d->message_opcode = 0;
    }
    print_frame(d, close_code);
    return true;
}

/* Adds one byte to the header. */
static bool feed_header(dissector *d, uint8_t byte) {
    if (d->header_size == 0) {
        d->frame_offset = d->offset;
    }
    d->header_bytes[d->header_size++] = byte;
    d->offset++;
    apus_result result =
        apus_frame_header_decode(d->header_bytes, d->header_size, d->role, 0, &d->header);
    if (result == APUS_INCOMPLETE) {
        return true;
    }
    return result == APUS_OK ? begin_frame(d) : codec_violation(d, result);
}

/* Takes a piece of the payload: unmasks it in place, keeps its first bytes, checks text. */
static bool feed_payload(dissector *d, uint8_t *bytes, size_t size) {
    bool is_text = (d->header.opcode & CONTROL_BIT) == 0 && d->message_opcode == APUS_OPCODE_TEXT;
    if (d->header.is_masked) {
        /* Only the offset modulo 4 counts, so nothing is lost where size_t has 32 bits. */
        apus_mask(bytes, size, d->header.masking_key, (size_t)d->payload_size);
    }
    if (d->payload_size < sizeof d->kept) {
        size_t have = (size_t)d->payload_size;
        memcpy(d->kept + have, bytes, smaller(sizeof d->kept - have, size));
    }
    d->payload_size += size;
    d->offset += size;
    if (is_text && !apus_utf8_validate(&d->text, bytes, size)) {
        return codec_violation(d, APUS_INVALID_UTF8);
    }
    return true;
}

/* Takes the next bytes of the stream, any number of them; false after a violation. */
static bool feed(dissector *d, uint8_t *bytes, size_t size) {
    size_t i = 0;
    while (i < size) {
        if (!d->is_in_payload) {
            if (!feed_header(d, bytes[i++])) {
                return false;
            }
        } else {
            size_t piece = smaller(size - i, d->header.payload_size - d->payload_size);
            if (!feed_payload(d, bytes + i, piece)) {
                return false;
            }
            i += piece;
        }
        /* Here and not above: a frame without payload ends with its header. */
        if (d->is_in_payload && d->payload_size == d->header.payload_size && !end_frame(d)) {
            return false;
        }
    }
    return true;
}

static bool end_of_stream(const dissector *d) {
    if (d->is_in_payload || d->header_size > 0) {
        printf("the stream ends inside of a frame, at %" PRIu64 "\n", d->offset);
        return false;
    }
    if (d->message_opcode != 0) {
        printf("the stream ends inside of a message, at %" PRIu64 "\n", d->offset);
        return false;
    }
    return true;
}

int main(int count, char **arguments) {
    static uint8_t buffer[64 * 1024];
    size_t read_size = sizeof buffer;
    dissector d = {.role = APUS_SERVER};
    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--server") == 0) {
            d.role = APUS_SERVER;
        } else if (strcmp(arguments[i], "--client") == 0) {
            d.role = APUS_CLIENT;
        } else if (strcmp(arguments[i], "--read-size") == 0 && i + 1 < count) {
            read_size = strtoul(arguments[++i], NULL, 10);
        } else {
            read_size = 0;
        }
        if (read_size == 0 || read_size > sizeof buffer) {
            fprintf(stderr, "usage: frames [--client | --server] [--read-size 1..%zu]\n",
                    sizeof buffer);
            return 64;
        }
    }
    for (;;) {
        ssize_t size = read(STDIN_FILENO, buffer, read_size);
        if (size == 0) {
            return end_of_stream(&d) ? 0 : 1;
        }
        if (size > 0) {
            if (!feed(&d, buffer, (size_t)size)) {
                return 1;
            }
            fflush(stdout); /* what came is shown before the next read waits */
        } else if (errno != EINTR) {
            perror("frames: read");
            return 74;
        }
    }
}
