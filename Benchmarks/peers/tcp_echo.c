// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* The floor: bytes go back as they came, one recv and one send, no WebSocket at all. With the
 * argument publish they go to all connections. */

#include "listen.h"
#include "output.h"

#include <unistd.h>

enum { CLIENTS_MAX = 20000 };

struct client {
    struct output output;
    unsigned place; /* among the clients */
};

static struct client *clients[CLIENTS_MAX];
static unsigned client_count;
static bool is_publishing;

static bool serve(struct client *client, uint32_t events) {
    static char bytes[BUFFER_SIZE];
    if ((events & EPOLLOUT) != 0) {
        return send_kept(&client->output);
    }
    ssize_t count = recv(client->output.socket, bytes, sizeof bytes, 0);
    if (count <= 0) {
        return false;
    }
    if (!is_publishing) {
        return send_or_keep(&client->output, bytes, (size_t)count);
    }
    for (unsigned place = 0; place < client_count; place++) {
        send_or_keep(&clients[place]->output, bytes, (size_t)count);
    }
    return true;
}

static void drop(struct client *client) {
    client_count -= 1;
    clients[client->place] = clients[client_count];
    clients[client->place]->place = client->place;
    close(client->output.socket);
    free(client->output.bytes);
    free(client);
}

static void take(int epoll, int listener) {
    int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) {
        return;
    }
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL || client_count == CLIENTS_MAX) {
        abort();
    }
    client->output = (struct output){.epoll = epoll, .socket = socket, .owner = client};
    client->place = client_count;
    clients[client_count++] = client;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event);
}

int main(int count, char **arguments) {
    is_publishing = count > 1 && strcmp(arguments[1], "publish") == 0;
    int listener = open_listener();
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int ready = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int index = 0; index < ready; index++) {
            struct client *client = events[index].data.ptr;
            if (client == NULL) {
                take(epoll, listener);
            } else if (!serve(client, events[index].events)) {
                drop(client);
            }
        }
    }
}
