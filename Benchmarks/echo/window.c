// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "apus_codec.h"
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

enum { TIMEOUT_MILLISECONDS = 10000, EVENTS_MAX = 256, RECEIVE_SIZE = 65536 };

static uint64_t nanoseconds_of(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

static uint64_t inflight(const struct connection *connection) {
    return connection->sent - connection->received;
}

static size_t frame_size_max(const struct traffic *traffic) {
    return APUS_HEADER_SIZE_MAX + traffic->message_size;
}

void prepare_windows(struct target *target, const struct traffic *traffic) {
    for (unsigned index = 0; index < target->connection_count; index++) {
        struct connection *connection = &target->connections[index];
        connection->bytes = malloc(frame_size_max(traffic) + RECEIVE_SIZE);
        if (connection->bytes == NULL) {
            die("no memory for the messages of %s", target->name);
        }
    }
}

// ---- Receiving ----

static void check_message(const struct target *target, const struct traffic *traffic,
                          struct connection *connection, const uint8_t *bytes) {
    static uint8_t message[MESSAGE_SIZE_MAX];
    make_message(message, traffic, connection, connection->received);
    if (inflight(connection) == 0 || memcmp(bytes, message, traffic->message_size) != 0) {
        errno = 0;
        die("%s: message %llu of connection %u came back as another", target->name,
            (unsigned long long)connection->received, connection->number);
    }
    connection->received += 1;
}

// Checks the whole messages at the start of the bytes; returns how many bytes they took.
static size_t check_messages(const struct target *target, const struct traffic *traffic,
                             struct connection *connection) {
    uint8_t opcode = traffic->is_text ? APUS_OPCODE_TEXT : APUS_OPCODE_BINARY;
    size_t position = 0;
    for (;;) {
        const uint8_t *bytes = connection->bytes + position;
        size_t left = connection->received_size - position;
        size_t header_size = 0;
        if (!target->is_raw) {
            apus_frame_header header;
            apus_result result = apus_frame_header_decode(bytes, left, APUS_CLIENT, 0, &header);
            if (result == APUS_INCOMPLETE) {
                return position;
            }
            if (result != APUS_OK || header.opcode != opcode || header.bits != APUS_FIN ||
                header.payload_size != traffic->message_size) {
                errno = 0;
                die("%s sends what is no echo: result %d, opcode %u", target->name, (int)result,
                    header.opcode);
            }
            header_size = header.header_size;
        }
        if (left < header_size + traffic->message_size) {
            return position;
        }
        check_message(target, traffic, connection, bytes + header_size);
        position += header_size + traffic->message_size;
    }
}

// Reads once. What stays is told by the next wait.
static void receive_messages(const struct target *target, const struct traffic *traffic,
                             struct connection *connection) {
    ssize_t count =
        recv(connection->socket, connection->bytes + connection->received_size, RECEIVE_SIZE, 0);
    if (count <= 0) {
        die("%s ended connection %u", target->name, connection->number);
    }
    connection->received_size += (size_t)count;
    size_t used = check_messages(target, traffic, connection);
    if (used > 0) {
        connection->received_size -= used;
        memmove(connection->bytes, connection->bytes + used, connection->received_size);
    }
}

// ---- Sending ----

// Receives while the server takes no more: it may wait for us to.
static void send_bytes(const struct target *target, const struct traffic *traffic,
                       struct connection *connection, const uint8_t *bytes, size_t size) {
    while (size > 0) {
        ssize_t sent = send(connection->socket, bytes, size, MSG_NOSIGNAL);
        if (sent > 0) {
            bytes += sent;
            size -= (size_t)sent;
            continue;
        }
        struct pollfd ready = {.fd = connection->socket, .events = POLLIN | POLLOUT};
        if (errno != EAGAIN || poll(&ready, 1, TIMEOUT_MILLISECONDS) <= 0) {
            die("%s takes no messages", target->name);
        }
        if ((ready.revents & POLLIN) != 0) {
            receive_messages(target, traffic, connection);
        }
    }
}

// Small messages go out together, large ones each on its own.
static void send_messages(const struct target *target, const struct traffic *traffic,
                          struct connection *connection) {
    static uint8_t bytes[INFLIGHT_MAX * 64 + APUS_HEADER_SIZE_MAX + MESSAGE_SIZE_MAX];
    static uint8_t message[MESSAGE_SIZE_MAX];
    uint8_t first_byte = APUS_FIN | (traffic->is_text ? APUS_OPCODE_TEXT : APUS_OPCODE_BINARY);
    size_t size = 0;
    /* Not for as long as there are fewer: some may come back while this sends. */
    uint64_t end = connection->received + traffic->inflight;
    while (connection->sent < end) {
        uint32_t key = make_message(message, traffic, connection, connection->sent);
        if (target->is_raw) {
            memcpy(bytes + size, message, traffic->message_size);
        } else {
            size += apus_frame_header_encode(bytes + size, first_byte, traffic->message_size,
                                             (const uint8_t *)&key);
            apus_mask_copy(bytes + size, message, traffic->message_size, key, 0);
        }
        size += traffic->message_size;
        connection->sent++;
        if (size > sizeof bytes - frame_size_max(traffic)) {
            send_bytes(target, traffic, connection, bytes, size);
            size = 0;
        }
    }
    send_bytes(target, traffic, connection, bytes, size);
}

// ---- A window ----

// A server that has just answered may still be on its way back to its wait. The kernel accounts
// the time of a thread exactly when it sleeps.
static void let_server_sleep(void) {
    nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
}

static uint64_t received_by(const struct target *target) {
    uint64_t count = 0;
    for (unsigned index = 0; index < target->connection_count; index++) {
        count += target->connections[index].received;
    }
    return count;
}

static bool is_anything_under_way(const struct target *target) {
    for (unsigned index = 0; index < target->connection_count; index++) {
        if (inflight(&target->connections[index]) > 0) {
            return true;
        }
    }
    return false;
}

struct window run_window(struct target *target, const struct traffic *traffic,
                         uint64_t nanoseconds) {
    let_server_sleep();
    uint64_t received_before = received_by(target);
    uint64_t server_start = server_cpu_ns(target);
    uint64_t client_start = nanoseconds_of(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t start = nanoseconds_of(CLOCK_MONOTONIC);

    for (unsigned index = 0; index < target->connection_count; index++) {
        send_messages(target, traffic, &target->connections[index]);
    }
    bool is_over = false;
    while (!is_over || is_anything_under_way(target)) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(target->epoll, events, EVENTS_MAX, TIMEOUT_MILLISECONDS);
        if (count <= 0) {
            die("%s owes echoes", target->name);
        }
        is_over = is_over || nanoseconds_of(CLOCK_MONOTONIC) - start >= nanoseconds;
        for (int index = 0; index < count; index++) {
            struct connection *connection = events[index].data.ptr;
            receive_messages(target, traffic, connection);
            if (!is_over) {
                send_messages(target, traffic, connection);
            }
        }
    }

    struct window window = {
        .messages = received_by(target) - received_before,
        .elapsed_ns = nanoseconds_of(CLOCK_MONOTONIC) - start,
        .client_cpu_ns = nanoseconds_of(CLOCK_PROCESS_CPUTIME_ID) - client_start,
    };
    let_server_sleep();
    window.server_cpu_ns = server_cpu_ns(target) - server_start;
    return window;
}
