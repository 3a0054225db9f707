// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "client.h"

#include "../peers/ring.h"

_Static_assert((int)RING_BUFFER_SIZE == RECEIVE_SIZE_MAX, "connections have room for a buffer");

void open_ring(void) {
    int error = ring_open();
    if (error != 0) {
        errno = -error;
        die("there is no io_uring for the client");
    }
}

void await_bytes(struct connection *connection) {
    ring_await_bytes(connection->socket, (uint64_t)(uintptr_t)connection);
}

void await_room(const struct connection *connection) {
    ring_await_room(connection->socket, 0);
}

bool wait_for_events(int64_t timeout_ns) {
    struct __kernel_timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    struct io_uring_cqe *first = NULL;
    int result = io_uring_submit_and_wait_timeout(&ring, &first, 1, &timeout, NULL);
    if (result < 0 && result != -ETIME && result != -EINTR) {
        errno = -result;
        die("events cannot be waited for");
    }
    return io_uring_cq_ready(&ring) > 0;
}

bool take_event(struct event *event) {
    if (io_uring_cq_ready(&ring) == 0) {
        return false;
    }
    struct io_uring_cqe *completion = NULL;
    io_uring_peek_cqe(&ring, &completion);
    int result = completion->res;
    uint32_t flags = completion->flags;
    *event = (struct event){
        .connection = (struct connection *)(uintptr_t)completion->user_data,
        .buffer = -1,
    };
    io_uring_cqe_seen(&ring, completion);
    if (event->connection == NULL) {
        return true; /* there is room to send */
    }
    if (result <= 0 && result != -ENOBUFS) {
        errno = -result;
        die("it ended connection %u", event->connection->number);
    }
    if (result > 0) {
        event->bytes = ring_bytes((uint32_t)result, flags, &event->buffer);
        event->size = (size_t)result;
    }
    event->is_last = (flags & IORING_CQE_F_MORE) == 0;
    return true;
}

void end_event(const struct event *event) {
    if (event->buffer >= 0) {
        ring_give_buffer((unsigned)event->buffer);
    }
    // Behind the buffer, which it may have ended for want of.
    if (event->is_last && event->connection != NULL) {
        await_bytes(event->connection);
    }
}
