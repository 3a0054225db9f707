// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* wslay (Debian's libwslay-dev) over epoll: all replies to one read go out with one send. */

#include "apus_codec.h"
#include "epoll.h"

#include <wslay/wslay.h>

struct client {
    struct output output;
    wslay_event_context_ptr context; /* NULL until the handshake is done */
    bool is_drained;                 /* the last read got all there was */
};

// Replies of the client that is being served; they leave before the next one is.
static uint8_t *replies;
static size_t reply_size, reply_room;

static ssize_t receive(wslay_event_context_ptr context, uint8_t *bytes, size_t size, int flags,
                       void *user) {
    (void)flags;
    struct client *client = user;
    // wslay reads until it is told to stop; a second system call would say no more than this.
    ssize_t count = client->is_drained ? -1 : recv(client->output.socket, bytes, size, 0);
    if (count <= 0) {
        bool is_empty = count < 0 && (client->is_drained || errno == EAGAIN);
        wslay_event_set_error(context,
                              is_empty ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }
    client->is_drained = (size_t)count < size;
    return count;
}

static ssize_t collect(wslay_event_context_ptr context, const uint8_t *bytes, size_t size,
                       int flags, void *user) {
    (void)flags;
    (void)user;
    if (reply_size + size > reply_room) {
        size_t room = 2 * (reply_size + size);
        uint8_t *larger = realloc(replies, room);
        if (larger == NULL) {
            wslay_event_set_error(context, WSLAY_ERR_CALLBACK_FAILURE);
            return -1;
        }
        replies = larger;
        reply_room = room;
    }
    memcpy(replies + reply_size, bytes, size);
    reply_size += size;
    return (ssize_t)size;
}

static void reply(wslay_event_context_ptr context,
                  const struct wslay_event_on_msg_recv_arg *message, void *user) {
    (void)user;
    if (!wslay_is_ctrl_frame(message->opcode)) {
        struct wslay_event_msg echo = {message->opcode, message->msg, message->msg_length};
        wslay_event_queue_msg(context, &echo);
    }
}

// The accept key is ours: what is compared begins after the handshake.
static bool shake_hands(struct client *client) {
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = receive, .send_callback = collect, .on_msg_recv_callback = reply};
    static const char field[] = "Sec-WebSocket-Key: ";
    char text[4096];
    ssize_t count = recv(client->output.socket, text, sizeof text - 1, 0);
    if (count <= 0) {
        return false;
    }
    text[count] = '\0';
    const char *key = strstr(text, field);
    if (key == NULL || strlen(key) < sizeof field - 1 + APUS_KEY_SIZE) {
        return false;
    }
    char accept[APUS_ACCEPT_SIZE + 1] = "";
    apus_accept_key((const uint8_t *)key + sizeof field - 1, (uint8_t *)accept);
    int size = snprintf(text, sizeof text,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                        accept);
    return send(client->output.socket, text, (size_t)size, MSG_NOSIGNAL) == size &&
           wslay_event_context_server_init(&client->context, &callbacks, client) == 0;
}

static bool serve(void *connection) {
    struct client *client = connection;
    if (client->context == NULL) {
        return shake_hands(client);
    }
    reply_size = 0;
    client->is_drained = false;
    if (wslay_event_recv(client->context) != 0 || wslay_event_send(client->context) != 0) {
        return false;
    }
    bool is_of_use = reply_size == 0 || send_or_keep(&client->output, replies, reply_size);
    // After a Close frame it reads no more, and the socket would stay readable.
    return is_of_use && wslay_event_want_read(client->context);
}

static void end(void *connection) {
    struct client *client = connection;
    if (client->context != NULL) {
        wslay_event_context_free(client->context);
    }
}

int main(void) {
    run_epoll(&(struct peer){.size = sizeof(struct client), .serve = serve, .end = end});
}
