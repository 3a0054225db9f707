// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* wslay masks nowhere but on its way out: a frame, masked in pieces of 4 KiB on its stack and given
 * to a function that drops them. The header is in the time. */

#include "bench.h"

#include <string.h>
#include <wslay/wslay.h>

static ssize_t drop(const uint8_t *bytes, size_t size, int flags, void *user) {
    (void)bytes;
    (void)flags;
    (void)user;
    return (ssize_t)size;
}

static int give_key(uint8_t *key, size_t size, void *user) {
    (void)user;
    memcpy(key, &bench_key, size);
    return 0;
}

unsigned wslay_mask(uint8_t *target, uint8_t *bytes, size_t size) {
    static wslay_frame_context_ptr context;
    (void)target;
    if (context == NULL) {
        const struct wslay_frame_callbacks callbacks = {drop, NULL, give_key};
        if (wslay_frame_context_init(&context, &callbacks, NULL) != 0) {
            die("wslay does not start");
        }
    }
    struct wslay_frame_iocb frame = {
        .fin = 1,
        .opcode = WSLAY_BINARY_FRAME,
        .payload_length = size,
        .mask = 1,
        .data = bytes,
        .data_length = size,
    };
    if (wslay_frame_send(context, &frame) != (ssize_t)size) {
        die("wslay does not send");
    }
    return 0;
}
