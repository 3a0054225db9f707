// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "apus_ring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PARTS_MAX = 16 };

_Static_assert(APUS_ADDRESS_SIZE >= INET6_ADDRSTRLEN, "room for the longest address");

int apus_socket_make(const void *address, size_t size) {
    sa_family_t family;
    if (size < sizeof family) {
        return -EINVAL;
    }
    memcpy(&family, address, sizeof family);
    int made = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (made < 0) {
        return -errno;
    }
    if (family == AF_INET || family == AF_INET6) {
        // A failure would cost time, not correctness.
        int one = 1;
        (void)setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    return made;
}

int64_t apus_socket_send(int socket, const struct iovec *parts, size_t count) {
    ssize_t sent;
    do {
        if (count == 1) {
            sent = send(socket, parts[0].iov_base, parts[0].iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
        } else {
            // sendmsg does not write to the parts; its structure just does not say so.
            struct msghdr message = {
                .msg_iov = (struct iovec *)(uintptr_t)parts,
                .msg_iovlen = count < PARTS_MAX ? count : PARTS_MAX,
            };
            sent = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

int apus_socket_shutdown_sending(int socket) {
    return shutdown(socket, SHUT_WR) < 0 ? -errno : 0;
}

int apus_socket_shutdown_both(int socket) {
    return shutdown(socket, SHUT_RDWR) < 0 ? -errno : 0;
}

int apus_socket_close(int socket) {
    // Not repeated after EINTR: Linux has closed it, and the number may be another socket's by now.
    return close(socket) < 0 ? -errno : 0;
}

static size_t print(int family, const void *address, char *text) {
    if (inet_ntop(family, address, text, APUS_ADDRESS_SIZE) == NULL) {
        text[0] = '\0';
    }
    return strlen(text);
}

size_t apus_socket_peer(int socket, char *text) {
    union {
        struct sockaddr any;
        struct sockaddr_in ip4;
        struct sockaddr_in6 ip6;
        struct sockaddr_storage room;
    } peer;
    socklen_t size = sizeof peer;
    text[0] = '\0';
    if (getpeername(socket, &peer.any, &size) < 0) {
        return 0;
    }
    if (peer.any.sa_family == AF_INET) {
        return print(AF_INET, &peer.ip4.sin_addr, text);
    }
    if (peer.any.sa_family != AF_INET6) {
        return 0;
    }
    const struct in6_addr *address = &peer.ip6.sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        return print(AF_INET, &address->s6_addr[12], text);
    }
    return print(AF_INET6, address, text);
}
