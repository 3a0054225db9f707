// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "apus_codec.h"
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

enum { TIMEOUT_MILLISECONDS = 10000, EVENTS_MAX = 256, RECEIVE_SIZE = 65536 };
enum { FRAME_SIZE_MAX = APUS_HEADER_SIZE_MAX + MESSAGE_SIZE };

static uint64_t nanoseconds_of(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

// Every message differs from all others of its server: an echo that is lost, doubled, or comes on
// the wrong connection does not compare equal. Returns the masking key to send it with.
static uint32_t make_message(uint8_t *message, const struct connection *connection,
                             uint64_t index) {
    uint64_t words[3];
    words[0] = ((uint64_t)connection->number << 44 | index) * UINT64_C(0x9E3779B97F4A7C15);
    words[1] = words[0] ^ words[0] >> 29;
    words[2] = words[1] * UINT64_C(0xBF58476D1CE4E5B9);
    memcpy(message, words, MESSAGE_SIZE);
    return (uint32_t)(words[2] >> 32);
}

static void send_messages(const struct target *target, struct connection *connection,
                          unsigned count) {
    uint8_t bytes[INFLIGHT_MAX * FRAME_SIZE_MAX];
    size_t size = 0;
    for (; count > 0; count--) {
        uint8_t message[MESSAGE_SIZE];
        uint32_t key = make_message(message, connection, connection->sent++);
        if (target->is_raw) {
            memcpy(bytes + size, message, MESSAGE_SIZE);
        } else {
            size += apus_frame_header_encode(bytes + size, APUS_FIN | APUS_OPCODE_BINARY,
                                             MESSAGE_SIZE, (const uint8_t *)&key);
            apus_mask_copy(bytes + size, message, MESSAGE_SIZE, key, 0);
        }
        size += MESSAGE_SIZE;
    }
    for (size_t done = 0; done < size;) {
        ssize_t sent = send(connection->socket, bytes + done, size - done, MSG_NOSIGNAL);
        if (sent > 0) {
            done += (size_t)sent;
        } else {
            struct pollfd writable = {.fd = connection->socket, .events = POLLOUT};
            if (errno != EAGAIN || poll(&writable, 1, TIMEOUT_MILLISECONDS) <= 0) {
                die("%s takes no messages", target->name);
            }
        }
    }
}

static void check_message(const struct target *target, struct connection *connection,
                          const uint8_t *bytes) {
    uint8_t message[MESSAGE_SIZE];
    make_message(message, connection, connection->received);
    if (connection->received == connection->sent || memcmp(bytes, message, MESSAGE_SIZE) != 0) {
        errno = 0;
        die("%s: message %llu of connection %u came back as another", target->name,
            (unsigned long long)connection->received, connection->number);
    }
    connection->received += 1;
}

// Checks the whole messages at the start of the bytes; returns how many bytes they took.
static size_t check_messages(const struct target *target, struct connection *connection,
                             const uint8_t *bytes, size_t size) {
    size_t position = 0;
    for (;;) {
        size_t header_size = 0;
        if (!target->is_raw) {
            apus_frame_header header;
            apus_result result = apus_frame_header_decode(bytes + position, size - position,
                                                          APUS_CLIENT, 0, &header);
            if (result == APUS_INCOMPLETE) {
                return position;
            }
            if (result != APUS_OK || header.opcode != APUS_OPCODE_BINARY ||
                header.bits != APUS_FIN || header.payload_size != MESSAGE_SIZE) {
                errno = 0;
                die("%s sends what is no echo: result %d, opcode %u", target->name, (int)result,
                    header.opcode);
            }
            header_size = header.header_size;
        }
        if (size - position < header_size + MESSAGE_SIZE) {
            return position;
        }
        check_message(target, connection, bytes + position + header_size);
        position += header_size + MESSAGE_SIZE;
    }
}

// Reads once and returns how many echoes came. What stays is told by the next wait.
static unsigned receive_messages(const struct target *target, struct connection *connection) {
    static uint8_t bytes[RECEIVE_SIZE];
    memcpy(bytes, connection->rest, connection->rest_size);
    ssize_t count = recv(connection->socket, bytes + connection->rest_size,
                         sizeof bytes - connection->rest_size, 0);
    if (count <= 0) {
        die("%s ended connection %u", target->name, connection->number);
    }
    uint64_t before = connection->received;
    size_t size = connection->rest_size + (size_t)count;
    size_t used = check_messages(target, connection, bytes, size);
    connection->rest_size = size - used;
    memcpy(connection->rest, bytes + used, connection->rest_size);
    return (unsigned)(connection->received - before);
}

// A server that has just answered may still be on its way back to its wait. The kernel accounts
// the time of a thread exactly when it sleeps.
static void let_server_sleep(void) {
    nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
}

struct window run_window(struct target *target, unsigned inflight, uint64_t nanoseconds) {
    let_server_sleep();
    struct window window = {0};
    uint64_t server_start = server_cpu_ns(target);
    uint64_t client_start = nanoseconds_of(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t start = nanoseconds_of(CLOCK_MONOTONIC);

    for (unsigned index = 0; index < target->connection_count; index++) {
        send_messages(target, &target->connections[index], inflight);
    }
    uint64_t outstanding = (uint64_t)inflight * target->connection_count;
    bool is_over = false;
    while (outstanding > 0) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(target->epoll, events, EVENTS_MAX, TIMEOUT_MILLISECONDS);
        if (count <= 0) {
            die("%s owes %llu echoes", target->name, (unsigned long long)outstanding);
        }
        is_over = is_over || nanoseconds_of(CLOCK_MONOTONIC) - start >= nanoseconds;
        for (int index = 0; index < count; index++) {
            struct connection *connection = events[index].data.ptr;
            unsigned echoes = receive_messages(target, connection);
            window.messages += echoes;
            if (is_over) {
                outstanding -= echoes;
            } else if (echoes > 0) {
                send_messages(target, connection, echoes);
            }
        }
    }

    window.elapsed_ns = nanoseconds_of(CLOCK_MONOTONIC) - start;
    window.client_cpu_ns = nanoseconds_of(CLOCK_PROCESS_CPUTIME_ID) - client_start;
    let_server_sleep();
    window.server_cpu_ns = server_cpu_ns(target) - server_start;
    return window;
}
