// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* libwebsockets (Debian's libwebsockets-dev) with its libuv loop, so with epoll: messages are kept
 * until the socket is writable, as its examples do it; LWS_PRE bytes of room are before each. */

#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUE_MAX = 256, PAYLOAD_MAX = 1024 };

struct message {
    size_t size;
    int mode;
    unsigned char bytes[LWS_PRE + PAYLOAD_MAX];
};

struct session {
    struct message *queue; /* a ring of QUEUE_MAX */
    unsigned head, count;
};

static int keep(struct lws *wsi, struct session *session, const void *bytes, size_t size) {
    if (session->count == QUEUE_MAX || size > PAYLOAD_MAX || !lws_is_first_fragment(wsi) ||
        !lws_is_final_fragment(wsi)) {
        return -1;
    }
    struct message *message = &session->queue[(session->head + session->count++) % QUEUE_MAX];
    message->size = size;
    message->mode = lws_frame_is_binary(wsi) ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
    memcpy(message->bytes + LWS_PRE, bytes, size);
    lws_callback_on_writable(wsi);
    return 0;
}

static int reply(struct lws *wsi, struct session *session) {
    while (session->count > 0) {
        struct message *message = &session->queue[session->head];
        session->head = (session->head + 1) % QUEUE_MAX;
        session->count -= 1;
        if (lws_write(wsi, message->bytes + LWS_PRE, message->size,
                      (enum lws_write_protocol)message->mode) < (int)message->size) {
            return -1;
        }
        if (session->count > 0 && lws_send_pipe_choked(wsi)) {
            lws_callback_on_writable(wsi);
            break;
        }
    }
    return 0;
}

static int act(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *bytes,
               size_t size) {
    struct session *session = user;
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
        session->queue = calloc(QUEUE_MAX, sizeof *session->queue);
        return session->queue == NULL ? -1 : 0;
    case LWS_CALLBACK_CLOSED:
        free(session->queue);
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
