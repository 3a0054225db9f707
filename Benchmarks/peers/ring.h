// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* The ring of the client and of the floor over io_uring, as that of Apus: deferred task work, and
 * multishot receives into buffers that the kernel fills piece by piece. One for each program. */

#ifndef BENCHMARKS_RING_H
#define BENCHMARKS_RING_H

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdint.h>
#include <sys/mman.h>

/* Younger than liburing 2.3. */
enum { PBUF_RING_INC = 2, CQE_BUF_MORE = 1 << 4 };

enum {
    RING_BUFFER_COUNT = 16,
    RING_BUFFER_SIZE = 65536,
    RING_SUBMISSIONS = 4096,
    RING_COMPLETIONS = 32768,
};

static struct io_uring ring;
static struct io_uring_buf_ring *ring_buffers;
static uint8_t (*ring_memory)[RING_BUFFER_SIZE];
static uint32_t ring_filled[RING_BUFFER_COUNT];

static inline void ring_give_buffer(unsigned index) {
    ring_filled[index] = 0;
    io_uring_buf_ring_add(ring_buffers, ring_memory[index], RING_BUFFER_SIZE, (unsigned short)index,
                          io_uring_buf_ring_mask(RING_BUFFER_COUNT), 0);
    io_uring_buf_ring_advance(ring_buffers, 1);
}

/* Zero, or -errno. */
static inline int ring_open(void) {
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
        .cq_entries = RING_COMPLETIONS,
    };
    int error = io_uring_queue_init_params(RING_SUBMISSIONS, &ring, &params);
    if (error != 0) {
        return error;
    }
    if (io_uring_register_ring_fd(&ring) != 1) {
        return -EINVAL;
    }
    size_t head_size = RING_BUFFER_COUNT * sizeof(struct io_uring_buf);
    void *pages[2];
    for (int part = 0; part < 2; part++) {
        pages[part] = mmap(NULL, part == 0 ? head_size : RING_BUFFER_COUNT * sizeof *ring_memory,
                           PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages[part] == MAP_FAILED) {
            return -errno;
        }
    }
    ring_buffers = pages[0];
    ring_memory = pages[1];
    struct io_uring_buf_reg registration = {
        .ring_addr = (uint64_t)(uintptr_t)ring_buffers,
        .ring_entries = RING_BUFFER_COUNT,
        .pad = PBUF_RING_INC, /* where younger headers have the flags */
    };
    error = io_uring_register_buf_ring(&ring, &registration, 0);
    if (error == -EINVAL) {
        registration.pad = 0; /* before Linux 6.12: a whole buffer for each completion */
        error = io_uring_register_buf_ring(&ring, &registration, 0);
    }
    for (unsigned index = 0; error == 0 && index < RING_BUFFER_COUNT; index++) {
        ring_give_buffer(index);
    }
    return error;
}

static inline struct io_uring_sqe *ring_entry(uint64_t tag) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring);
    if (entry == NULL) {
        io_uring_submit(&ring);
        entry = io_uring_get_sqe(&ring);
    }
    entry->user_data = tag;
    return entry;
}

static inline void ring_await_bytes(int socket, uint64_t tag) {
    struct io_uring_sqe *entry = ring_entry(tag);
    io_uring_prep_recv_multishot(entry, socket, NULL, 0, 0);
    io_uring_sqe_set_flags(entry, IOSQE_BUFFER_SELECT);
    entry->buf_group = 0;
}

static inline void ring_await_room(int socket, uint64_t tag) {
    io_uring_prep_poll_add(ring_entry(tag), socket, POLLOUT);
}

/* What a receive brought. Its buffer is to be given back where it is not -1: the kernel still fills
 * it then. */
static inline const uint8_t *ring_bytes(uint32_t size, uint32_t flags, int *buffer) {
    unsigned index = flags >> IORING_CQE_BUFFER_SHIFT;
    const uint8_t *bytes = ring_memory[index] + ring_filled[index];
    ring_filled[index] += size;
    *buffer = (flags & CQE_BUF_MORE) == 0 ? (int)index : -1;
    return bytes;
}

#endif
