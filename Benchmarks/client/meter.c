// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "client.h"

#include <dirent.h>
#include <stdio.h>
#include <time.h>

static uint64_t clock_ns(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

uint64_t now_ns(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

// The first number of schedstat is the time on a processor, in nanoseconds.
static uint64_t thread_cpu_ns(int pid, const char *thread) {
    char path[512];
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, thread);
    FILE *file = fopen(path, "re");
    unsigned long long nanoseconds = 0;
    if (file == NULL || fscanf(file, "%llu", &nanoseconds) != 1) {
        die("%s cannot be read", path);
    }
    fclose(file);
    return nanoseconds;
}

static uint64_t server_cpu_ns(const struct client *client) {
    uint64_t sum = 0;
    for (size_t index = 0; index < client->pid_count; index++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/task", client->pids[index]);
        DIR *threads = opendir(path);
        if (threads == NULL) {
            die("its process %d is gone", client->pids[index]);
        }
        for (struct dirent *entry; (entry = readdir(threads)) != NULL;) {
            if (entry->d_name[0] != '.') {
                sum += thread_cpu_ns(client->pids[index], entry->d_name);
            }
        }
        closedir(threads);
    }
    return sum;
}

// A server that has just answered may still be on its way back to its wait. The kernel accounts
// the time of a thread exactly when it sleeps.
static void let_server_sleep(void) {
    nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
}

struct meter begin_window(const struct client *client) {
    let_server_sleep();
    return (struct meter){
        .received = client->received,
        .server_cpu_ns = server_cpu_ns(client),
        .client_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID),
        .start_ns = now_ns(),
    };
}

struct window end_window(const struct client *client, const struct meter *meter) {
    struct window window = {
        .messages = client->received - meter->received,
        .elapsed_ns = now_ns() - meter->start_ns,
        .client_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - meter->client_cpu_ns,
    };
    let_server_sleep();
    window.server_cpu_ns = server_cpu_ns(client) - meter->server_cpu_ns;
    return window;
}
