// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "client.h"

#include <stdlib.h>
#include <sys/prctl.h>

// The schedule of the window: message `index` is due at start + index * period, on the active
// connections in turn. Where a message stands in it follows from its place on its connection.
static struct {
    uint64_t start_ns;
    double period_ns;
    uint64_t *first; /* for each active connection: its messages before the window */
    uint64_t *latencies;
    uint64_t count;
} schedule;

static uint64_t due_ns(uint64_t index) {
    return schedule.start_ns + (uint64_t)((double)index * schedule.period_ns);
}

static void note_latency(struct client *client, const struct connection *connection) {
    uint64_t place = connection->received - schedule.first[connection->number];
    uint64_t index = place * client->active_count + connection->number;
    schedule.latencies[schedule.count++] = now_ns() - due_ns(index);
}

static int compare(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

struct window open_window(struct client *client, uint64_t nanoseconds, uint64_t rate) {
    echo_lead_in(client);
    uint64_t count = nanoseconds * rate / UINT64_C(1000000000) + 1;
    schedule.first = malloc(client->active_count * sizeof *schedule.first);
    schedule.latencies = malloc(count * sizeof *schedule.latencies);
    if (schedule.first == NULL || schedule.latencies == NULL) {
        die("no memory for the latencies of %llu messages", (unsigned long long)count);
    }
    for (unsigned index = 0; index < client->active_count; index++) {
        schedule.first[index] = client->connections[index].received;
    }
    schedule.count = 0;
    schedule.period_ns = 1e9 / (double)rate;
    // A wait should end when it is due, not up to 50 microseconds later.
    prctl(PR_SET_TIMERSLACK, 1UL);

    client->observer = note_latency;
    struct meter meter = begin_window(client);
    schedule.start_ns = meter.start_ns;
    uint64_t sent = 0;
    while (sent < count || client->under_way > 0) {
        for (uint64_t now = now_ns(); sent < count && due_ns(sent) <= now; sent++) {
            struct connection *connection = &client->connections[sent % client->active_count];
            send_messages(client, connection, connection->sent + 1);
        }
        int64_t timeout = TIMEOUT_MILLISECONDS * INT64_C(1000000);
        if (sent < count) {
            int64_t left = (int64_t)(due_ns(sent) - now_ns());
            timeout = left > 0 ? left : 0;
        }
        turn(client, timeout, NULL);
    }
    struct window window = end_window(client, &meter);
    client->observer = NULL;

    qsort(schedule.latencies, count, sizeof *schedule.latencies, compare);
    window.p50_ns = schedule.latencies[count / 2];
    window.p99_ns = schedule.latencies[count * 99 / 100];
    free(schedule.first);
    free(schedule.latencies);
    return window;
}
