// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* The floor: bytes go back as they came, one recv and one send, no WebSocket at all. */

#include "listen.h"

#include <sys/epoll.h>
#include <unistd.h>

static void echo(int socket) {
    static char bytes[BUFFER_SIZE];
    ssize_t count = recv(socket, bytes, sizeof bytes, 0);
    if (count <= 0 || send(socket, bytes, (size_t)count, MSG_NOSIGNAL) != count) {
        close(socket);
    }
}

int main(void) {
    int listener = open_listener();
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int index = 0; index < count; index++) {
            if (events[index].data.fd != listener) {
                echo(events[index].data.fd);
                continue;
            }
            event.data.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (event.data.fd >= 0) {
                epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
            }
        }
    }
}
