// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "apus_system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int32_t apus_process_thread_count(void) {
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks) {
        return -errno;
    }
    int32_t count = 0;
    for (struct dirent *entry = readdir(tasks); entry; entry = readdir(tasks)) {
        if (entry->d_name[0] != '.') {
            count += 1;
        }
    }
    closedir(tasks);
    return count;
}

int32_t apus_process_cpu_count(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) < 0) {
        // A machine with more processors than a cpu_set_t has bits.
        long count = sysconf(_SC_NPROCESSORS_ONLN);
        return count > 0 && count < INT32_MAX ? (int32_t)count : 1;
    }
    return CPU_COUNT(&set);
}

int32_t apus_process_fork(void) {
    fflush(NULL);
    pid_t number = fork();
    return number < 0 ? -errno : number;
}

void apus_process_exit(int32_t code) {
    fflush(NULL);
    _exit(code);
}

int32_t apus_process_number(void) {
    return getpid();
}

int32_t apus_process_open(int32_t number) {
    // By number: the C library's wrapper is younger than the oldest one we build with.
    long descriptor = syscall(SYS_pidfd_open, number, 0);
    return descriptor < 0 ? -errno : (int32_t)descriptor;
}

int32_t apus_process_reap(int32_t descriptor, apus_process_end *end) {
    siginfo_t info = {0};
    int result;
    do {
        result = waitid(P_PIDFD, (id_t)descriptor, &info, WEXITED | WNOHANG);
    } while (result < 0 && errno == EINTR);
    if (result < 0) {
        return -errno;
    }
    if (info.si_pid == 0) {
        return 0;
    }
    end->is_signal = info.si_code != CLD_EXITED;
    end->value = info.si_status;
    return 1;
}

int32_t apus_process_signal(int32_t descriptor, int32_t signal) {
    return syscall(SYS_pidfd_send_signal, descriptor, signal, NULL, 0) < 0 ? -errno : 0;
}

int32_t apus_process_start_again(const char *name, const char *argument, apus_pipe *pipe) {
    int input[2], output[2];
    if (pipe2(input, O_CLOEXEC) < 0) {
        return -errno;
    }
    if (pipe2(output, O_CLOEXEC) < 0) {
        int32_t error = -errno;
        close(input[0]);
        close(input[1]);
        return error;
    }
    pid_t parent = getpid();
    int32_t number = apus_process_fork();
    if (number == 0) {
        // A parent that ended before prctl is seen by its number, which is the parent's no longer.
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent &&
            dup2(input[0], STDIN_FILENO) >= 0 && dup2(output[1], STDOUT_FILENO) >= 0) {
            char *const arguments[] = {(char *)name, (char *)argument, NULL};
            execv("/proc/self/exe", arguments);
        }
        _exit(71);
    }
    close(input[0]);
    close(output[1]);
    if (number < 0) {
        close(input[1]);
        close(output[0]);
        return number;
    }
    *pipe = (apus_pipe){.reader = output[0], .writer = input[1]};
    return number;
}

void apus_process_discard(int32_t number) {
    // Not reaped yet, so that the number is still its own.
    kill(number, SIGKILL);
    while (waitpid(number, NULL, 0) < 0 && errno == EINTR) {
    }
}
