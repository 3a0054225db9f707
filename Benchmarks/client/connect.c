// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "apus_codec.h"
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { TIMEOUT_SECONDS = 10 };

// One key serves all: nothing caches here.
static const char key[APUS_KEY_SIZE + 1] = "dGhlIHNhbXBsZSBub25jZQ==";

int connect_socket(const struct client *client) {
    int socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(client->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    if (socket_ < 0 || connect(socket_, (struct sockaddr *)&address, sizeof address) < 0) {
        die("it cannot be connected to at port %u", client->port);
    }
    int on = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return socket_;
}

// No extension is offered, so that no server compresses, but where that is what is measured.
void send_request(const struct client *client, int socket) {
    char text[512];
    const char *offer = !client->traffic.is_compressed
                            ? ""
                            : "Sec-WebSocket-Extensions: permessage-deflate; "
                              "server_no_context_takeover; client_no_context_takeover\r\n";
    int size = snprintf(text, sizeof text,
                        "GET / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
                        "Sec-WebSocket-Version: 13\r\n%s\r\n",
                        client->port, key, offer);
    if (send(socket, text, (size_t)size, MSG_NOSIGNAL) != size) {
        die("it does not take the request");
    }
}

bool is_accepted(const char *text) {
    const char *end = strstr(text, "\r\n\r\n");
    if (end == NULL) {
        return false;
    }
    static char accept[APUS_ACCEPT_SIZE + 1];
    if (accept[0] == '\0') {
        apus_accept_key((const uint8_t *)key, (uint8_t *)accept);
    }
    errno = 0;
    if (strncmp(text, "HTTP/1.1 101 ", 13) != 0 || strstr(text, accept) == NULL || end[4] != '\0') {
        die("it refuses the request: %s", text);
    }
    return true;
}

static void shake_hands(const struct client *client, int socket) {
    struct timeval timeout = {.tv_sec = TIMEOUT_SECONDS};
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    send_request(client, socket);
    char text[2048];
    size_t received = 0;
    do {
        ssize_t count = recv(socket, text + received, sizeof text - 1 - received, 0);
        if (count <= 0) {
            die("it does not answer the request");
        }
        received += (size_t)count;
        text[received] = '\0';
    } while (!is_accepted(text));
}

void open_connections(struct client *client) {
    unsigned count = client->connection_count;
    client->connections = calloc(count + 1, sizeof *client->connections);
    client->ready = calloc(count + 1, sizeof *client->ready);
    if (client->connections == NULL || client->ready == NULL) {
        die("no memory for %u connections", count);
    }
    open_ring();
    for (unsigned index = 0; index < count; index++) {
        struct connection *connection = &client->connections[index];
        connection->number = index;
        connection->socket = connect_socket(client);
        // Another compressor may make more of it.
        size_t size_max =
            client->traffic.is_compressed ? (size_t)MESSAGE_SIZE_MAX : client->traffic.message_size;
        connection->bytes = malloc(APUS_HEADER_SIZE_MAX + size_max + RECEIVE_SIZE_MAX);
        if (connection->bytes == NULL) {
            die("no memory for messages");
        }
        if (!client->is_raw) {
            shake_hands(client, connection->socket);
        }
        if (fcntl(connection->socket, F_SETFL, O_NONBLOCK) < 0) {
            die("a socket still blocks");
        }
        await_bytes(connection);
    }
}
