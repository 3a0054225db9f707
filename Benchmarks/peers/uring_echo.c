// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* The floor over io_uring, with the ring of Apus: multishot receives into incremental buffers. What
 * a receive brought goes back at once by send; sends by the ring were tried and cost the same. */

#include "listen.h"
#include "ring.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { SOCKETS_MAX = 32768 };

/* A tag is a socket; this bit says that it waited for room to send. */
enum { FOR_ROOM = 1 << 30 };

/* What a socket did not take at once, until there is room. */
static struct kept {
    uint8_t *bytes;
    size_t size;
} all_kept[SOCKETS_MAX];

static void await_client(int listener) {
    struct io_uring_sqe *entry = ring_entry((uint64_t)listener);
    io_uring_prep_multishot_accept(entry, listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void await_room(int socket) {
    ring_await_room(socket, (uint64_t)socket | FOR_ROOM);
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
    if (result > 0) {
        int buffer = -1;
        const uint8_t *bytes = ring_bytes((uint32_t)result, flags, &buffer);
        send_or_keep(socket, bytes, (size_t)result);
        if (buffer >= 0) {
            ring_give_buffer((unsigned)buffer);
        }
    }
    if (result <= 0 && result != -ENOBUFS) {
        all_kept[socket].size = 0;
        close(socket);
    } else if ((flags & IORING_CQE_F_MORE) == 0) {
        ring_await_bytes(socket, (uint64_t)socket);
    }
}

int main(void) {
    int listener = open_listener();
    int failure = ring_open();
    if (failure != 0) {
        errno = -failure;
        perror("io_uring");
        return 1;
    }
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
                ring_await_bytes(completion->res, (uint64_t)completion->res);
            }
            if (socket == listener && (completion->flags & IORING_CQE_F_MORE) == 0) {
                await_client(listener);
            }
            count += 1;
        }
        io_uring_cq_advance(&ring, count);
    }
}
