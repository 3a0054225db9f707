// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "apus_codec.h"
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECEIVED_MAX = 4096, SENT_MAX = 1024 };

/* One connection after the other. */
struct life {
    enum { OPENING, ECHOING, CLOSING } phase;
    int socket;
    uint32_t number;
    size_t received_size;
    uint8_t received[RECEIVED_MAX];
};

static int epoll;

static void send_frame(struct client *client, struct life *life, uint8_t first_byte,
                       const uint8_t *payload, size_t size, uint32_t key) {
    uint8_t bytes[APUS_HEADER_SIZE_MAX + SENT_MAX];
    size_t header = 0;
    if (client->is_raw) {
        memcpy(bytes, payload, size);
    } else {
        header = apus_frame_header_encode(bytes, first_byte, size, (const uint8_t *)&key);
        apus_mask_copy(bytes + header, payload, size, key, 0);
    }
    if (send(life->socket, bytes, header + size, MSG_NOSIGNAL) != (ssize_t)(header + size)) {
        die("it does not take a frame");
    }
}

static void send_message(struct client *client, struct life *life) {
    uint32_t key;
    const uint8_t *message = make_message(&client->traffic, 0, life->number, &key);
    send_frame(client, life, APUS_FIN | APUS_OPCODE_BINARY, message, client->traffic.message_size,
               key);
    life->phase = ECHOING;
}

static void begin(struct client *client, struct life *life) {
    static uint32_t lives;
    life->socket = connect_socket(client);
    life->number = lives++;
    life->received_size = 0;
    life->phase = OPENING;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = life};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, life->socket, &event) < 0) {
        die("a socket cannot be waited for");
    }
    if (client->is_raw) {
        send_message(client, life);
    } else {
        send_request(client, life->socket);
    }
}

// By a reset, so that no port stays behind in TIME_WAIT: a run has more lives than there are ports.
static void end(struct client *client, struct life *life) {
    struct linger at_once = {.l_onoff = 1};
    setsockopt(life->socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(life->socket);
    client->received += 1;
    client->under_way -= 1;
}

// The payload of the whole frame at the start of what was received; NULL as long as it is not.
static const uint8_t *frame(struct client *client, struct life *life, uint8_t opcode,
                            size_t *payload_size) {
    size_t header_size = 0;
    *payload_size = client->traffic.message_size;
    if (!client->is_raw) {
        apus_frame_header header;
        apus_result result =
            apus_frame_header_decode(life->received, life->received_size, APUS_CLIENT, 0, &header);
        if (result == APUS_INCOMPLETE) {
            return NULL;
        }
        errno = 0;
        if (result != APUS_OK || header.opcode != opcode || header.bits != APUS_FIN) {
            die("it sends another frame: result %d, opcode %u", (int)result, header.opcode);
        }
        header_size = header.header_size;
        *payload_size = header.payload_size;
    }
    bool is_whole = life->received_size >= header_size + *payload_size;
    return is_whole ? life->received + header_size : NULL;
}

// True where the life has ended.
static bool act(struct client *client, struct life *life) {
    static const uint8_t normal[] = {1000 >> 8, 1000 & 0xff};
    size_t size = 0;
    uint32_t key;
    const uint8_t *payload, *message;
    switch (life->phase) {
    case OPENING:
        if (is_accepted((const char *)life->received)) {
            life->received_size = 0;
            send_message(client, life);
        }
        return false;
    case ECHOING:
        payload = frame(client, life, APUS_OPCODE_BINARY, &size);
        if (payload == NULL) {
            return false;
        }
        message = make_message(&client->traffic, 0, life->number, &key);
        if (size != client->traffic.message_size || memcmp(payload, message, size) != 0) {
            die("the message of life %u came back as another", life->number);
        }
        if (client->is_raw) {
            return true;
        }
        life->received_size = 0;
        life->phase = CLOSING;
        send_frame(client, life, APUS_FIN | APUS_OPCODE_CLOSE, normal, sizeof normal, 1);
        return false;
    case CLOSING:
        return frame(client, life, APUS_OPCODE_CLOSE, &size) != NULL;
    }
    return false;
}

// True where the life has ended. Some servers end with the connection instead of a Close frame.
static bool receive(struct client *client, struct life *life) {
    size_t room = sizeof life->received - 1 - life->received_size;
    ssize_t count = recv(life->socket, life->received + life->received_size, room, 0);
    if (count <= 0) {
        if (life->phase != CLOSING) {
            die("it ended life %u too early", life->number);
        }
        return true;
    }
    life->received_size += (size_t)count;
    life->received[life->received_size] = '\0';
    return act(client, life);
}

struct window churn_window(struct client *client, uint64_t nanoseconds) {
    struct life *lives = calloc(client->active_count, sizeof *lives);
    if (lives == NULL || client->traffic.message_size > SENT_MAX) {
        die("no memory for %u lives", client->active_count);
    }
    epoll = epoll_create1(EPOLL_CLOEXEC);
    struct meter meter = begin_window(client);
    for (unsigned index = 0; index < client->active_count; index++) {
        client->under_way += 1;
        begin(client, &lives[index]);
    }
    while (client->under_way > 0) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(epoll, events, EVENTS_MAX, TIMEOUT_MILLISECONDS);
        if (count <= 0) {
            die("it lets %llu lives wait", (unsigned long long)client->under_way);
        }
        bool is_over = now_ns() - meter.start_ns >= nanoseconds;
        for (int index = 0; index < count; index++) {
            struct life *life = events[index].data.ptr;
            if (receive(client, life)) {
                end(client, life);
                if (!is_over) {
                    client->under_way += 1;
                    begin(client, life);
                }
            }
        }
    }
    free(lives);
    close(epoll);
    return end_window(client, &meter);
}
