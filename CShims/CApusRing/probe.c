// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "internal.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_NANOSECONDS_MAX = 1000000000 };

// Whether a receive brings a byte in a buffer of the ring and goes on.
static bool receives_multishot(apus_ring *ring) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        return false;
    }
    apus_ring_receive(ring, pair[0], 1);
    bool does = false;
    if (send(pair[1], "", 1, MSG_NOSIGNAL) == 1 &&
        apus_ring_wait(ring, ANSWER_NANOSECONDS_MAX) == 1) {
        const apus_completion *completion = &ring->completions.items[0];
        does = completion->result == 1 && completion->bytes != NULL && completion->has_more;
    }
    close(pair[1]);
    close(pair[0]);
    return does;
}

static bool knows(apus_ring *ring, int operation) {
    struct io_uring_probe *probe = io_uring_get_probe_ring(&ring->uring);
    if (probe == NULL) {
        return false;
    }
    bool does = io_uring_opcode_supported(probe, operation) != 0;
    io_uring_free_probe(probe);
    return does;
}

static bool sets_up(uint32_t flags) {
    struct io_uring uring;
    if (apus_ring_open(&uring, 2, 4, flags) < 0) {
        return false;
    }
    io_uring_queue_exit(&uring);
    return true;
}

void apus_ring_probe(apus_ring_probe_report *report) {
    memset(report, 0, sizeof *report);
    struct io_uring_params params;
    memset(&params, 0, sizeof params);
    int descriptor = io_uring_setup(2, &params);
    if (descriptor < 0) {
        report->setup_error = -descriptor;
        report->ring_error = -descriptor;
        return;
    }
    close(descriptor);
    report->has_cqe_skip = (params.features & IORING_FEAT_CQE_SKIP) != 0;
    report->has_defer_taskrun = sets_up(0);
    report->has_no_sqarray = sets_up(IORING_SETUP_NO_SQARRAY);

    apus_ring_configuration configuration = {
        .submission_entries = 4,
        .completion_entries = 8,
        .buffer_count = 2,
        .buffer_size = 64,
        .buffer_mode = APUS_BUFFERS_BEST,
    };
    apus_ring *ring;
    const char *operation;
    int error = apus_ring_create(&configuration, &ring, &operation);
    if (error < 0) {
        report->ring_error = -error;
        return;
    }
    report->has_buffer_ring = true;
    report->has_incremental_buffers = ring->buffers.is_incremental;
    report->has_registered_ring = ring->is_registered;
    report->has_multishot_receive = receives_multishot(ring);
    report->has_connect = knows(ring, IORING_OP_CONNECT);
    apus_ring_destroy(ring);
}
