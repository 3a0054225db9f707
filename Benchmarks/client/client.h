// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * The client of the comparison: connections to one server, the messages on them, and what the
 * server's processes have consumed. One thread, one io_uring: it has to be cheaper than the
 * servers, or they wait for it, and the faster ones then pay for more sleeps.
 */

#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MESSAGE_SIZE_MAX = 1 << 20,
    INFLIGHT_MAX = 256,
    PIDS_MAX = 16,
    EVENTS_MAX = 256,
    RECEIVE_SIZE_MAX = 65536,
    TIMEOUT_MILLISECONDS = 10000,
};

/* What is sent. */
struct traffic {
    bool is_text;
    bool is_compressed; /* text that is compressed: its size is that on the wire */
    bool is_published;  /* one message for all connections; it begins with '*' */
    size_t message_size;
    unsigned inflight; /* messages under way on each connection */
};

struct connection {
    int socket;
    uint32_t number;      /* which one it is: no two carry the same messages */
    uint64_t sent;        /* messages */
    uint64_t received;    /* messages, each compared byte for byte */
    size_t received_size; /* of the bytes below, that belong to a message which has not ended */
    uint8_t *bytes;       /* room for a message and what a read brings */
    bool is_ready;        /* among those that were read from while another one sent */
};

struct client {
    uint16_t port;
    bool is_raw; /* the bare messages, without handshake and frames */
    int pids[PIDS_MAX];
    size_t pid_count;
    struct traffic traffic;

    struct connection *connections;
    struct connection **ready;
    unsigned ready_count;
    unsigned connection_count;
    unsigned active_count; /* the first ones: the others are silent */
    uint64_t under_way;    /* messages, on all connections */
    uint64_t received;

    /* Called for each message that came back, before it is counted. NULL where nobody asks. */
    void (*observer)(struct client *client, const struct connection *connection);
};

/* What one window brought. */
struct window {
    uint64_t messages;
    uint64_t elapsed_ns;
    uint64_t server_cpu_ns;
    uint64_t client_cpu_ns;
    uint64_t p50_ns, p99_ns; /* of the open model */
};

/* client.c: prints the sentence, and the system's error if there is one, and ends with 1. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* connect.c: a socket that is connected. */
int connect_socket(const struct client *client);
/* Sends the request that opens a WebSocket. */
void send_request(const struct client *client, int socket);
/* True if the text is the whole answer to it, false if there is more to come; dies of another. */
bool is_accepted(const char *text);
/* Opens all connections, one after the other, with their handshakes, and makes room for messages.
 */
void open_connections(struct client *client);

/* traffic.c: the message of this index on a connection of this number, and the key to send it with.
 * It lies in memory that the next call writes into. */
const uint8_t *make_message(const struct traffic *traffic, uint32_t number, uint64_t index,
                            uint32_t *key);

/* deflate.c: makes a message of this many bytes, for all connections; returns how many it is sent
 * with. */
size_t prepare_compressed(size_t size);
const uint8_t *compressed_message(void);
/* Dies unless it is the message, compressed in any way, but always in the same. */
void check_compressed(uint8_t bits, const uint8_t *bytes, size_t size);

/* ring.c: what a receive brought, or that there is room to send (no connection). */
struct event {
    struct connection *connection;
    const uint8_t *bytes;
    size_t size;
    int buffer;   /* to be given back; -1: the kernel still fills it */
    bool is_last; /* the receive has ended */
};
void open_ring(void);
void await_bytes(struct connection *connection);
void await_room(const struct connection *connection);
/* False where the time is over first. */
bool wait_for_events(int64_t timeout_ns);
bool take_event(struct event *event);
void end_event(const struct event *event);

/* messages.c */
/* Sends messages until so many have been sent on the connection since it was opened. */
void send_messages(struct client *client, struct connection *connection, uint64_t end);
/* Waits for the next events, checks what came, and calls `act` for each connection it came on. */
void turn(struct client *client, int64_t timeout_ns,
          void (*act)(struct client *client, struct connection *connection));

/* meter.c */
struct meter {
    uint64_t received, start_ns, server_cpu_ns, client_cpu_ns;
};
uint64_t now_ns(void);
struct meter begin_window(const struct client *client);
struct window end_window(const struct client *client, const struct meter *meter);

/* A window begins and ends with nothing under way. Before it comes an unmeasured lead-in: how long
 * a server was silent depends on its place in the round, and after 200 ms of silence TCP
 * acknowledges segments each by one of its own, which doubles the cost of a fan-out. It does so
 * until data goes back on the connection, or else 16 times. */

/* echo.c: keeps messages going on each active connection. */
struct window echo_window(struct client *client, uint64_t nanoseconds);
void echo_lead_in(struct client *client);
/* open.c: sends so many messages a second, whatever comes back, on the active connections in turn;
 * a latency counts from the time at which the message was due. */
struct window open_window(struct client *client, uint64_t nanoseconds, uint64_t rate);
/* fanout.c: the first connection sends; all get each message. */
struct window fanout_window(struct client *client, uint64_t nanoseconds);
/* churn.c: connect, upgrade, one echo, closing handshake; as many at a time as are active. A
 * message is such a life. */
struct window churn_window(struct client *client, uint64_t nanoseconds);

#endif
