// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "apus_codec.h"
#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

// One message that is compressed once and sent again and again, so that this costs next to nothing;
// no context is taken over, so each server's echoes of it are the same bytes too. The first one is
// inflated and compared, the others are compared with it.
static struct {
    uint8_t text[MESSAGE_SIZE_MAX];
    size_t text_size;
    uint8_t sent[MESSAGE_SIZE_MAX];
    uint8_t echo[MESSAGE_SIZE_MAX];
    size_t echo_size;
} message;

static const uint8_t tail[4] = {0x00, 0x00, 0xFF, 0xFF};

// Trades as JSON, no two alike.
static void make_text(size_t size) {
    uint32_t random = 1;
    size_t end = 0;
    while (end < size) {
        char trade[192];
        random = random * 1103515245 + 12345;
        unsigned value = random >> 8;
        int count =
            snprintf(trade, sizeof trade,
                     "{\"symbol\":\"%s\",\"price\":%u.%02u,\"size\":%u,\"side\":\"%s\","
                     "\"time\":\"2026-11-23T17:%02u:%02u.%03uZ\",\"id\":%u},",
                     value & 1 ? "BTC-USD" : "ETH-EUR", value % 60000, value % 100, value % 1000,
                     value & 2 ? "buy" : "sell", value % 60, value / 7 % 60, value % 1000, value);
        size_t part = size - end < (size_t)count ? size - end : (size_t)count;
        memcpy(message.text + end, trade, part);
        end += part;
    }
    message.text_size = size;
}

size_t prepare_compressed(size_t size) {
    make_text(size);
    z_stream stream = {.next_in = message.text, .avail_in = (unsigned)size};
    stream.next_out = message.sent;
    stream.avail_out = sizeof message.sent;
    if (deflateInit2(&stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
        deflate(&stream, Z_SYNC_FLUSH) != Z_OK) {
        die("a message of %zu bytes is not compressed", size);
    }
    deflateEnd(&stream);
    return sizeof message.sent - stream.avail_out - sizeof tail;
}

const uint8_t *compressed_message(void) {
    return message.sent;
}

static bool is_message(const uint8_t *bytes, size_t size) {
    static uint8_t input[MESSAGE_SIZE_MAX + sizeof tail];
    static uint8_t output[MESSAGE_SIZE_MAX + 1];
    memcpy(input, bytes, size);
    memcpy(input + size, tail, sizeof tail);
    z_stream stream = {.next_in = input, .avail_in = (unsigned)(size + sizeof tail)};
    stream.next_out = output;
    stream.avail_out = sizeof output;
    if (inflateInit2(&stream, -15) != Z_OK) {
        return false;
    }
    int result = inflate(&stream, Z_SYNC_FLUSH);
    inflateEnd(&stream);
    return result == Z_OK && sizeof output - stream.avail_out == message.text_size &&
           memcmp(output, message.text, message.text_size) == 0;
}

void check_compressed(uint8_t bits, const uint8_t *bytes, size_t size) {
    errno = 0;
    if (bits != (APUS_FIN | APUS_RSV1)) {
        die("it does not compress");
    }
    if (message.echo_size == 0 && size <= MESSAGE_SIZE_MAX && is_message(bytes, size)) {
        memcpy(message.echo, bytes, size);
        message.echo_size = size;
    }
    if (size != message.echo_size || memcmp(bytes, message.echo, size) != 0) {
        die("a compressed message came back as another");
    }
}
