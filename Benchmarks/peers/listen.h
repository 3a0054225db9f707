// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* What the peers in C share: a listener on any free port of the loopback, told on standard output
 * as all servers of the benchmark tell it. */

#ifndef ECHO_LISTEN_H
#define ECHO_LISTEN_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/* As large as the receive buffers of Apus. */
enum { BUFFER_SIZE = 65536, EVENTS_MAX = 1024 };

static inline int open_listener(void) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t size = sizeof address;
    int on = 1;
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) < 0 ||
        setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
        listen(listener, 4096) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) < 0) {
        perror("listener");
        exit(1);
    }
    printf("listening on 127.0.0.1:%u\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

#endif
