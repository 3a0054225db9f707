// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* wslay as a reader of frames, as one of messages, and as one that masks. */

#include "bench.h"

#include <string.h>
#include <wslay/wslay.h>

/* ---- Masking: nowhere but on its way out ---- */

/* A frame, masked in pieces of 4 KiB on wslay's stack and given to a function that drops them. The
 * header is in the time. */
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

/* ---- Reading: wslay asks for up to 4 KiB at a time and copies them ---- */

struct reader {
    const uint8_t *bytes;
    size_t size;
    unsigned sum;
};

static struct reader reader;

static ssize_t take(uint8_t *target, size_t size) {
    size_t taken = size < reader.size ? size : reader.size;
    memcpy(target, reader.bytes, taken);
    reader.bytes += taken;
    reader.size -= taken;
    return taken > 0 ? (ssize_t)taken : -1;
}

static ssize_t take_for_frame(uint8_t *target, size_t size, int flags, void *user) {
    (void)flags;
    (void)user;
    return take(target, size);
}

/* Frames without their order, and without UTF-8. */
unsigned wslay_frames(uint8_t *target, uint8_t *bytes, size_t size) {
    static wslay_frame_context_ptr context;
    (void)target;
    if (context == NULL) {
        const struct wslay_frame_callbacks callbacks = {NULL, take_for_frame, NULL};
        if (wslay_frame_context_init(&context, &callbacks, NULL) != 0) {
            die("wslay does not start");
        }
    }
    reader = (struct reader){bytes, size, 0};
    struct wslay_frame_iocb frame;
    memset(&frame, 0, sizeof frame);
    while (wslay_frame_recv(context, &frame) >= 0) {
        reader.sum += (unsigned)frame.data_length;
    }
    return reader.sum;
}

static ssize_t take_for_event(wslay_event_context_ptr context, uint8_t *target, size_t size,
                              int flags, void *user) {
    (void)flags;
    (void)user;
    ssize_t taken = take(target, size);
    if (taken < 0) {
        wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
    }
    return taken;
}

static void take_message(wslay_event_context_ptr context,
                         const struct wslay_event_on_msg_recv_arg *message, void *user) {
    (void)context;
    (void)user;
    reader.sum += (unsigned)message->msg_length + 1;
    if (wslay_expected != NULL) {
        if (memcmp(wslay_expected, message->msg, message->msg_length) != 0) {
            die("wslay reads something else");
        }
        wslay_expected += message->msg_length;
    }
}

static unsigned read_messages(uint8_t *bytes, size_t size, size_t read_size) {
    static wslay_event_context_ptr context;
    if (context == NULL) {
        struct wslay_event_callbacks callbacks;
        memset(&callbacks, 0, sizeof callbacks);
        callbacks.recv_callback = take_for_event;
        callbacks.on_msg_recv_callback = take_message;
        if (wslay_event_context_server_init(&context, &callbacks, NULL) != 0) {
            die("wslay does not start");
        }
    }
    unsigned sum = 0;
    for (size_t at = 0; at < size; at += read_size) {
        size_t left = size - at;
        reader = (struct reader){bytes + at, left < read_size ? left : read_size, 0};
        if (wslay_event_recv(context) != 0) {
            die("wslay does not read");
        }
        sum += reader.sum;
    }
    return sum;
}

unsigned wslay_events(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    return read_messages(bytes, size, size);
}

unsigned wslay_reads(uint8_t *target, uint8_t *bytes, size_t size) {
    (void)target;
    return read_messages(bytes, size, bench_read_size);
}
