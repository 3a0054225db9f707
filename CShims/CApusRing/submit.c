// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "internal.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

// How often an enter is repeated that hands in nothing before the ring counts as broken.
enum { ATTEMPTS_MAX = 64 };

bool apus_ring_is_pending(const apus_ring *ring) {
    const struct io_uring_sq *sq = &ring->uring.sq;
    return sq->sqe_tail != io_uring_smp_load_acquire(sq->khead);
}

bool apus_ring_is_transient(int result) {
    return result == -EINTR || result == -ETIME || result == -EAGAIN || result == -EBUSY;
}

int apus_ring_enter(apus_ring *ring, unsigned minimum, unsigned flags,
                    const struct __kernel_timespec *timeout) {
    struct io_uring_sq *sq = &ring->uring.sq;
    sq->sqe_head = sq->sqe_tail;
    io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
    unsigned prepared = sq->sqe_tail - io_uring_smp_load_acquire(sq->khead);

    struct io_uring_getevents_arg argument;
    memset(&argument, 0, sizeof argument);
    argument.ts = (uint64_t)(uintptr_t)timeout;
    flags |= IORING_ENTER_EXT_ARG;
    if (ring->is_registered) {
        flags |= IORING_ENTER_REGISTERED_RING;
    }
    // The kernel's argument is a structure with EXT_ARG; liburing's prototype knows the other one.
    return io_uring_enter2((unsigned)ring->uring.enter_ring_fd, prepared, minimum, flags,
                           (sigset_t *)(void *)&argument, sizeof argument);
}

static struct io_uring_sqe *make_room(apus_ring *ring) {
    for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        int result = apus_ring_enter(ring, 0, 0, NULL);
        if (result < 0 && !apus_ring_is_transient(result)) {
            ring->failure = result;
            return NULL;
        }
        struct io_uring_sqe *entry = io_uring_get_sqe(&ring->uring);
        if (entry != NULL) {
            return entry;
        }
    }
    ring->failure = -EAGAIN;
    return NULL;
}

// An entry to fill; NULL once the ring failed, which the next wait tells.
static struct io_uring_sqe *next_entry(apus_ring *ring) {
    if (ring->failure != 0) {
        return NULL;
    }
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring->uring);
    return entry != NULL ? entry : make_room(ring);
}

void apus_ring_accept(apus_ring *ring, int listener, uint64_t tag) {
    struct io_uring_sqe *entry = next_entry(ring);
    if (entry == NULL) {
        return;
    }
    io_uring_prep_accept(entry, listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    io_uring_sqe_set_data64(entry, tag);
}

void apus_ring_connect(apus_ring *ring, int socket, const void *address, size_t size,
                       uint64_t tag) {
    struct io_uring_sqe *entry = next_entry(ring);
    if (entry == NULL) {
        return;
    }
    io_uring_prep_connect(entry, socket, address, (socklen_t)size);
    io_uring_sqe_set_data64(entry, tag);
}

static void into_ring_buffer(struct io_uring_sqe *entry, uint64_t tag) {
    io_uring_sqe_set_flags(entry, IOSQE_BUFFER_SELECT);
    entry->buf_group = APUS_BUFFER_GROUP;
    io_uring_sqe_set_data64(entry, tag);
}

void apus_ring_receive(apus_ring *ring, int socket, uint64_t tag) {
    struct io_uring_sqe *entry = next_entry(ring);
    if (entry == NULL) {
        return;
    }
    io_uring_prep_recv_multishot(entry, socket, NULL, 0, 0);
    into_ring_buffer(entry, tag);
}

void apus_ring_receive_once(apus_ring *ring, int socket, uint64_t tag) {
    struct io_uring_sqe *entry = next_entry(ring);
    if (entry == NULL) {
        return;
    }
    io_uring_prep_recv(entry, socket, NULL, 0, 0);
    into_ring_buffer(entry, tag);
}

void apus_ring_send(apus_ring *ring, int socket, const void *bytes, size_t size, uint64_t tag) {
    struct io_uring_sqe *entry = next_entry(ring);
    if (entry == NULL) {
        return;
    }
    // DONTWAIT: done or refused while being handed in. WAITALL makes a short send a failure, and
    // only failures have a completion under SKIP_SUCCESS.
    io_uring_prep_send(entry, socket, bytes, size, MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL);
    io_uring_sqe_set_flags(entry, IOSQE_CQE_SKIP_SUCCESS);
    io_uring_sqe_set_data64(entry, tag);
}

static void poll_once(apus_ring *ring, int descriptor, unsigned events, uint64_t tag) {
    struct io_uring_sqe *entry = next_entry(ring);
    if (entry == NULL) {
        return;
    }
    io_uring_prep_poll_add(entry, descriptor, events);
    io_uring_sqe_set_data64(entry, tag);
}

void apus_ring_await_writable(apus_ring *ring, int descriptor, uint64_t tag) {
    poll_once(ring, descriptor, POLLOUT, tag);
}

void apus_ring_await_readable(apus_ring *ring, int descriptor, uint64_t tag) {
    poll_once(ring, descriptor, POLLIN, tag);
}

void apus_ring_cancel(apus_ring *ring, uint64_t target, uint64_t tag) {
    struct io_uring_sqe *entry = next_entry(ring);
    if (entry == NULL) {
        return;
    }
    io_uring_prep_cancel64(entry, target, 0);
    io_uring_sqe_set_data64(entry, tag);
}
