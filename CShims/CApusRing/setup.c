// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// io_uring_queue_init_params of liburing before 2.5 fills an array of indices without asking
// whether there is one, over the ring's head and tail under NO_SQARRAY. Hence its parts, and the
// array here.
static int open_with(struct io_uring *uring, uint32_t submission_entries,
                     uint32_t completion_entries, uint32_t flags) {
    struct io_uring_params params;
    memset(&params, 0, sizeof params);
    params.flags = flags;
    params.cq_entries = completion_entries;
    int descriptor = io_uring_setup(submission_entries, &params);
    if (descriptor < 0) {
        return descriptor;
    }
    int result = io_uring_queue_mmap(descriptor, &params, uring);
    if (result < 0) {
        close(descriptor);
        return result;
    }
    uring->flags = params.flags;
    uring->features = params.features;
    uring->ring_fd = descriptor;
    uring->enter_ring_fd = descriptor;
    if ((flags & IORING_SETUP_NO_SQARRAY) == 0) {
        for (unsigned index = 0; index < uring->sq.ring_entries; index++) {
            uring->sq.array[index] = index;
        }
    }
    return 0;
}

int apus_ring_open(struct io_uring *uring, uint32_t submission_entries, uint32_t completion_entries,
                   uint32_t flags) {
    // SUBMIT_ALL: one refused operation must not hold back those behind it.
    flags |= IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
             IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    return open_with(uring, submission_entries, completion_entries, flags);
}

int apus_ring_create(const apus_ring_configuration *configuration, apus_ring **result,
                     const char **operation) {
    *result = NULL;
    *operation = "calloc";
    apus_ring *ring = calloc(1, sizeof *ring);
    if (ring == NULL) {
        return -ENOMEM;
    }

    *operation = "io_uring_setup";
    uint32_t submissions = configuration->submission_entries;
    uint32_t completions = configuration->completion_entries;
    int error = apus_ring_open(&ring->uring, submissions, completions, IORING_SETUP_NO_SQARRAY);
    if (error == -EINVAL) {
        error = apus_ring_open(&ring->uring, submissions, completions, 0);
    }
    if (error < 0) {
        free(ring);
        return error;
    }
    // Without it every enter looks the descriptor up: dearer (4 % of the CPU), not wrong.
    ring->is_registered = io_uring_register_ring_fd(&ring->uring) == 1;

    *operation = "calloc";
    ring->completions.capacity = ring->uring.cq.ring_entries;
    ring->completions.items = calloc(ring->completions.capacity, sizeof(apus_completion));
    error = ring->completions.items == NULL ? -ENOMEM : 0;
    if (error == 0) {
        *operation = "io_uring_register";
        error = apus_buffers_open(ring, configuration);
    }
    if (error < 0) {
        apus_ring_destroy(ring);
        return error;
    }
    *operation = NULL;
    *result = ring;
    return 0;
}

void apus_ring_destroy(apus_ring *ring) {
    // The ring first: afterwards the kernel writes to no buffer.
    io_uring_queue_exit(&ring->uring);
    apus_buffers_close(ring);
    free(ring->completions.items);
    free(ring);
}

apus_ring_features apus_ring_get_features(const apus_ring *ring) {
    return (apus_ring_features){
        .submission_entries = ring->uring.sq.ring_entries,
        .completion_entries = ring->uring.cq.ring_entries,
        .buffer_count = ring->buffers.count,
        .buffer_size = ring->buffers.size,
        .is_incremental = ring->buffers.is_incremental,
        .is_without_sqarray = (ring->uring.flags & IORING_SETUP_NO_SQARRAY) != 0,
        .is_registered = ring->is_registered,
    };
}
