// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "internal.h"

#include <stdlib.h>

enum { ATTEMPTS_MAX = 64 };
enum { NANOSECONDS_PER_SECOND = 1000000000 };

static bool reserve(apus_completions *completions, size_t count) {
    if (count <= completions->capacity) {
        return true;
    }
    size_t capacity = completions->capacity * 2 > count ? completions->capacity * 2 : count;
    apus_completion *items = realloc(completions->items, capacity * sizeof *items);
    if (items == NULL) {
        return false;
    }
    completions->items = items;
    completions->capacity = capacity;
    return true;
}

// Copies what the queue holds behind what was copied before, so that the kernel has all of it free.
static bool collect(apus_ring *ring) {
    struct io_uring_cq *cq = &ring->uring.cq;
    apus_completions *completions = &ring->completions;
    unsigned head = *cq->khead;
    unsigned count = io_uring_smp_load_acquire(cq->ktail) - head;
    if (!reserve(completions, completions->count + count)) {
        return false;
    }
    for (unsigned index = 0; index < count; index++) {
        const struct io_uring_cqe *cqe = &cq->cqes[(head + index) & cq->ring_mask];
        apus_completion *completion = &completions->items[completions->count + index];
        completion->tag = cqe->user_data;
        completion->result = cqe->res;
        completion->has_more = (cqe->flags & IORING_CQE_F_MORE) != 0;
        completion->buffer = 0;
        completion->bytes = NULL;
        if ((cqe->flags & IORING_CQE_F_BUFFER) != 0) {
            apus_buffers_take(ring, cqe, completion);
        }
    }
    completions->count += count;
    io_uring_smp_store_release(cq->khead, head + count);
    return true;
}

static bool has_overflowed(const apus_ring *ring) {
    return (IO_URING_READ_ONCE(*ring->uring.sq.kflags) & IORING_SQ_CQ_OVERFLOW) != 0;
}

int64_t apus_ring_wait(apus_ring *ring, int64_t nanoseconds_max) {
    ring->completions.count = 0;
    struct __kernel_timespec timeout = {
        .tv_sec = nanoseconds_max / NANOSECONDS_PER_SECOND,
        .tv_nsec = nanoseconds_max % NANOSECONDS_PER_SECOND,
    };
    const struct __kernel_timespec *end = nanoseconds_max > 0 ? &timeout : NULL;
    unsigned minimum = nanoseconds_max == 0 ? 0 : 1;

    // Once around, except where the queue overflowed or the kernel was short of memory: then what
    // it holds back is fetched, and what it did not take is handed in again, without waiting.
    for (int attempt = 0; ring->failure == 0;) {
        int result = apus_ring_enter(ring, minimum, IORING_ENTER_GETEVENTS, end);
        if (result < 0 && !apus_ring_is_transient(result)) {
            ring->failure = result;
        } else if (!collect(ring)) {
            ring->failure = -ENOMEM;
        } else if (apus_ring_is_pending(ring)) {
            if (result <= 0 && ++attempt == ATTEMPTS_MAX) {
                ring->failure = -EAGAIN;
            }
        } else if (!has_overflowed(ring)) {
            return (int64_t)ring->completions.count;
        }
        minimum = 0;
        end = NULL;
    }
    return ring->failure;
}

const apus_completions *apus_ring_completions(const apus_ring *ring) {
    return &ring->completions;
}
