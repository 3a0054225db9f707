// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * uWebSockets as the shared library in PyPI's socketify has it (on libuv):
 *
 *     uws_echo [publish|compress]
 *     uws_echo CERTIFICATE KEY
 *
 * It is linked with that library by its path. The few prototypes of its C interface that are needed
 * are declared here; the layouts are those that socketify itself declares to Python.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct app;
struct web_socket;
struct listener;

typedef void (*web_socket_handler)(struct web_socket *socket, void *user);
typedef void (*message_handler)(struct web_socket *socket, const char *message, size_t size,
                                int opcode, void *user);
typedef void (*any_handler)(void);

struct tls_options {
    const char *key_file, *certificate_file;
    const char *others[4];
    int prefers_low_memory;
};

struct behavior {
    int compression;
    unsigned payload_size_max;
    unsigned short idle_timeout;
    unsigned backpressure_max;
    bool closes_on_backpressure;
    bool resets_idle_timeout_on_send;
    bool sends_pings;
    unsigned short lifetime_max;
    any_handler upgrade;
    web_socket_handler open;
    message_handler message;
    any_handler drain, ping, pong, close, subscription;
};

struct listen_configuration {
    int port;
    const char *host;
    int options;
};

typedef void (*listen_handler)(struct listener *listener, struct listen_configuration configuration,
                               void *user);

struct app *uws_create_app(int tls, struct tls_options options);
void uws_ws(int tls, struct app *app, const char *pattern, struct behavior behavior, void *user);
void uws_app_listen_with_config(int tls, struct app *app, struct listen_configuration configuration,
                                listen_handler handler, void *user);
void uws_app_run(int tls, struct app *app);
int us_socket_local_port(int tls, struct listener *listener);
int uws_ws_send(int tls, struct web_socket *socket, const char *message, size_t size, int opcode);
int uws_ws_send_with_options(int tls, struct web_socket *socket, const char *message, size_t size,
                             int opcode, bool compress, bool is_final);
bool uws_ws_subscribe(int tls, struct web_socket *socket, const char *topic, size_t size);
bool uws_publish(int tls, struct app *app, const char *topic, size_t topic_size,
                 const char *message, size_t size, int opcode, bool compress);

enum { shared_compressor = 1, shared_decompressor = 1 << 8 };

static const char topic[] = "all";

/* Which of the two kinds of sockets the library is to take its arguments for. */
static int is_secure;

static void echo(struct web_socket *socket, const char *message, size_t size, int opcode,
                 void *user) {
    (void)user;
    uws_ws_send(is_secure, socket, message, size, opcode);
}

static void echo_compressed(struct web_socket *socket, const char *message, size_t size, int opcode,
                            void *user) {
    (void)user;
    uws_ws_send_with_options(is_secure, socket, message, size, opcode, true, true);
}

static void subscribe(struct web_socket *socket, void *user) {
    (void)user;
    uws_ws_subscribe(is_secure, socket, topic, sizeof topic - 1);
}

static void publish(struct web_socket *socket, const char *message, size_t size, int opcode,
                    void *app) {
    (void)socket;
    uws_publish(is_secure, app, topic, sizeof topic - 1, message, size, opcode, false);
}

static void tell(struct listener *listener, struct listen_configuration configuration, void *user) {
    (void)configuration;
    (void)user;
    if (listener == NULL) {
        exit(1);
    }
    printf("listening on 127.0.0.1:%d\n", us_socket_local_port(is_secure, listener));
    fflush(stdout);
}

int main(int count, char **arguments) {
    bool publishes = count > 1 && strcmp(arguments[1], "publish") == 0;
    bool compresses = count > 1 && strcmp(arguments[1], "compress") == 0;
    struct tls_options tls = {.prefers_low_memory = 0};
    if (count == 3) {
        is_secure = 1;
        tls.certificate_file = arguments[1];
        tls.key_file = arguments[2];
    }
    struct app *app = uws_create_app(is_secure, tls);
    struct behavior behavior = {
        .compression = compresses ? shared_compressor | shared_decompressor : 0,
        .payload_size_max = 16 << 20,
        .backpressure_max = 64 << 20,
        .open = publishes ? subscribe : NULL,
        .message = publishes    ? publish
                   : compresses ? echo_compressed
                                : echo,
    };
    uws_ws(is_secure, app, "/*", behavior, app);
    struct listen_configuration configuration = {.host = "127.0.0.1"};
    uws_app_listen_with_config(is_secure, app, configuration, tell, NULL);
    uws_app_run(is_secure, app);
    return 0;
}
