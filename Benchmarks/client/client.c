// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * client ws|raw PORT PID[+PID…] CONNECTIONS ACTIVE INFLIGHT text|binary|json SIZE
 *
 * Messages of json are compressed, each for itself.
 *
 * Connects to one server, says `ready`, and then runs a window for each line that it is told:
 *     echo MILLISECONDS, open MILLISECONDS RATE, fanout MILLISECONDS, churn MILLISECONDS
 * It answers with `messages,elapsed,server's CPU,own CPU,p50,p99`, times in nanoseconds. Ends with
 * 1, and a sentence, if an echo is missing or not what was sent.
 */

#include "client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARGUMENT_COUNT = 9, CONNECTIONS_MAX = 19900, RATE_MAX = 100000000 };

void die(const char *format, ...) {
    int error = errno;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, error != 0 ? " (%s)\n" : "\n", strerror(error));
    exit(1);
}

static unsigned number(const char *text, unsigned min, unsigned max) {
    char *end = NULL;
    errno = 0;
    unsigned long value = text != NULL ? strtoul(text, &end, 10) : 0;
    if (errno != 0 || end == text || *end != '\0' || value < min || value > max) {
        errno = 0;
        die("'%s' is not a number from %u to %u", text != NULL ? text : "", min, max);
    }
    return (unsigned)value;
}

static struct client parse(char **arguments) {
    struct client client = {
        .is_raw = strcmp(arguments[1], "raw") == 0,
        .port = (uint16_t)number(arguments[2], 1, UINT16_MAX),
        .connection_count = number(arguments[4], 0, CONNECTIONS_MAX),
        .active_count = number(arguments[5], 1, CONNECTIONS_MAX),
        .traffic =
            {
                .inflight = number(arguments[6], 1, INFLIGHT_MAX),
                .is_text = strcmp(arguments[7], "text") == 0,
                .message_size = number(arguments[8], 1, MESSAGE_SIZE_MAX),
            },
    };
    if (strcmp(arguments[7], "json") == 0) {
        client.traffic.is_text = client.traffic.is_compressed = true;
        client.traffic.message_size = prepare_compressed(client.traffic.message_size);
    }
    for (char *pid = strtok(arguments[3], "+"); pid != NULL; pid = strtok(NULL, "+")) {
        if (client.pid_count == PIDS_MAX) {
            die("the server has more than %d processes", PIDS_MAX);
        }
        client.pids[client.pid_count++] = (int)number(pid, 1, INT32_MAX);
    }
    return client;
}

static struct window run_window(struct client *client, char *line) {
    const char *kind = strtok(line, " \n");
    uint64_t nanoseconds = number(strtok(NULL, " \n"), 1, 600000) * UINT64_C(1000000);
    if (kind != NULL && strcmp(kind, "echo") == 0) {
        return echo_window(client, nanoseconds);
    }
    if (kind != NULL && strcmp(kind, "open") == 0) {
        return open_window(client, nanoseconds, number(strtok(NULL, " \n"), 1, RATE_MAX));
    }
    if (kind != NULL && strcmp(kind, "fanout") == 0) {
        return fanout_window(client, nanoseconds);
    }
    if (kind != NULL && strcmp(kind, "churn") == 0) {
        return churn_window(client, nanoseconds);
    }
    die("a window is echo, open, fanout or churn");
}

int main(int count, char **arguments) {
    if (count != ARGUMENT_COUNT) {
        die("ws|raw PORT PID[+PID...] CONNECTIONS ACTIVE INFLIGHT text|binary|json SIZE");
    }
    struct client client = parse(arguments);
    open_connections(&client);
    puts("ready");
    fflush(stdout);
    char line[128];
    while (fgets(line, sizeof line, stdin) != NULL) {
        struct window window = run_window(&client, line);
        printf("%llu,%llu,%llu,%llu,%llu,%llu\n", (unsigned long long)window.messages,
               (unsigned long long)window.elapsed_ns, (unsigned long long)window.server_cpu_ns,
               (unsigned long long)window.client_cpu_ns, (unsigned long long)window.p50_ns,
               (unsigned long long)window.p99_ns);
        fflush(stdout);
    }
    return 0;
}
