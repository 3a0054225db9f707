// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* libwebsockets (Debian's libwebsockets-dev) with its libuv loop, so with epoll: messages are kept
 * until the socket is writable, as its examples do it; LWS_PRE bytes of room are before each. */

#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct message {
    struct message *next;
    enum lws_write_protocol mode;
    size_t size;
    unsigned char bytes[]; /* behind LWS_PRE bytes of room */
};

struct session {
    struct message *first, *last; /* whole ones, to be sent */
    struct message *partial;      /* what is being received */
};

/* Large messages come in pieces. */
static int keep(struct lws *wsi, struct session *session, const void *bytes, size_t size) {
    struct message *message = session->partial;
    size_t before = message != NULL ? message->size : 0;
    size_t room = before + size + lws_remaining_packet_payload(wsi);
    if (message == NULL || size > 0) {
        message = realloc(message, sizeof *message + LWS_PRE + room);
    }
    if (message == NULL) {
        return -1;
    }
    session->partial = message;
    message->next = NULL;
    message->mode = lws_frame_is_binary(wsi) ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
    message->size = before + size;
    memcpy(message->bytes + LWS_PRE + before, bytes, size);
    if (lws_remaining_packet_payload(wsi) > 0 || !lws_is_final_fragment(wsi)) {
        return 0;
    }
    session->partial = NULL;
    *(session->first == NULL ? &session->first : &session->last->next) = message;
    session->last = message;
    lws_callback_on_writable(wsi);
    return 0;
}

static int reply(struct lws *wsi, struct session *session) {
    while (session->first != NULL) {
        struct message *message = session->first;
        int size = (int)message->size;
        int written = lws_write(wsi, message->bytes + LWS_PRE, message->size, message->mode);
        session->first = message->next;
        free(message);
        if (written < size) {
            return -1;
        }
        if (session->first != NULL && lws_send_pipe_choked(wsi)) {
            lws_callback_on_writable(wsi);
            break;
        }
    }
    return 0;
}

static void forget(struct session *session) {
    while (session->first != NULL) {
        struct message *message = session->first;
        session->first = message->next;
        free(message);
    }
    free(session->partial);
}

static int act(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *bytes,
               size_t size) {
    struct session *session = user;
    switch (reason) {
    case LWS_CALLBACK_CLOSED:
        forget(session);
        return 0;
    case LWS_CALLBACK_RECEIVE:
        return keep(wsi, session, bytes, size);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return reply(wsi, session);
    default:
        return lws_callback_http_dummy(wsi, reason, user, bytes, size);
    }
}

// Without it the library's loop goes on after SIGTERM.
static void end(void *loop, int signal) {
    (void)loop;
    (void)signal;
    exit(0);
}

int main(void) {
    static const struct lws_protocols protocols[] = {
        {.name = "echo",
         .callback = act,
         .per_session_data_size = sizeof(struct session),
         .rx_buffer_size = 65536},
        {0},
    };
    struct lws_context_creation_info configuration = {
        .port = 0,
        .iface = "lo",
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
        .pt_serv_buf_size = 65536,
        .signal_cb = end,
    };
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context *context = lws_create_context(&configuration);
    struct lws_vhost *vhost = context != NULL ? lws_create_vhost(context, &configuration) : NULL;
    if (vhost == NULL) {
        return 1;
    }
    printf("listening on 127.0.0.1:%d\n", lws_get_vhost_listen_port(vhost));
    fflush(stdout);
    while (lws_service(context, 0) >= 0) {
    }
    lws_context_destroy(context);
    return 0;
}
