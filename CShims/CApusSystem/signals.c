// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "apus_system.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { SIGNAL_LAST = 64 };

apus_signal_set apus_signals_of(int32_t signal) {
    assert(signal >= 1 && signal <= SIGNAL_LAST);
    return (apus_signal_set)1 << (signal - 1);
}

static sigset_t native_set(apus_signal_set set) {
    sigset_t native;
    sigemptyset(&native);
    for (int32_t signal = 1; signal <= SIGNAL_LAST; signal += 1) {
        // The C library refuses to have its own two real-time signals touched; that is meant.
        if (set & apus_signals_of(signal)) {
            sigaddset(&native, signal);
        }
    }
    return native;
}

static apus_signal_set change_blocked(int how, apus_signal_set set) {
    sigset_t native = native_set(set);
    sigset_t before;
    int error = pthread_sigmask(how, &native, &before);
    assert(error == 0);
    (void)error;
    apus_signal_set result = 0;
    for (int32_t signal = 1; signal <= SIGNAL_LAST; signal += 1) {
        if (sigismember(&before, signal) == 1) {
            result |= apus_signals_of(signal);
        }
    }
    return result;
}

apus_signal_set apus_signals_set_blocked(apus_signal_set set) {
    return change_blocked(SIG_SETMASK, set);
}

apus_signal_set apus_signals_block(apus_signal_set set) {
    return change_blocked(SIG_BLOCK, set);
}

int32_t apus_signals_set_ignored(int32_t signal, bool is_ignored) {
    struct sigaction action = {.sa_handler = is_ignored ? SIG_IGN : SIG_DFL};
    sigemptyset(&action.sa_mask);
    return sigaction(signal, &action, NULL) < 0 ? -errno : 0;
}

int32_t apus_signals_open(apus_signal_set set) {
    sigset_t native = native_set(set);
    int descriptor = signalfd(-1, &native, SFD_CLOEXEC | SFD_NONBLOCK);
    return descriptor < 0 ? -errno : descriptor;
}

int32_t apus_signals_next(int32_t descriptor, int32_t *sender) {
    struct signalfd_siginfo info;
    ssize_t count;
    do {
        count = read(descriptor, &info, sizeof info);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        return errno == EAGAIN ? 0 : -errno;
    }
    if (count != (ssize_t)sizeof info) {
        return 0;
    }
    *sender = (int32_t)info.ssi_pid;
    return (int32_t)info.ssi_signo;
}
