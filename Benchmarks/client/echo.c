// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "client.h"

enum { LEAD_IN = 2 }; // messages on each connection

// Not for as long as there are fewer: some may come back while this sends.
static void refill(struct client *client, struct connection *connection) {
    send_messages(client, connection, connection->received + client->traffic.inflight);
}

// Until the time is over or so many messages have come back.
static void run(struct client *client, uint64_t nanoseconds, uint64_t count) {
    uint64_t start = now_ns(), before = client->received;
    for (unsigned index = 0; index < client->active_count; index++) {
        refill(client, &client->connections[index]);
    }
    bool is_over = false;
    while (!is_over || client->under_way > 0) {
        turn(client, TIMEOUT_MILLISECONDS * INT64_C(1000000), is_over ? NULL : refill);
        is_over = is_over || now_ns() - start >= nanoseconds || client->received - before >= count;
    }
}

void echo_lead_in(struct client *client) {
    run(client, UINT64_MAX, (uint64_t)LEAD_IN * client->active_count);
}

struct window echo_window(struct client *client, uint64_t nanoseconds) {
    echo_lead_in(client);
    struct meter meter = begin_window(client);
    run(client, nanoseconds, UINT64_MAX);
    return end_window(client, &meter);
}
