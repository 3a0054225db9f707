// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "apus_system.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>

int32_t apus_random_fill(void *bytes, size_t size) {
    uint8_t *next = bytes;
    while (size > 0) {
        ssize_t count = getrandom(next, size, 0);
        if (count < 0 && errno != EINTR) {
            return -errno;
        }
        if (count > 0) {
            next += count;
            size -= (size_t)count;
        }
    }
    return 0;
}

uint64_t apus_clock_monotonic(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

int64_t apus_clock_wall(void) {
    return time(NULL);
}

void apus_clock_text(int64_t seconds, char *text, size_t size) {
    // Not strftime, whose names follow the locale.
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t point = seconds;
    struct tm local;
    if (!localtime_r(&point, &local)) {
        snprintf(text, size, "Invalid Date");
        return;
    }
    long offset = local.tm_gmtoff / 60;
    long distance = offset < 0 ? -offset : offset;
    snprintf(text, size, "%s %s %02d %04d %02d:%02d:%02d GMT%c%02ld%02ld (%s)", days[local.tm_wday],
             months[local.tm_mon], local.tm_mday, local.tm_year + 1900, local.tm_hour, local.tm_min,
             local.tm_sec, offset < 0 ? '-' : '+', distance / 60, distance % 60, local.tm_zone);
}

int32_t apus_limit_descriptors(uint64_t *hard) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        return -errno;
    }
    *hard = limit.rlim_max == RLIM_INFINITY ? UINT64_MAX : limit.rlim_max;
    return 0;
}

int32_t apus_limit_raise_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        return -errno;
    }
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

int32_t apus_limit_backlog(void) {
    FILE *file = fopen("/proc/sys/net/core/somaxconn", "re");
    if (!file) {
        return -errno;
    }
    int value = 0;
    int count = fscanf(file, "%d", &value);
    fclose(file);
    return count == 1 && value >= 0 ? value : -EINVAL;
}

void apus_error_text(int32_t number, char *text, size_t size) {
    snprintf(text, size, "%s", strerror(number));
}
