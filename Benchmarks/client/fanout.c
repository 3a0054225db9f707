// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "client.h"

enum { LEAD_IN = 20 }; // messages on each connection

// Every connection is owed each message, the publisher's own too.
static void publish(struct client *client) {
    struct connection *publisher = &client->connections[0];
    for (unsigned index = 1; index < client->connection_count; index++) {
        client->connections[index].sent += 1;
    }
    client->under_way += client->connection_count - 1;
    send_messages(client, publisher, publisher->sent + 1);
}

// Until the time is over or so many messages have been delivered.
static void run(struct client *client, uint64_t nanoseconds, uint64_t count) {
    uint64_t mark = (uint64_t)(client->traffic.inflight - 1) * client->connection_count;
    uint64_t start = now_ns(), before = client->received;
    bool is_over = false;
    while (!is_over || client->under_way > 0) {
        while (!is_over && client->under_way <= mark) {
            publish(client);
        }
        turn(client, TIMEOUT_MILLISECONDS * INT64_C(1000000), NULL);
        is_over = is_over || now_ns() - start >= nanoseconds || client->received - before >= count;
    }
}

struct window fanout_window(struct client *client, uint64_t nanoseconds) {
    client->traffic.is_published = true;
    run(client, UINT64_MAX, (uint64_t)LEAD_IN * client->connection_count);
    struct meter meter = begin_window(client);
    run(client, nanoseconds, UINT64_MAX);
    return end_window(client, &meter);
}
