// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "client.h"

#include <dirent.h>
#include <stdio.h>

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

uint64_t server_cpu_ns(const struct target *target) {
    uint64_t sum = 0;
    for (size_t index = 0; index < target->pid_count; index++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/task", target->pids[index]);
        DIR *threads = opendir(path);
        if (threads == NULL) {
            die("%s: process %d is gone", target->name, target->pids[index]);
        }
        for (struct dirent *entry; (entry = readdir(threads)) != NULL;) {
            if (entry->d_name[0] != '.') {
                sum += thread_cpu_ns(target->pids[index], entry->d_name);
            }
        }
        closedir(threads);
    }
    return sum;
}
