// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * The client of the echo benchmark: connections to one server, the messages on them, and what the
 * server's processes have consumed. One thread, epoll.
 */

#ifndef ECHO_CLIENT_H
#define ECHO_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MESSAGE_SIZE_MAX = 1 << 20, INFLIGHT_MAX = 256, PIDS_MAX = 16 };

/* What is sent. */
struct traffic {
    bool is_text;
    size_t message_size;
    unsigned inflight; /* messages under way on each connection */
};

struct connection {
    int socket;
    uint32_t number;      /* which one of its server's: no two carry the same messages */
    uint64_t sent;        /* messages */
    uint64_t received;    /* messages, each compared byte for byte */
    size_t received_size; /* of the bytes below, that belong to a message which has not ended */
    uint8_t *bytes;       /* room for a message and what a read brings */
};

struct target {
    const char *name;
    uint16_t port;
    bool is_raw; /* the bare messages, without handshake and frames */
    int pids[PIDS_MAX];
    size_t pid_count;

    int epoll;
    struct connection *connections;
    unsigned connection_count;
};

/* What one window brought. */
struct window {
    uint64_t messages;
    uint64_t elapsed_ns;
    uint64_t server_cpu_ns;
    uint64_t client_cpu_ns;
};

/* Prints the sentence, and the system's error if there is one, and ends the client with 1. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* connect.c: opens the connections of a target, one after the other, with their handshakes. */
void open_connections(struct target *target, unsigned count);

/* traffic.c: makes the message of this index on this connection, and the key to send it with. */
uint32_t make_message(uint8_t *message, const struct traffic *traffic,
                      const struct connection *connection, uint64_t index);

/* window.c: makes room for the messages of all connections. */
void prepare_windows(struct target *target, const struct traffic *traffic);

/* Keeps messages going on each connection for the time, then lets the last ones come back, so that
 * a window begins and ends with nothing under way. */
struct window run_window(struct target *target, const struct traffic *traffic,
                         uint64_t nanoseconds);

/* cpu.c: the CPU time of all threads of the target's processes. */
uint64_t server_cpu_ns(const struct target *target);

#endif
