// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#ifndef APUS_RING_INTERNAL_H
#define APUS_RING_INTERNAL_H

#include "apus_ring.h"

#include <errno.h>
#include <liburing.h>

// Younger than liburing 2.3, which is what Debian 12 has; whether the kernel knows them is tried.
#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1U << 16)
#endif
#ifndef IORING_CQE_F_BUF_MORE
#define IORING_CQE_F_BUF_MORE (1U << 4)
#endif

// IOU_PBUF_RING_INC is an enumerator in younger headers, which #ifndef does not see.
enum { APUS_PBUF_RING_INC = 2 };

// The one group of receive buffers of a ring.
enum { APUS_BUFFER_GROUP = 0 };

// struct io_uring_buf_reg with the flags that liburing 2.3 takes for padding.
struct apus_buffer_registration {
    uint64_t ring_address;
    uint32_t ring_entries;
    uint16_t group;
    uint16_t flags;
    uint64_t reserved[3];
};
_Static_assert(sizeof(struct apus_buffer_registration) == sizeof(struct io_uring_buf_reg),
               "the kernel's layout");

struct apus_buffer {
    uint32_t filled; // bytes that completions brought since the kernel got it
    uint32_t lent;   // of those completions, how many were not given back
    bool is_ours;    // the kernel is done with it
};

struct apus_buffers {
    struct io_uring_buf_ring *ring; // NULL: none registered
    uint8_t *memory;
    struct apus_buffer *states;
    size_t ring_size;
    size_t memory_size;
    uint32_t count;
    uint32_t size;
    size_t lent;
    bool is_incremental;
};

struct apus_ring {
    struct io_uring uring;
    struct apus_buffers buffers;
    apus_completions completions;
    int failure; // of a verb, for the next wait; negative
    bool is_registered;
};

// setup.c: a ring's kernel side without buffers; the flags are added to those of every ring.
int apus_ring_open(struct io_uring *uring, uint32_t submission_entries, uint32_t completion_entries,
                   uint32_t flags);

// submit.c: one io_uring_enter with all that is prepared; timeout NULL: none.
int apus_ring_enter(apus_ring *ring, unsigned minimum, unsigned flags,
                    const struct __kernel_timespec *timeout);

// submit.c: whether what was prepared has not been handed in yet.
bool apus_ring_is_pending(const apus_ring *ring);

// submit.c: whether another io_uring_enter may succeed where this one failed.
bool apus_ring_is_transient(int result);

// buffers.c
int apus_buffers_open(apus_ring *ring, const apus_ring_configuration *configuration);
void apus_buffers_close(apus_ring *ring);
void apus_buffers_take(apus_ring *ring, const struct io_uring_cqe *cqe,
                       apus_completion *completion);

#endif
