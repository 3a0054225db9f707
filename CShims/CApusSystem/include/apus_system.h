// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * apus_system: what Apus asks of Linux for its processes, signals and listeners.
 *
 * One rule for results: where nothing else is said, 0 or a positive value is success and a negative
 * one is -errno. In C as a whole because errno must be read before anything else touches it. Beyond
 * that each function says why.
 *
 * Every descriptor made here is close-on-exec. A call that a signal interrupts is repeated, or
 * says that it found nothing; no function returns -EINTR. None keeps memory of the caller.
 * Threads: all may be called from any thread; signal masks are those of the calling one.
 */

#ifndef APUS_SYSTEM_H
#define APUS_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Processes (process.c) ---- */

/* How many threads this process has (/proc/self/task). In C because of readdir's struct dirent. */
int32_t apus_process_thread_count(void);

/* The processors that this process may run on, at least 1. In C because of the cpu_set_t macros. */
int32_t apus_process_cpu_count(void);

/*
 * Forks: 0 in the child, its process number in the parent. stdio is flushed before, so that nothing
 * buffered is printed twice. Safe only in a process with one thread. In C because of stdio's
 * global streams, and because Swift takes fork for unavailable on some platforms.
 */
int32_t apus_process_fork(void);

/* Flushes stdio and ends the process without running exit handlers, which are the parent's. In C
 * because of stdio's global streams. */
void apus_process_exit(int32_t code) __attribute__((noreturn));

/* The number of this process. */
int32_t apus_process_number(void);

/*
 * A descriptor that stands for a child and becomes readable when it has ended. It never means
 * another process, even after the number is reused. In C because syscall is variadic.
 */
int32_t apus_process_open(int32_t number);

typedef struct apus_process_end {
    bool is_signal; /* ended by a signal, not by exit */
    int32_t value;  /* the signal, or the exit code 0 to 255 */
} apus_process_end;

/* Reaps a child by its descriptor: 1 and *end if it has ended, 0 if not. In C because siginfo_t is
 * a union behind macros. */
int32_t apus_process_reap(int32_t descriptor, apus_process_end *end);

/* Signals a process by its descriptor; -ESRCH once it was reaped. In C because syscall is
 * variadic. */
int32_t apus_process_signal(int32_t descriptor, int32_t signal);

/* Kills and reaps a child of this process that no descriptor could be had for. */
void apus_process_discard(int32_t number);

/* ---- Signals (signals.c) ---- */

/* A set of signals: bit n - 1 stands for signal n. In place of sigset_t, which Swift sees as a
 * tuple whose layout differs between C libraries. */
typedef uint64_t apus_signal_set;

/* The set of one signal. */
apus_signal_set apus_signals_of(int32_t signal);

/* Makes exactly these the blocked ones and returns those that were. In C because of sigset_t. */
apus_signal_set apus_signals_set_blocked(apus_signal_set set);

/* Blocks these in addition and returns those that were. In C because of sigset_t. */
apus_signal_set apus_signals_block(apus_signal_set set);

/* Ignores a signal, or gives it its default action. In C because SIG_DFL and SIG_IGN are casts that
 * Swift does not import. */
int32_t apus_signals_set_ignored(int32_t signal, bool is_ignored);

/* A non-blocking descriptor that these signals, which must be blocked, are read from. In C because
 * of sigset_t. */
int32_t apus_signals_open(apus_signal_set set);

/* The next signal of such a descriptor, and the number of the process that sent it (0: the kernel);
 * 0: none is pending. In C because of struct signalfd_siginfo. */
int32_t apus_signals_next(int32_t descriptor, int32_t *sender);

/* ---- Descriptors (descriptors.c) ---- */

typedef struct apus_pipe {
    int32_t reader;
    int32_t writer;
} apus_pipe;

/* A pipe, both ends non-blocking. */
int32_t apus_pipe_open(apus_pipe *pipe);

/*
 * Starts this very program again as a child with these two arguments: its process number. What is
 * written to pipe->writer is its standard input, and its standard output is read from pipe->reader;
 * both ends block. It is killed when the calling thread ends. In C because only such code may run
 * between fork and exec, and because prctl is variadic.
 */
int32_t apus_process_start_again(const char *name, const char *argument, apus_pipe *pipe);

/* A non-blocking eventfd that counts from 0. In C because its flags are an enum of the C library.
 */
int32_t apus_event_open(void);

/* Reads or writes once; a count (0: end of the stream), or -EAGAIN, … */
int64_t apus_descriptor_read(int32_t descriptor, void *bytes, size_t size);
int64_t apus_descriptor_write(int32_t descriptor, const void *bytes, size_t size);

/* Closes; there is nothing a caller could do about an error. */
void apus_descriptor_close(int32_t descriptor);

/* Laid out as struct pollfd. */
typedef struct apus_poll_entry {
    int32_t descriptor; /* negative: skipped */
    int16_t asked;
    int16_t found; /* set by apus_poll; not 0: read it, there are bytes, an end or an error */
} apus_poll_entry;

/* The entry that waits for something to read. In C because POLLIN is a macro of type int. */
apus_poll_entry apus_poll_readable(int32_t descriptor);

/*
 * Waits until a descriptor is ready or the time is over (negative: no limit); how many are ready. A
 * signal counts as the end of the time. In C because of struct timespec and the signal mask.
 */
