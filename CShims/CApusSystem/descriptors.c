// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "apus_system.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(apus_poll_entry) == sizeof(struct pollfd), "");
_Static_assert(offsetof(apus_poll_entry, asked) == offsetof(struct pollfd, events), "");
_Static_assert(offsetof(apus_poll_entry, found) == offsetof(struct pollfd, revents), "");

int32_t apus_pipe_open(apus_pipe *pipe) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        return -errno;
    }
    pipe->reader = ends[0];
    pipe->writer = ends[1];
    return 0;
}

int32_t apus_event_open(void) {
    int descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return descriptor < 0 ? -errno : descriptor;
}

int64_t apus_descriptor_read(int32_t descriptor, void *bytes, size_t size) {
    ssize_t count;
    do {
        count = read(descriptor, bytes, size);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

int64_t apus_descriptor_write(int32_t descriptor, const void *bytes, size_t size) {
    ssize_t count;
    do {
        count = write(descriptor, bytes, size);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

void apus_descriptor_close(int32_t descriptor) {
    // Not repeated on EINTR: Linux has closed it by then, and the number may be another's.
    close(descriptor);
}

apus_poll_entry apus_poll_readable(int32_t descriptor) {
    return (apus_poll_entry){.descriptor = descriptor, .asked = POLLIN};
}

int32_t apus_poll(apus_poll_entry *entries, size_t count, int64_t nanoseconds) {
    struct timespec time = {
        .tv_sec = nanoseconds / 1000000000,
        .tv_nsec = nanoseconds % 1000000000,
    };
    int ready = ppoll((struct pollfd *)entries, count, nanoseconds < 0 ? NULL : &time, NULL);
    if (ready >= 0) {
        return ready;
    }
    if (errno != EINTR) {
        return -errno;
    }
    // What the kernel leaves in the entries then is from before.
    for (size_t index = 0; index < count; index += 1) {
        entries[index].found = 0;
    }
    return 0;
}
