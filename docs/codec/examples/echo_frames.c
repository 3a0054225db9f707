// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * One message from a client to a server and back, without a socket: the handshake's answer, a
 * masked frame as a client sends it, what a server does with it, and the frame that it sends.
 *
 *     cc echo_frames.c $(pkg-config --cflags --libs apus_codec) -o echo_frames
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apus_codec.h>

static void fail(const char *what) {
    fprintf(stderr, "echo_frames: %s\n", what);
    exit(1);
}

/* The client's side: header, then the payload, masked on its way into the buffer. */
static size_t client_frame(uint8_t *out, const char *text, const uint8_t key[4]) {
    size_t size = strlen(text);
    size_t header_size = apus_frame_header_encode(out, APUS_FIN | APUS_OPCODE_TEXT, size, key);
    uint32_t masking_key;
    memcpy(&masking_key, key, sizeof masking_key);
    apus_mask_copy(out + header_size, (const uint8_t *)text, size, masking_key, 0);
    return header_size + size;
}

/* The server's side: where the payload lies in the bytes, unmasked in place and checked. */
static uint8_t *server_receive(uint8_t *bytes, size_t size, apus_frame_header *header) {
    apus_result result = apus_frame_header_decode(bytes, size, APUS_SERVER, 0, header);
    if (result == APUS_INCOMPLETE) {
        fail("more bytes are needed");
    }
    if (result != APUS_OK) {
        fprintf(stderr, "echo_frames: close with %u\n", apus_result_close_code(result));
        exit(1);
    }
    if (header->payload_size > size - header->header_size) {
        fail("the payload is not complete");
    }
    uint8_t *payload = bytes + header->header_size;
    size_t payload_size = (size_t)header->payload_size;
    apus_mask(payload, payload_size, header->masking_key, 0);
    apus_utf8_state text = 0;
    if (!apus_utf8_validate(&text, payload, payload_size) || text != 0) {
        fail("not UTF-8: close with 1007");
    }
    return payload;
}

int main(void) {
    /* §4.2.2: the header field that answers a client's Sec-WebSocket-Key. */
    const char *client_key = "dGhlIHNhbXBsZSBub25jZQ==";
    uint8_t accept[APUS_ACCEPT_SIZE];
    if (!apus_key_is_valid((const uint8_t *)client_key, strlen(client_key))) {
        fail("not a key");
    }
    apus_accept_key((const uint8_t *)client_key, accept);
    printf("Sec-WebSocket-Accept: %.*s\n", APUS_ACCEPT_SIZE, (const char *)accept);

    /* The key of §5.7's examples. A client takes four unpredictable bytes for each frame (§5.3). */
    const uint8_t masking_key[4] = {0x37, 0xFA, 0x21, 0x3D};
    uint8_t stream[APUS_HEADER_SIZE_MAX + 64];
    size_t size = client_frame(stream, "Hello", masking_key);
    printf("client sends:");
    for (size_t i = 0; i < size; i++) {
        printf(" %02x", stream[i]);
    }
    printf("\n");

    apus_frame_header header;
    uint8_t *payload = server_receive(stream, size, &header);
    printf("server receives: %.*s\n", (int)header.payload_size, (const char *)payload);

    /* The answer is a header here and a payload there: two pieces for writev, and no copy. */
    uint8_t answer[APUS_HEADER_SIZE_MAX];
    size_t answer_size =
        apus_frame_header_encode(answer, APUS_FIN | APUS_OPCODE_TEXT, header.payload_size, NULL);
    printf("server sends: %02x %02x and the payload where it lies\n", answer[0], answer[1]);
    return answer_size == 2 ? 0 : 1;
}
