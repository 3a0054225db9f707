// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "client.h"

// Not for as long as there are fewer: some may come back while this sends.
static void refill(struct client *client, struct connection *connection) {
    send_messages(client, connection, connection->received + client->traffic.inflight);
}

struct window echo_window(struct client *client, uint64_t nanoseconds) {
    struct meter meter = begin_window(client);
    for (unsigned index = 0; index < client->active_count; index++) {
        refill(client, &client->connections[index]);
    }
    bool is_over = false;
    while (!is_over || client->under_way > 0) {
        turn(client, TIMEOUT_MILLISECONDS * INT64_C(1000000), is_over ? NULL : refill);
        is_over = is_over || now_ns() - meter.start_ns >= nanoseconds;
    }
    return end_window(client, &meter);
}
