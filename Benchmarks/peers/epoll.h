// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* What the peers over epoll share: the loop; and bytes that a socket did not take at once, which
 * stay until it is writable, and until then nothing is read from it. */

#ifndef PEERS_EPOLL_H
#define PEERS_EPOLL_H

#include "listen.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* The first member of what a peer has for each connection. */
struct output {
    int epoll, socket;
    uint8_t *bytes;
    size_t size; /* of what is left */
};

static inline bool wait_for(struct output *output, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = output};
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

/* What a peer does with its connections, which begin with their output. */
struct peer {
    size_t size;                     /* of what it has for each, zeroed at first */
    void (*begin)(void *connection); /* NULL where there is nothing to do */
    bool (*serve)(void *connection); /* what is readable; false where it is of no more use */
    void (*end)(void *connection);   /* before its socket is closed and its memory freed */
};

static inline void take_connection(const struct peer *peer, int epoll, int listener) {
    int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) {
        return;
    }
    struct output *output = calloc(1, peer->size);
    if (output == NULL) {
        abort();
    }
    *output = (struct output){.epoll = epoll, .socket = socket};
    if (peer->begin != NULL) {
        peer->begin(output);
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = output};
    epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event);
}

static inline _Noreturn void run_epoll(const struct peer *peer) {
    int listener = open_listener();
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int index = 0; index < count; index++) {
            struct output *output = events[index].data.ptr;
            if (output == NULL) {
                take_connection(peer, epoll, listener);
                continue;
            }
            bool is_writable = (events[index].events & EPOLLOUT) != 0;
            if (!(is_writable ? send_kept(output) : peer->serve(output))) {
                peer->end(output);
                close(output->socket);
                free(output->bytes);
                free(output);
            }
        }
    }
}

#endif
