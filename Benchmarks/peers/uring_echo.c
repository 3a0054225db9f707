// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* The floor over io_uring, with the ring of Apus: multishot receives into incremental buffers. What
 * a receive brought goes back at once by send; sends by the ring were tried and cost the same. */

#include "listen.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Younger than liburing 2.3. */
enum { PBUF_RING_INC = 2, CQE_BUF_MORE = 1 << 4 };

enum { BUFFER_COUNT = 16, SUBMISSIONS = 4096, COMPLETIONS = 32768, SOCKETS_MAX = 32768 };

/* A tag is a socket; this bit says that it waited for room to send. */
enum { FOR_ROOM = 1 << 30 };

static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static uint8_t (*memory)[BUFFER_SIZE];
static uint32_t filled[BUFFER_COUNT];

/* What a socket did not take at once, until there is room. */
static struct kept {
    uint8_t *bytes;
    size_t size;
} all_kept[SOCKETS_MAX];

static void give_buffer(unsigned index) {
    filled[index] = 0;
    io_uring_buf_ring_add(buffers, memory[index], BUFFER_SIZE, (unsigned short)index,
                          io_uring_buf_ring_mask(BUFFER_COUNT), 0);
    io_uring_buf_ring_advance(buffers, 1);
}

static void *map(size_t size) {
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return pages;
}

static void open_ring(void) {
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
    if (error != 0) {
        errno = -error;
        perror("io_uring");
        exit(1);
    }
    for (unsigned index = 0; index < BUFFER_COUNT; index++) {
        give_buffer(index);
    }
}

static struct io_uring_sqe *entry_for(uint64_t tag) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring);
    if (entry == NULL) {
        io_uring_submit(&ring);
        entry = io_uring_get_sqe(&ring);
    }
    entry->user_data = tag;
    return entry;
}

static void await_client(int listener) {
    struct io_uring_sqe *entry = entry_for((uint64_t)listener);
    io_uring_prep_multishot_accept(entry, listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void await_bytes(int socket) {
    struct io_uring_sqe *entry = entry_for((uint64_t)socket);
    io_uring_prep_recv_multishot(entry, socket, NULL, 0, 0);
    io_uring_sqe_set_flags(entry, IOSQE_BUFFER_SELECT);
    entry->buf_group = 0;
}

static void await_room(int socket) {
    io_uring_prep_poll_add(entry_for((uint64_t)socket | FOR_ROOM), socket, POLLOUT);
}

static size_t send_some(int socket, const uint8_t *bytes, size_t size) {
    ssize_t sent = send(socket, bytes, size, MSG_NOSIGNAL);
    return sent > 0 ? (size_t)sent : 0;
}

static void send_or_keep(int socket, const uint8_t *bytes, size_t size) {
    struct kept *kept = &all_kept[socket];
    size_t sent = kept->size == 0 ? send_some(socket, bytes, size) : 0;
    if (sent == size) {
        return;
    }
    if (kept->size == 0) {
        await_room(socket);
    }
    kept->bytes = realloc(kept->bytes, kept->size + size - sent);
    if (kept->bytes == NULL) {
        abort();
    }
    memcpy(kept->bytes + kept->size, bytes + sent, size - sent);
    kept->size += size - sent;
}

static void send_kept(int socket) {
    struct kept *kept = &all_kept[socket];
    size_t sent = send_some(socket, kept->bytes, kept->size);
    kept->size -= sent;
    memmove(kept->bytes, kept->bytes + sent, kept->size);
    if (kept->size > 0) {
        await_room(socket);
    }
}

static void received(int socket, int result, uint32_t flags) {
    if ((flags & IORING_CQE_F_BUFFER) != 0) {
        unsigned index = flags >> IORING_CQE_BUFFER_SHIFT;
        if (result > 0) {
            send_or_keep(socket, memory[index] + filled[index], (size_t)result);
            filled[index] += (uint32_t)result;
        }
        if (result > 0 && (flags & CQE_BUF_MORE) == 0) {
            give_buffer(index);
        }
    }
    if (result <= 0 && result != -ENOBUFS) {
        all_kept[socket].size = 0;
        close(socket);
    } else if ((flags & IORING_CQE_F_MORE) == 0) {
        await_bytes(socket);
    }
}

int main(void) {
    int listener = open_listener();
    open_ring();
    await_client(listener);
    for (;;) {
        int error = io_uring_submit_and_wait(&ring, 1);
        if (error < 0 && error != -EINTR) {
            errno = -error;
            perror("io_uring_enter");
            return 1;
        }
        struct io_uring_cqe *completion;
        unsigned head, count = 0;
        io_uring_for_each_cqe(&ring, head, completion) {
            int socket = (int)(completion->user_data & ~(uint64_t)FOR_ROOM);
            if ((completion->user_data & FOR_ROOM) != 0) {
                send_kept(socket);
            } else if (socket != listener) {
                received(socket, completion->res, completion->flags);
            } else if (completion->res >= 0) {
                await_bytes(completion->res);
            }
            if (socket == listener && (completion->flags & IORING_CQE_F_MORE) == 0) {
                await_client(listener);
            }
            count += 1;
        }
        io_uring_cq_advance(&ring, count);
    }
}