int32_t apus_poll(apus_poll_entry *entries, size_t count, int64_t nanoseconds);

/* ---- Memory (memory.c) ---- */

/*
 * Memory of zeros, in whole pages that cost nothing until they are touched, which the processes
 * that this one forks from here on share with it. In C because MAP_FAILED is a cast.
 */
int32_t apus_memory_share(size_t size, void **memory);

/* Overwrites secrets with zeros. In C because a compiler leaves out what nobody seems to read. */
void apus_memory_wipe(void *memory, size_t size);

/* Takes it back from this process alone. */
void apus_memory_release(void *memory, size_t size);

/* ---- Sockets (sockets.c) ---- */

/* An address as the kernel takes it. In place of struct sockaddr, which is cast between types. */
typedef struct apus_address {
    uint64_t storage[16];
    uint32_t size;
} apus_address;

/*
 * The first stream address of a host: a literal IPv4 or IPv6 address, or a name. `localhost` is
 * 127.0.0.1. -ENOENT: the name has none; -EAGAIN: it cannot be looked up now. May block on a name.
 */
int32_t apus_address_resolve(apus_address *address, const char *host, uint16_t port);

/*
 * The addresses to connect to for a host, in the order to try them, and how many: those of a
 * literal IPv4 or IPv6 address, of `localhost` (127.0.0.1, then ::1) or, if it may block, of a
 * name. 0: it is a name, and may not block. -ENOENT: the name has none; -EAGAIN: it cannot be
 * looked up now. In C because of the list of struct addrinfo.
 */
int32_t apus_address_lookup(apus_address *addresses, size_t capacity, const char *host,
                            uint16_t port, bool may_block);

/* The address of a Unix socket; -ENAMETOOLONG over 107 bytes. */
int32_t apus_address_unix(apus_address *address, const char *path);

/* The port; 0 for a Unix socket. */
uint16_t apus_address_port(const apus_address *address);

/* Changes the port of an IP address. */
void apus_address_set_port(apus_address *address, uint16_t port);

/* Writes `127.0.0.1:3001` or `[::1]:3001`, NUL-terminated; empty for a Unix socket. 64 bytes are
 * enough. */
void apus_address_text(const apus_address *address, char *text, size_t size);

typedef enum apus_socket_option {
    APUS_SOCKET_REUSE_ADDRESS = 0, /* bind over connections that linger from before */
    APUS_SOCKET_REUSE_PORT = 1,    /* share the port with others that have this set */
    APUS_SOCKET_NO_DELAY = 2,      /* TCP_NODELAY, inherited by accepted sockets */
    APUS_SOCKET_LATE_PORT = 3      /* bind chooses an address alone; the port is the connect's, free
                                      for this destination (IP_BIND_ADDRESS_NO_PORT) */
} apus_socket_option;

/* A non-blocking stream socket of the address's family. */
int32_t apus_socket_open(const apus_address *address);

/* Sets an option to 1. In C because setsockopt takes the address of an int by void pointer. */
int32_t apus_socket_enable(int32_t socket, apus_socket_option option);

/* As the functions of those names. In C because of the cast to struct sockaddr. */
int32_t apus_socket_bind(int32_t socket, const apus_address *address);
int32_t apus_socket_listen(int32_t socket, int32_t backlog);
int32_t apus_socket_connect(int32_t socket, const apus_address *address);

/* The address that a socket is bound to. */
int32_t apus_socket_address(int32_t socket, apus_address *address);

/* Which file a path leads to now. */
typedef struct apus_file {
    uint64_t device;
    uint64_t number;
    bool is_socket;
} apus_file;

/* Looks at a path without following a last symbolic link. In C because struct stat differs between
 * platforms and S_ISSOCK is a macro. */
int32_t apus_file_look(const char *path, apus_file *file);

/* Removes a file's name. */
int32_t apus_file_remove(const char *path);

/* ---- Randomness, clocks and limits (environment.c) ---- */

/* Fills memory with random bytes that nobody can foretell; of the kernel's own, so that a fork
 * cannot repeat them. May block early while a machine starts. In C because errno tells how. */
int32_t apus_random_fill(void *bytes, size_t size);

/* Nanoseconds of CLOCK_MONOTONIC. In C because of struct timespec, on the way of every timer. */
uint64_t apus_clock_monotonic(void);

/* Seconds since 1970. */
int64_t apus_clock_wall(void);

/*
 * Writes a point of time as JavaScript's Date does, in local time and English whatever the locale:
 * `Mon Nov 23 2026 05:12:15 GMT+0000 (UTC)`, NUL-terminated, cut to size; 64 bytes are enough for
 * years of four digits and usual zone names. In C because of struct tm.
 */
void apus_clock_text(int64_t seconds, char *text, size_t size);

/* How many descriptors a process may open at most (RLIMIT_NOFILE, the hard limit); UINT64_MAX is
 * any number. In C because the name of the resource is an enum in one C library and an int in
 * another. */
int32_t apus_limit_descriptors(uint64_t *hard);

/* Lets this process, and its children, open that many: systems start processes with far fewer. */
int32_t apus_limit_raise_descriptors(void);

/* The longest backlog that listen grants (net.core.somaxconn). */
int32_t apus_limit_backlog(void);

/* Writes what an error number (positive) means, NUL-terminated. In C because strerror_r has two
 * types. */
void apus_error_text(int32_t number, char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif
