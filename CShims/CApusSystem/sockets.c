// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "apus_system.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

_Static_assert(sizeof(((apus_address *)0)->storage) == sizeof(struct sockaddr_storage), "");

/* For the kernel only; what this file reads or changes itself goes through copies of its type. */
static const struct sockaddr *native(const apus_address *address) {
    return (const struct sockaddr *)address->storage;
}

static struct sockaddr_in internet(const apus_address *address) {
    struct sockaddr_in copy;
    memcpy(&copy, address->storage, sizeof copy);
    return copy;
}

/* The port is at the same place in both families. */
_Static_assert(offsetof(struct sockaddr_in, sin_port) == offsetof(struct sockaddr_in6, sin6_port),
               "");

static bool is_internet(const apus_address *address) {
    sa_family_t family = internet(address).sin_family;
    return family == AF_INET || family == AF_INET6;
}

static int32_t failure_of_lookup(int error) {
    switch (error) {
    case EAI_SYSTEM:
        return -errno;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_AGAIN:
        return -EAGAIN;
    default:
        return -ENOENT;
    }
}

static void take(apus_address *address, const struct addrinfo *found, uint16_t port) {
    memset(address, 0, sizeof *address);
    memcpy(address->storage, found->ai_addr, found->ai_addrlen);
    address->size = found->ai_addrlen;
    apus_address_set_port(address, port);
}

int32_t apus_address_lookup(apus_address *addresses, size_t capacity, const char *host,
                            uint16_t port, bool may_block) {
    if (strcasecmp(host, "localhost") == 0) {
        int32_t first = apus_address_lookup(addresses, capacity, "127.0.0.1", port, false);
        if (first < 0 || (size_t)first >= capacity) {
            return first;
        }
        return first + apus_address_lookup(addresses + first, 1, "::1", port, false);
    }
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICHOST,
    };
    struct addrinfo *found = NULL;
    int error = getaddrinfo(host, NULL, &hints, &found);
    if (error == EAI_NONAME) {
        if (!may_block) {
            return 0;
        }
        hints.ai_flags = AI_ADDRCONFIG;
        error = getaddrinfo(host, NULL, &hints, &found);
    }
    if (error != 0) {
        return failure_of_lookup(error);
    }
    int32_t count = 0;
    for (struct addrinfo *next = found; next != NULL && (size_t)count < capacity;
         next = next->ai_next) {
        take(&addresses[count++], next, port);
    }
    freeaddrinfo(found);
    return count;
}

int32_t apus_address_resolve(apus_address *address, const char *host, uint16_t port) {
    if (strcmp(host, "localhost") == 0) {
        host = "127.0.0.1";
    }
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICHOST | AI_PASSIVE,
    };
    struct addrinfo *found = NULL;
    // A literal address first, so that it never meets the machinery of name services.
    int error = getaddrinfo(host, NULL, &hints, &found);
    if (error == EAI_NONAME) {
        hints.ai_flags = AI_PASSIVE;
        error = getaddrinfo(host, NULL, &hints, &found);
    }
    if (error != 0) {
        return failure_of_lookup(error);
    }
    take(address, found, port);
    freeaddrinfo(found);
    return 0;
}

int32_t apus_address_unix(apus_address *address, const char *path) {
    struct sockaddr_un unix_address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length == 0) {
        return -ENOENT;
    }
    if (length >= sizeof unix_address.sun_path) {
        return -ENAMETOOLONG;
    }
    memcpy(unix_address.sun_path, path, length);
    memset(address, 0, sizeof *address);
    memcpy(address->storage, &unix_address, sizeof unix_address);
    address->size = sizeof unix_address;
    return 0;
}

uint16_t apus_address_port(const apus_address *address) {
    return is_internet(address) ? ntohs(internet(address).sin_port) : 0;
}

void apus_address_set_port(apus_address *address, uint16_t port) {
    if (is_internet(address)) {
        struct sockaddr_in changed = internet(address);
        changed.sin_port = htons(port);
        memcpy(address->storage, &changed, sizeof changed);
    }
}

void apus_address_text(const apus_address *address, char *text, size_t size) {
    if (size == 0) {
        return;
    }
    text[0] = 0;
    char host[NI_MAXHOST];
    bool is_six = internet(address).sin_family == AF_INET6;
    if (is_internet(address) && getnameinfo(native(address), address->size, host, sizeof host, NULL,
                                            0, NI_NUMERICHOST) == 0) {
        snprintf(text, size, is_six ? "[%s]:%u" : "%s:%u", host,
                 (unsigned)apus_address_port(address));
    }
}

int32_t apus_socket_open(const apus_address *address) {
    int result =
        socket(internet(address).sin_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return result < 0 ? -errno : result;
}

int32_t apus_socket_enable(int32_t socket, apus_socket_option option) {
    static const struct {
        int level;
        int name;
    } options[] = {
        [APUS_SOCKET_REUSE_ADDRESS] = {SOL_SOCKET, SO_REUSEADDR},
        [APUS_SOCKET_REUSE_PORT] = {SOL_SOCKET, SO_REUSEPORT},
        [APUS_SOCKET_NO_DELAY] = {IPPROTO_TCP, TCP_NODELAY},
        /* The kernel looks at it for both families at the level of IPv4. */
        [APUS_SOCKET_LATE_PORT] = {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT},
    };
    int one = 1;
    int result = setsockopt(socket, options[option].level, options[option].name, &one, sizeof one);
    return result < 0 ? -errno : 0;
}

int32_t apus_socket_bind(int32_t socket, const apus_address *address) {
    return bind(socket, native(address), address->size) < 0 ? -errno : 0;
}

int32_t apus_socket_listen(int32_t socket, int32_t backlog) {
    return listen(socket, backlog) < 0 ? -errno : 0;
}

int32_t apus_socket_connect(int32_t socket, const apus_address *address) {
    int result;
    do {
        result = connect(socket, native(address), address->size);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
}

int32_t apus_socket_address(int32_t socket, apus_address *address) {
    memset(address, 0, sizeof *address);
    socklen_t size = sizeof address->storage;
    if (getsockname(socket, (struct sockaddr *)address->storage, &size) < 0) {
        return -errno;
    }
    address->size = size;
    return 0;
}

int32_t apus_file_look(const char *path, apus_file *file) {
    struct stat found;
    if (lstat(path, &found) < 0) {
        return -errno;
    }
    file->device = found.st_dev;
    file->number = found.st_ino;
    file->is_socket = S_ISSOCK(found.st_mode);
    return 0;
}

int32_t apus_file_remove(const char *path) {
    return unlink(path) < 0 ? -errno : 0;
}
