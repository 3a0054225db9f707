// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* What the peers over epoll share: bytes that a socket did not take at once stay until it is
 * writable, and until then nothing is read from it. */

#ifndef PEERS_OUTPUT_H
#define PEERS_OUTPUT_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

struct output {
    int epoll, socket;
    void *owner; /* what an event of the socket carries */
    uint8_t *bytes;
    size_t size; /* of what is left */
};

static inline bool wait_for(struct output *output, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = output->owner};
    return epoll_ctl(output->epoll, EPOLL_CTL_MOD, output->socket, &event) == 0;
}

/* False where the connection is of no more use. */
static inline bool send_or_keep(struct output *output, const void *bytes, size_t size) {
    size_t sent = 0;
    if (output->size == 0) {
        ssize_t count = send(output->socket, bytes, size, MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN) {
            return false;
        }
        sent = count > 0 ? (size_t)count : 0;
        if (sent == size) {
            return true;
        }
    }
    uint8_t *room = realloc(output->bytes, output->size + size - sent);
    if (room == NULL) {
        return false;
    }
    output->bytes = room;
    memcpy(room + output->size, (const uint8_t *)bytes + sent, size - sent);
    output->size += size - sent;
    return wait_for(output, EPOLLOUT);
}

/* For a socket that is writable. */
static inline bool send_kept(struct output *output) {
    ssize_t count = send(output->socket, output->bytes, output->size, MSG_NOSIGNAL);
    if (count < 0) {
        return errno == EAGAIN;
    }
    output->size -= (size_t)count;
    memmove(output->bytes, output->bytes + count, output->size);
    return output->size > 0 || wait_for(output, EPOLLIN);
}

#endif
