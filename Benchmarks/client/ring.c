// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "client.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <sys/mman.h>

/* Younger than liburing 2.3. */
enum { PBUF_RING_INC = 2, CQE_BUF_MORE = 1 << 4 };

enum { BUFFER_COUNT = 16, SUBMISSIONS = 4096, COMPLETIONS = 32768 };

static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static uint8_t (*memory)[RECEIVE_SIZE_MAX];
static uint32_t filled[BUFFER_COUNT];

static void give_buffer(unsigned index) {
    filled[index] = 0;
    io_uring_buf_ring_add(buffers, memory[index], RECEIVE_SIZE_MAX, (unsigned short)index,
                          io_uring_buf_ring_mask(BUFFER_COUNT), 0);
    io_uring_buf_ring_advance(buffers, 1);
}

static void *map(size_t size) {
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        die("no memory for buffers");
    }
    return pages;
}

void open_ring(void) {
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
        .cq_entries = COMPLETIONS,
    };
    int error = io_uring_queue_init_params(SUBMISSIONS, &ring, &params);
    if (error == 0 && io_uring_register_ring_fd(&ring) != 1) {
        error = -EINVAL;
    }
    buffers = map(BUFFER_COUNT * sizeof(struct io_uring_buf));
    memory = map(BUFFER_COUNT * sizeof *memory);
    struct io_uring_buf_reg registration = {
        .ring_addr = (uint64_t)(uintptr_t)buffers,
        .ring_entries = BUFFER_COUNT,
        .pad = PBUF_RING_INC, /* where younger headers have the flags */
    };
    if (error == 0) {
        error = io_uring_register_buf_ring(&ring, &registration, 0);
    }
    if (error == -EINVAL) {
        registration.pad = 0; /* before Linux 6.12: a whole buffer for each completion */
        error = io_uring_register_buf_ring(&ring, &registration, 0);
    }
    if (error != 0) {
        errno = -error;
        die("there is no io_uring for the client");
    }
    for (unsigned index = 0; index < BUFFER_COUNT; index++) {
        give_buffer(index);
    }
}

static struct io_uring_sqe *next_entry(void *data) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring);
    if (entry == NULL) {
        io_uring_submit(&ring);
        entry = io_uring_get_sqe(&ring);
    }
    entry->user_data = (uint64_t)(uintptr_t)data;
    return entry;
}

void await_bytes(struct connection *connection) {
    struct io_uring_sqe *entry = next_entry(connection);
    io_uring_prep_recv_multishot(entry, connection->socket, NULL, 0, 0);
    io_uring_sqe_set_flags(entry, IOSQE_BUFFER_SELECT);
    entry->buf_group = 0;
}

void await_room(const struct connection *connection) {
    io_uring_prep_poll_add(next_entry(NULL), connection->socket, POLLOUT);
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
        unsigned index = flags >> IORING_CQE_BUFFER_SHIFT;
        event->bytes = memory[index] + filled[index];
        event->size = (size_t)result;
        filled[index] += (uint32_t)result;
        event->buffer = (flags & CQE_BUF_MORE) == 0 ? (int)index : -1;
    }
    event->is_last = (flags & IORING_CQE_F_MORE) == 0;
    return true;
}

void end_event(const struct event *event) {
    if (event->buffer >= 0) {
        give_buffer((unsigned)event->buffer);
    }
    // Behind the buffer, which it may have ended for want of.
    if (event->is_last && event->connection != NULL) {
        await_bytes(event->connection);
    }
}
