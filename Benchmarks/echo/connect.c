// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "apus_codec.h"
#include "client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { TIMEOUT_SECONDS = 10 };

static int connect_to(const struct target *target) {
    int socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(target->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    if (socket_ < 0 || connect(socket_, (struct sockaddr *)&address, sizeof address) < 0) {
        die("%s cannot be connected to at port %u", target->name, target->port);
    }
    int on = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct timeval timeout = {.tv_sec = TIMEOUT_SECONDS};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    return socket_;
}

// No extension is offered, so that no server compresses. One key serves all: nothing caches here.
static void shake_hands(const struct target *target, int socket) {
    static const char key[APUS_KEY_SIZE + 1] = "dGhlIHNhbXBsZSBub25jZQ==";
    char text[2048];
    int size = snprintf(text, sizeof text,
                        "GET / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
                        "Sec-WebSocket-Version: 13\r\n\r\n",
                        target->port, key);
    if (send(socket, text, (size_t)size, MSG_NOSIGNAL) != size) {
        die("%s does not take the request", target->name);
    }
    size_t received = 0;
    do {
        ssize_t count = recv(socket, text + received, sizeof text - 1 - received, 0);
        if (count <= 0) {
            die("%s does not answer the request", target->name);
        }
        received += (size_t)count;
        text[received] = '\0';
    } while (strstr(text, "\r\n\r\n") == NULL);

    char accept[APUS_ACCEPT_SIZE + 1] = "";
    apus_accept_key((const uint8_t *)key, (uint8_t *)accept);
    bool is_whole = strcmp(text + received - 4, "\r\n\r\n") == 0;
    if (strncmp(text, "HTTP/1.1 101 ", 13) != 0 || strstr(text, accept) == NULL || !is_whole) {
        die("%s refuses the request:\n%s", target->name, text);
    }
}

void open_connections(struct target *target, unsigned count) {
    target->epoll = epoll_create1(EPOLL_CLOEXEC);
    target->connections = calloc(count, sizeof *target->connections);
    target->connection_count = count;
    if (target->epoll < 0 || target->connections == NULL) {
        die("no memory for %u connections", count);
    }
    for (unsigned index = 0; index < count; index++) {
        struct connection *connection = &target->connections[index];
        connection->number = index;
        connection->socket = connect_to(target);
        if (!target->is_raw) {
            shake_hands(target, connection->socket);
        }
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        if (fcntl(connection->socket, F_SETFL, O_NONBLOCK) < 0 ||
            epoll_ctl(target->epoll, EPOLL_CTL_ADD, connection->socket, &event) < 0) {
            die("a socket of %s cannot be waited for", target->name);
        }
    }
}
