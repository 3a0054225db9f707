// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* The floor: bytes go back as they came, one recv and one send, no WebSocket at all. With the
 * argument publish they go to all connections. */

#include "epoll.h"

enum { CLIENTS_MAX = 20000 };

struct client {
    struct output output;
    unsigned place; /* among the clients */
};

static struct client *clients[CLIENTS_MAX];
static unsigned client_count;
static bool is_publishing;

static bool serve(void *connection) {
    struct client *client = connection;
    static char bytes[BUFFER_SIZE];
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

static void begin(void *connection) {
    struct client *client = connection;
    if (client_count == CLIENTS_MAX) {
        abort();
    }
    client->place = client_count;
    clients[client_count++] = client;
}

static void end(void *connection) {
    struct client *client = connection;
    client_count -= 1;
    clients[client->place] = clients[client_count];
    clients[client->place]->place = client->place;
}

int main(int count, char **arguments) {
    is_publishing = count > 1 && strcmp(arguments[1], "publish") == 0;
    run_epoll(&(struct peer){sizeof(struct client), begin, serve, end});
}
