// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "apus_codec.h"
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { RECEIVE_SIZE = 65536 };

// ---- Receiving ----

static uint32_t author(const struct client *client, const struct connection *connection) {
    return client->traffic.is_published ? 0 : connection->number;
}

static void check_message(struct client *client, struct connection *connection,
                          const uint8_t *bytes) {
    const struct traffic *traffic = &client->traffic;
    uint32_t key;
    const uint8_t *message =
        make_message(traffic, author(client, connection), connection->received, &key);
    if (connection->sent == connection->received ||
        memcmp(bytes, message, traffic->message_size) != 0) {
        errno = 0;
        die("message %llu of connection %u came back as another",
            (unsigned long long)connection->received, connection->number);
    }
    if (client->observer != NULL) {
        client->observer(client, connection);
    }
    connection->received += 1;
    client->received += 1;
    client->under_way -= 1;
}

// Checks the whole messages at the start of the bytes; returns how many bytes they took.
static size_t check_messages(struct client *client, struct connection *connection) {
    const struct traffic *traffic = &client->traffic;
    uint8_t opcode = traffic->is_text ? APUS_OPCODE_TEXT : APUS_OPCODE_BINARY;
    size_t position = 0;
    for (;;) {
        const uint8_t *bytes = connection->bytes + position;
        size_t left = connection->received_size - position;
        size_t header_size = 0;
        if (!client->is_raw) {
            apus_frame_header header;
            apus_result result = apus_frame_header_decode(bytes, left, APUS_CLIENT, 0, &header);
            if (result == APUS_INCOMPLETE) {
                return position;
            }
            if (result != APUS_OK || header.opcode != opcode || header.bits != APUS_FIN ||
                header.payload_size != traffic->message_size) {
                errno = 0;
                die("it sends what is no echo: result %d, opcode %u", (int)result, header.opcode);
            }
            header_size = header.header_size;
        }
        if (left < header_size + traffic->message_size) {
            return position;
        }
        check_message(client, connection, bytes + header_size);
        position += header_size + traffic->message_size;
    }
}

void receive_messages(struct client *client, struct connection *connection) {
    ssize_t count =
        recv(connection->socket, connection->bytes + connection->received_size, RECEIVE_SIZE, 0);
    if (count <= 0) {
        die("it ended connection %u", connection->number);
    }
    connection->received_size += (size_t)count;
    size_t used = check_messages(client, connection);
    if (used > 0) {
        connection->received_size -= used;
        memmove(connection->bytes, connection->bytes + used, connection->received_size);
    }
}

void turn(struct client *client, int64_t timeout_ns,
          void (*act)(struct client *client, struct connection *connection)) {
    struct epoll_event events[EVENTS_MAX];
    struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    int count = epoll_pwait2(client->epoll, events, EVENTS_MAX, &timeout, NULL);
    if (count < 0) {
        die("events cannot be waited for");
    }
    if (count == 0 && timeout_ns >= TIMEOUT_MILLISECONDS * INT64_C(1000000)) {
        errno = 0;
        die("it owes %llu echoes", (unsigned long long)client->under_way);
    }
    for (int index = 0; index < count; index++) {
        struct connection *connection = events[index].data.ptr;
        receive_messages(client, connection);
        if (act != NULL) {
            act(client, connection);
        }
    }
}

// ---- Sending ----

// Receives while the server takes no more: it may wait for us to.
static void send_bytes(struct client *client, struct connection *connection, const uint8_t *bytes,
                       size_t size) {
    while (size > 0) {
        ssize_t sent = send(connection->socket, bytes, size, MSG_NOSIGNAL);
        if (sent > 0) {
            bytes += sent;
            size -= (size_t)sent;
            continue;
        }
        struct pollfd ready = {.fd = connection->socket, .events = POLLIN | POLLOUT};
        if (errno != EAGAIN || poll(&ready, 1, TIMEOUT_MILLISECONDS) <= 0) {
            die("it takes no messages");
        }
        if ((ready.revents & POLLIN) != 0) {
            receive_messages(client, connection);
        }
    }
}

// Small messages go out together, large ones each on its own.
void send_messages(struct client *client, struct connection *connection, uint64_t end) {
    static uint8_t bytes[INFLIGHT_MAX * 64 + APUS_HEADER_SIZE_MAX + MESSAGE_SIZE_MAX];
    const struct traffic *traffic = &client->traffic;
    uint8_t first_byte = APUS_FIN | (traffic->is_text ? APUS_OPCODE_TEXT : APUS_OPCODE_BINARY);
    size_t size = 0;
    while (connection->sent < end) {
        uint32_t key;
        const uint8_t *message =
            make_message(traffic, author(client, connection), connection->sent, &key);
        if (client->is_raw) {
            memcpy(bytes + size, message, traffic->message_size);
        } else {
            size += apus_frame_header_encode(bytes + size, first_byte, traffic->message_size,
                                             (const uint8_t *)&key);
            apus_mask_copy(bytes + size, message, traffic->message_size, key, 0);
        }
        size += traffic->message_size;
        connection->sent += 1;
        client->under_way += 1;
        if (size > sizeof bytes - APUS_HEADER_SIZE_MAX - traffic->message_size) {
            send_bytes(client, connection, bytes, size);
            size = 0;
        }
    }
    send_bytes(client, connection, bytes, size);
}
