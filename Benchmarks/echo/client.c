// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * echo-client CONNECTIONS INFLIGHT text|binary SIZE MILLISECONDS PAUSE ROUNDS
 *     NAME:ws|raw:PORT:PID[+PID…] …
 *
 * Connects to all servers, then measures them in turn, a window each, ROUNDS times; every round
 * begins with the next server. PAUSE milliseconds lie between windows, for whoever else uses the
 * machine. One line of CSV for each window, see `header`. Ends with 1, and a
 * sentence, if an echo is missing or not what was sent.
 */

#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_TARGET = 8, TARGETS_MAX = 32 };

static const char header[] = "round,server,messages,elapsed_ns,server_cpu_ns,client_cpu_ns\n";

void die(const char *format, ...) {
    int error = errno;
    va_list arguments;
    va_start(arguments, format);
    fputs("echo-client: ", stderr);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, error != 0 ? " (%s)\n" : "\n", strerror(error));
    exit(1);
}

static unsigned number(const char *text, unsigned max) {
    char *end = NULL;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value == 0 || value > max) {
        errno = 0;
        die("'%s' is not a number from 1 to %u", text, max);
    }
    return (unsigned)value;
}

static struct target parse_target(char *text) {
    const char *name = strtok(text, ":");
    const char *kind = strtok(NULL, ":");
    const char *port = strtok(NULL, ":");
    char *pids = strtok(NULL, ":");
    if (pids == NULL || (strcmp(kind, "ws") != 0 && strcmp(kind, "raw") != 0)) {
        die("a server is NAME:ws|raw:PORT:PID[+PID...]");
    }
    struct target target = {
        .name = name,
        .port = (uint16_t)number(port, UINT16_MAX),
        .is_raw = strcmp(kind, "raw") == 0,
    };
    for (char *pid = strtok(pids, "+"); pid != NULL; pid = strtok(NULL, "+")) {
        if (target.pid_count == PIDS_MAX) {
            die("%s has more than %d processes", name, PIDS_MAX);
        }
        target.pids[target.pid_count++] = (int)number(pid, INT32_MAX);
    }
    return target;
}

int main(int count, char **arguments) {
    if (count <= FIRST_TARGET || count - FIRST_TARGET > TARGETS_MAX) {
        die("CONNECTIONS INFLIGHT text|binary SIZE MILLISECONDS PAUSE ROUNDS "
            "NAME:ws|raw:PORT:PID[+PID...] ...");
    }
    unsigned connections = number(arguments[1], 10000);
    struct traffic traffic = {
        .inflight = number(arguments[2], INFLIGHT_MAX),
        .is_text = strcmp(arguments[3], "text") == 0,
        .message_size = number(arguments[4], MESSAGE_SIZE_MAX),
    };
    uint64_t nanoseconds = number(arguments[5], 60000) * UINT64_C(1000000);
    unsigned pause = number(arguments[6], 60000);
    unsigned rounds = number(arguments[7], 100000);
    unsigned target_count = (unsigned)(count - FIRST_TARGET);

    struct target targets[TARGETS_MAX];
    for (unsigned index = 0; index < target_count; index++) {
        targets[index] = parse_target(arguments[FIRST_TARGET + (int)index]);
        open_connections(&targets[index], connections);
        prepare_windows(&targets[index], &traffic);
    }

    fputs(header, stdout);
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned step = 0; step < target_count; step++) {
            struct target *target = &targets[(round + step) % target_count];
            struct window window = run_window(target, &traffic, nanoseconds);
            printf("%u,%s,%llu,%llu,%llu,%llu\n", round, target->name,
                   (unsigned long long)window.messages, (unsigned long long)window.elapsed_ns,
                   (unsigned long long)window.server_cpu_ns,
                   (unsigned long long)window.client_cpu_ns);
            fflush(stdout);
            poll(NULL, 0, (int)pause);
        }
    }
    return 0;
}
