// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { COUNT_MAX = 32768, SIZE_MAX_LOG2 = 30 };

// As much as a core's second-level cache holds. What comes is cut at the end of a buffer, and a
// message that is cut has to be copied: few large ones cut less. A plain one is used up by every
// completion, so of those many are needed.
enum { COUNT_INCREMENTAL = 8, SIZE_INCREMENTAL = 128 << 10 };
enum { COUNT_PLAIN = 32, SIZE_PLAIN = 64 << 10 };

// Hands a whole buffer to the kernel, visible at once: a receive that is armed next finds it.
static void publish(struct apus_buffers *buffers, uint16_t index) {
    buffers->states[index] = (struct apus_buffer){.filled = 0, .lent = 0, .is_ours = false};
    io_uring_buf_ring_add(buffers->ring, buffers->memory + (size_t)index * buffers->size,
                          buffers->size, index, io_uring_buf_ring_mask(buffers->count), 0);
    io_uring_buf_ring_advance(buffers->ring, 1);
}

static int register_ring(apus_ring *ring, uint32_t count, bool is_incremental) {
    struct apus_buffers *buffers = &ring->buffers;
    size_t ring_size = count * sizeof(struct io_uring_buf);
    void *memory =
        mmap(NULL, ring_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return -ENOMEM;
    }
    struct apus_buffer_registration registration = {
        .ring_address = (uint64_t)(uintptr_t)memory,
        .ring_entries = count,
        .group = APUS_BUFFER_GROUP,
        .flags = is_incremental ? APUS_PBUF_RING_INC : 0,
    };
    int result = io_uring_register((unsigned)ring->uring.ring_fd, IORING_REGISTER_PBUF_RING,
                                   &registration, 1);
    if (result < 0) {
        munmap(memory, ring_size);
        return result;
    }
    buffers->ring = memory;
    buffers->ring_size = ring_size;
    buffers->count = count;
    buffers->is_incremental = is_incremental;
    return 0;
}

int apus_buffers_open(apus_ring *ring, const apus_ring_configuration *configuration) {
    struct apus_buffers *buffers = &ring->buffers;
    uint32_t asked = configuration->buffer_count;
    uint32_t size = configuration->buffer_size;
    if ((asked & (asked - 1)) != 0 || asked > COUNT_MAX || size > (uint32_t)1 << SIZE_MAX_LOG2) {
        return -EINVAL;
    }

    int result = -EINVAL;
    if (configuration->buffer_mode != APUS_BUFFERS_PLAIN) {
        result = register_ring(ring, asked != 0 ? asked : COUNT_INCREMENTAL, true);
    }
    if (result == -EINVAL && configuration->buffer_mode != APUS_BUFFERS_INCREMENTAL) {
        result = register_ring(ring, asked != 0 ? asked : COUNT_PLAIN, false);
    }
    if (result < 0) {
        return result;
    }

    if (size == 0) {
        size = buffers->is_incremental ? SIZE_INCREMENTAL : SIZE_PLAIN;
    }
    buffers->size = size;
    buffers->memory_size = (size_t)buffers->count * size;
    // All of it is used, one buffer after the other: now rather than by page faults in the turns.
    buffers->memory = mmap(NULL, buffers->memory_size, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    buffers->states = calloc(buffers->count, sizeof *buffers->states);
    if (buffers->memory == MAP_FAILED || buffers->states == NULL) {
        return -ENOMEM;
    }
    for (uint32_t index = 0; index < buffers->count; index++) {
        publish(buffers, (uint16_t)index);
    }
    return 0;
}

void apus_buffers_close(apus_ring *ring) {
    struct apus_buffers *buffers = &ring->buffers;
    if (buffers->memory != NULL && buffers->memory != MAP_FAILED) {
        munmap(buffers->memory, buffers->memory_size);
    }
    if (buffers->ring != NULL) {
        munmap(buffers->ring, buffers->ring_size);
    }
    free(buffers->states);
    memset(buffers, 0, sizeof *buffers);
}

void apus_buffers_take(apus_ring *ring, const struct io_uring_cqe *cqe,
                       apus_completion *completion) {
    struct apus_buffers *buffers = &ring->buffers;
    uint32_t index = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
    uint32_t size = cqe->res > 0 ? (uint32_t)cqe->res : 0;
    if (index >= buffers->count || size > buffers->size - buffers->states[index].filled) {
        // No kernel should; memory outside the buffer must not be read if one does.
        completion->result = -EIO;
        return;
    }
    struct apus_buffer *state = &buffers->states[index];
    // Kernels name an incremental buffer at the end of a stream without BUF_MORE though they keep
    // it (liburing issue 1553, for reads). One that is given twice is filled twice: no bytes, no
    // end.
    bool is_kept =
        buffers->is_incremental && (size == 0 || (cqe->flags & IORING_CQE_F_BUF_MORE) != 0);
    if (size > 0) {
        completion->bytes = buffers->memory + (size_t)index * buffers->size + state->filled;
        completion->buffer = (uint16_t)index;
        state->filled += size;
        state->lent += 1;
        buffers->lent += 1;
    }
    if (!is_kept) {
        state->is_ours = true;
        if (state->lent == 0) {
            publish(buffers, (uint16_t)index);
        }
    }
}

bool apus_ring_give_back(apus_ring *ring, uint16_t index) {
    struct apus_buffers *buffers = &ring->buffers;
    if (index >= buffers->count || buffers->states[index].lent == 0) {
        return false;
    }
    struct apus_buffer *state = &buffers->states[index];
    state->lent -= 1;
    buffers->lent -= 1;
    if (state->lent == 0 && state->is_ours) {
        publish(buffers, index);
    }
    return true;
}

size_t apus_ring_lent_count(const apus_ring *ring) {
    return ring->buffers.lent;
}
