// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * apus_ring: one io_uring with one ring of receive buffers, for one thread.
 *
 * Failures are negative error numbers (-ENOMEM, …); errno itself means nothing here. A ring belongs
 * to the thread that made it: the kernel answers every other one with EEXIST, also the child of a
 * fork. Nothing here locks, logs or calls back.
 *
 * What is in C, and why: liburing's verbs are inline functions and macros, its memory is shared
 * with the kernel and needs C11's atomics, and system calls such as setsockopt and sendmsg take
 * structures that are easier to fill here. What the operations mean is for Swift to know.
 */

#ifndef APUS_RING_H
#define APUS_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __clang__
#define APUS_NONNULL_BEGIN _Pragma("clang assume_nonnull begin")
#define APUS_NONNULL_END _Pragma("clang assume_nonnull end")
#define APUS_NULLABLE _Nullable
#else
#define APUS_NONNULL_BEGIN
#define APUS_NONNULL_END
#define APUS_NULLABLE
#endif

#ifdef __cplusplus
extern "C" {
#endif

APUS_NONNULL_BEGIN

typedef struct apus_ring apus_ring;

/* ---- Making and ending a ring: setup.c ---- */

/* How the receive buffers are handed to the kernel. */
typedef enum apus_buffer_mode {
    APUS_BUFFERS_BEST = 0,        /* incremental where the kernel has it, else plain */
    APUS_BUFFERS_PLAIN = 1,       /* each completion takes a whole buffer */
    APUS_BUFFERS_INCREMENTAL = 2, /* completions share a buffer until it is used up; Linux 6.12 */
} apus_buffer_mode;

typedef struct apus_ring_configuration {
    uint32_t submission_entries; /* the kernel rounds both up to powers of two … */
    uint32_t completion_entries; /* … and down to what it allows at most */
    uint32_t buffer_count;       /* a power of two up to 32768; 0: 8 incremental, 32 plain ones */
    uint32_t buffer_size;        /* bytes up to 2^30; 0: 128 KiB incremental, 64 KiB plain */
    apus_buffer_mode buffer_mode;
} apus_ring_configuration;

/* What the kernel gave; the entries after its rounding. */
typedef struct apus_ring_features {
    uint32_t submission_entries;
    uint32_t completion_entries;
    uint32_t buffer_count;
    uint32_t buffer_size;
    bool is_incremental;     /* IOU_PBUF_RING_INC */
    bool is_without_sqarray; /* IORING_SETUP_NO_SQARRAY */
    bool is_registered;      /* the ring's descriptor, IORING_REGISTER_RING_FDS */
} apus_ring_features;

/*
 * Makes a ring and its buffers, to be used by the calling thread alone and ended by
 * apus_ring_destroy. SINGLE_ISSUER and DEFER_TASKRUN are asked for and never done without: other
 * rings take connections while their worker is stuck. The descriptor is close-on-exec.
 *
 * 0, or what was refused: *ring is then NULL and *operation the system call's name, a constant.
 * -EINVAL: a kernel older than 6.1, a configuration outside its limits, or incremental buffers
 * asked for and not to be had. In C because the set-up is liburing's structures and mmap.
 */
int apus_ring_create(const apus_ring_configuration *configuration,
                     apus_ring *APUS_NULLABLE *_Nonnull ring,
                     const char *APUS_NULLABLE *_Nonnull operation);

/*
 * Ends the ring, its operations and its buffers; nothing that lies in them may be read afterwards.
 * Sockets stay open. In C because it undoes apus_ring_create.
 */
void apus_ring_destroy(apus_ring *ring);

/* What the kernel gave. In C because the ring is opaque. */
apus_ring_features apus_ring_get_features(const apus_ring *ring);

/* ---- Preparing operations: submit.c ----
 *
 * All return at once and cannot fail: what the kernel refuses arrives as a completion with its
 * error, and a ring that takes nothing any more fails its next wait. A full submission queue is
 * handed in early. `tag` comes back with each completion. In C because liburing's are inline
 * functions over memory that the kernel reads too.
 */

/* Accepts one connection: a descriptor, non-blocking and close-on-exec, which the caller owns. */
void apus_ring_accept(apus_ring *ring, int listener, uint64_t tag);

/*
 * Connects a stream socket to an address, a struct sockaddr of that size, which must stay until the
 * next wait returns. Completes with 0, or the error; there is no time limit but the kernel's.
 */
void apus_ring_connect(apus_ring *ring, int socket, const void *address, size_t size, uint64_t tag);

/* Receives into the ring's buffers until a completion without has_more (multishot). */
void apus_ring_receive(apus_ring *ring, int socket, uint64_t tag);

/* Receives into one of the ring's buffers, once. */
void apus_ring_receive_once(apus_ring *ring, int socket, uint64_t tag);

/*
 * Sends `size` bytes (up to APUS_SEND_SIZE_MAX) without blocking while the operation is handed in,
 * at the latest in the next wait; they must stay until that wait returns. A completion comes, in
 * that wait, only if not all were taken: how many, or the error.
 */
void apus_ring_send(apus_ring *ring, int socket, const void *APUS_NULLABLE bytes, size_t size,
                    uint64_t tag);

/* The kernel silently cuts longer ones, which would look like a whole send. */
#define APUS_SEND_SIZE_MAX ((size_t)1 << 30)

/* Completes once with the events (POLLOUT, POLLERR, …) when the descriptor can be written to. */
void apus_ring_await_writable(apus_ring *ring, int descriptor, uint64_t tag);

/* Completes once with the events when the descriptor can be read from. */
void apus_ring_await_readable(apus_ring *ring, int descriptor, uint64_t tag);

/*
 * Ends one operation prepared with `target`: 0, -ENOENT if there is none, -EALREADY if it is too
 * late. The operation's own last completion comes in any case.
 */
void apus_ring_cancel(apus_ring *ring, uint64_t target, uint64_t tag);

/* ---- The turn: complete.c ---- */

typedef struct apus_completion {
    uint64_t tag;
    uint8_t *APUS_NULLABLE bytes; /* `result` received bytes, lent; NULL: none are */
    int32_t result;  /* a byte count, a descriptor, events; or a negative error number */
    uint16_t buffer; /* for apus_ring_give_back, if bytes is not NULL */
    bool has_more;   /* the operation goes on */
} apus_completion;

/* The completions of the last wait; valid until the next one. */
typedef struct apus_completions {
    apus_completion *items;
    size_t count;
    size_t capacity;
} apus_completions;

/*
 * Hands in what was prepared, waits for a completion, at most nanoseconds_max (negative: without
 * end, 0: not at all), and copies all there are. Their number; 0 also after a signal.
 *
 * Negative: the ring can no longer be used. -EBADR: the kernel lost completions for want of memory;
 * -EEXIST: the wrong thread; -ENOMEM, -EAGAIN: no memory for what was prepared or for the copies.
 * In C because the queues are shared with the kernel and need acquire and release.
 */
int64_t apus_ring_wait(apus_ring *ring, int64_t nanoseconds_max);

/*
 * Where the completions are; the address holds for the ring's life, so that reading one costs no
 * call. In C because the ring is opaque.
 */
const apus_completions *apus_ring_completions(const apus_ring *ring);

/* ---- Receive buffers: buffers.c ---- */

/*
 * Gives back the bytes of one completion. The kernel gets the buffer when all that lay in it was
 * given back and it has filled it. false, and no change: nothing of that buffer is lent. In C
 * because the buffers' ring is shared with the kernel.
 */
bool apus_ring_give_back(apus_ring *ring, uint16_t buffer);

/* How many completions' bytes were not given back yet. In C because the ring is opaque. */
size_t apus_ring_lent_count(const apus_ring *ring);

/* ---- At once, by system call: socket.c ----
 *
 * In C because they are loops around structures that Swift sees as unions, casts and tuples.
 */

/*
 * A stream socket to connect with, non-blocking and close-on-exec, for the family of an address
 * (its first two bytes); where that is TCP, TCP_NODELAY is set. A descriptor or an error.
 */
int apus_socket_make(const void *address, size_t size);

/* Sends up to 16 parts in order without blocking or SIGPIPE; a byte count or an error. */
int64_t apus_socket_send(int socket, const struct iovec *parts, size_t count);

/* Ends our direction; 0 or an error (-ENOTCONN: the peer was faster). */
int apus_socket_shutdown_sending(int socket);

/* Ends both directions; what is armed on it completes. 0 or an error. */
int apus_socket_shutdown_both(int socket);

/* Closes the descriptor, which is free for reuse afterwards whatever is returned. */
int apus_socket_close(int socket);

/* Room for an address as text and its final 0. */
#define APUS_ADDRESS_SIZE 46

/*
 * Writes the peer's IP address as text with a final 0 and returns its length. IPv4 in IPv6 is
 * written as IPv4. 0 and an empty text for other sockets and where there is no peer any more.
 */
size_t apus_socket_peer(int socket, char *text);

/* ---- What this kernel can do: probe.c ---- */

typedef struct apus_ring_probe_report {
    int32_t setup_error; /* of io_uring_setup without any flags, positive; 0: it works */
    int32_t ring_error;  /* of a whole ring as the server makes it, positive; 0: it works */
    bool has_defer_taskrun;
    bool has_cqe_skip;
    bool has_no_sqarray;
    bool has_buffer_ring;
    bool has_incremental_buffers;
    bool has_registered_ring;
    bool has_multishot_receive;
    bool has_connect;
} apus_ring_probe_report;

/* Tries each in turn with rings and a socket pair of its own and leaves nothing behind. In C
 * because half of it is set-up flags that apus_ring_create never leaves out. */
void apus_ring_probe(apus_ring_probe_report *report);

APUS_NONNULL_END

#ifdef __cplusplus
}
#endif

#endif
