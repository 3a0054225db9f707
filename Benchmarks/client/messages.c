// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "apus_codec.h"
#include "client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

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
    bool is_same = traffic->is_compressed || memcmp(bytes, message, traffic->message_size) == 0;
    if (connection->sent == connection->received || !is_same) {
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
static size_t check_messages(struct client *client, struct connection *connection,
                             const uint8_t *start, size_t size) {
    const struct traffic *traffic = &client->traffic;
    uint8_t opcode = traffic->is_text ? APUS_OPCODE_TEXT : APUS_OPCODE_BINARY;
    size_t position = 0;
    for (;;) {
        const uint8_t *bytes = start + position;
        size_t left = size - position;
        size_t header_size = 0, message_size = traffic->message_size;
        uint8_t bits = APUS_FIN;
        if (!client->is_raw) {
            apus_frame_header header;
            apus_result result = apus_frame_header_decode(
                bytes, left, APUS_CLIENT, traffic->is_compressed ? APUS_RSV1 : 0, &header);
            if (result == APUS_INCOMPLETE) {
                return position;
            }
            if (traffic->is_compressed) {
                message_size = (size_t)header.payload_size;
                bits = header.bits;
            }
            if (result != APUS_OK || header.opcode != opcode ||
                (!traffic->is_compressed && header.bits != APUS_FIN) ||
                header.payload_size != message_size || message_size > MESSAGE_SIZE_MAX) {
                errno = 0;
                die("it sends what is no echo: result %d, opcode %u", (int)result, header.opcode);
            }
            header_size = header.header_size;
        }
        if (left < header_size + message_size) {
            return position;
        }
        if (traffic->is_compressed) {
            check_compressed(bits, bytes + header_size, message_size);
        }
        check_message(client, connection, bytes + header_size);
        position += header_size + message_size;
    }
}

// What lies whole in the ring's buffer is checked there.
static void receive(struct client *client, struct connection *connection, const uint8_t *bytes,
                    size_t size) {
    if (connection->received_size > 0) {
        memcpy(connection->bytes + connection->received_size, bytes, size);
        bytes = connection->bytes;
        size += connection->received_size;
    }
    size_t used = check_messages(client, connection, bytes, size);
    connection->received_size = size - used;
    if (size > used) {
        memmove(connection->bytes, bytes + used, size - used);
    }
}

static bool receive_next(struct client *client, struct connection **connection) {
    struct event event;
    if (!take_event(&event)) {
        return false;
    }
    if (event.size > 0) {
        receive(client, event.connection, event.bytes, event.size);
    }
    end_event(&event);
    *connection = event.size > 0 ? event.connection : NULL;
    return true;
}

void turn(struct client *client, int64_t timeout_ns,
          void (*act)(struct client *client, struct connection *connection)) {
    timeout_ns = client->ready_count > 0 ? 0 : timeout_ns;
    bool came = wait_for_events(timeout_ns);
    if (!came && timeout_ns >= TIMEOUT_MILLISECONDS * INT64_C(1000000)) {
        errno = 0;
        die("it owes %llu echoes", (unsigned long long)client->under_way);
    }
    struct connection *connection;
    while (receive_next(client, &connection)) {
        if (connection != NULL && act != NULL) {
            act(client, connection);
        }
    }
    while (client->ready_count > 0) {
        connection = client->ready[--client->ready_count];
        connection->is_ready = false;
        if (act != NULL) {
            act(client, connection);
        }
    }
}

// ---- Sending ----

// Receives while the server takes no more: it may wait for us to. Who was received from has its
// turn later.
static void await_room_receiving(struct client *client, const struct connection *sender) {
    await_room(sender);
    if (!wait_for_events(TIMEOUT_MILLISECONDS * INT64_C(1000000))) {
        die("it takes no messages");
    }
    struct connection *connection;
    while (receive_next(client, &connection)) {
        if (connection != NULL && !connection->is_ready) {
            connection->is_ready = true;
            client->ready[client->ready_count++] = connection;
        }
    }
}

static void send_bytes(struct client *client, struct connection *connection, const uint8_t *bytes,
                       size_t size) {
    while (size > 0) {
        ssize_t sent = send(connection->socket, bytes, size, MSG_NOSIGNAL);
        if (sent > 0) {
            bytes += sent;
            size -= (size_t)sent;
        } else if (errno == EAGAIN) {
            await_room_receiving(client, connection);
        } else {
            die("it takes no messages");
        }
    }
}

// Small messages go out together, large ones each on its own.
void send_messages(struct client *client, struct connection *connection, uint64_t end) {
    static uint8_t bytes[INFLIGHT_MAX * 64 + APUS_HEADER_SIZE_MAX + MESSAGE_SIZE_MAX];
    const struct traffic *traffic = &client->traffic;
    uint8_t bits = traffic->is_compressed ? APUS_FIN | APUS_RSV1 : APUS_FIN;
    uint8_t first_byte = bits | (traffic->is_text ? APUS_OPCODE_TEXT : APUS_OPCODE_BINARY);
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
