// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * permessage-deflate (RFC 7692) on top of the codec, with zlib: compressed messages of a server,
 * where client_no_context_takeover and server_no_context_takeover were agreed on. The codec says
 * which messages are compressed and where they begin and end; to inflate them, within a limit, and
 * to check their text afterwards is left to you.
 *
 *     cc inflate_messages.c $(pkg-config --cflags --libs apus_codec zlib) -o inflate_messages
 */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apus_codec.h>
#include <zlib.h>

enum { INFLATED_SIZE_MAX = 1 << 16 };

typedef struct message {
    z_stream stream;
    uint8_t bytes[INFLATED_SIZE_MAX];
    bool is_compressed;
} message;

static void fail(unsigned close_code) {
    fprintf(stderr, "inflate_messages: close with %u\n", close_code);
    exit(1);
}

/* What has come of a compressed message; the last part is followed by what the sender took off. */
static void inflate_part(message *to, const uint8_t *bytes, size_t size) {
    to->stream.next_in = (uint8_t *)bytes;
    to->stream.avail_in = (unsigned)size;
    int result = inflate(&to->stream, Z_SYNC_FLUSH);
    if (result != Z_OK && result != Z_BUF_ERROR) {
        fail(1007);
    }
    if (to->stream.avail_in > 0) {
        fail(1009); /* there is no more room */
    }
}

static void end_message(message *of, uint8_t opcode) {
    static const uint8_t tail[4] = {0x00, 0x00, 0xFF, 0xFF};
    inflate_part(of, tail, sizeof tail);
    size_t size = sizeof of->bytes - of->stream.avail_out;
    apus_utf8_state text = 0;
    if (opcode == APUS_OPCODE_TEXT && (!apus_utf8_validate(&text, of->bytes, size) || text != 0)) {
        fail(1007);
    }
    printf("inflated: %.*s\n", (int)size, (const char *)of->bytes);
}

static void take_part(message *to, const apus_event *event, const uint8_t *bytes) {
    if (event->is_first) {
        to->is_compressed = (event->reserved_bits & APUS_RSV1) != 0;
        inflateReset(&to->stream);
        to->stream.next_out = to->bytes;
        to->stream.avail_out = sizeof to->bytes;
    }
    if (!to->is_compressed) {
        printf("as it is: %.*s\n", (int)event->size, (const char *)bytes + event->offset);
        return;
    }
    inflate_part(to, bytes + event->offset, event->size);
    if (event->is_last) {
        end_message(to, event->opcode);
    }
}

int main(void) {
    /* "Hello" in two frames as in RFC 7692 §7.2.3.1, an uncompressed text, and a continuation that
     * must not be marked. */
    uint8_t stream[] = {0x41, 0x03, 0xF2, 0x48, 0xCD, 0x80, 0x04, 0xC9, 0xC9, 0x07,
                        0x00, 0x81, 0x02, 'h',  'i',  0x41, 0x00, 0xC0, 0x00};
    apus_decoder_options options;
    apus_decoder_options_init(&options, APUS_CLIENT);
    options.message_bits_allowed = APUS_RSV1;
    apus_decoder decoder;
    apus_decoder_init(&decoder, &options);
    static message message;
    if (inflateInit2(&message.stream, -15) != Z_OK) {
        fail(1011);
    }

    uint8_t *bytes = stream;
    apus_result result = APUS_OK;
    for (size_t size = sizeof stream, used; size > 0 && result == APUS_OK;
         bytes += used, size -= used) {
        apus_event events[8];
        size_t count;
        result = apus_decoder_feed(&decoder, bytes, size, &used, events, 8, &count);
        for (size_t i = 0; i < count; i++) {
            if (events[i].kind == APUS_EVENT_MESSAGE_PART) {
                take_part(&message, &events[i], bytes);
            }
        }
    }
    printf("the rest: close with %u\n", apus_result_close_code(result));
    inflateEnd(&message.stream);
    return result == APUS_RESERVED_BITS ? 0 : 1;
}
