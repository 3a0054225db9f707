// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#ifndef APUS_TLS_INTERNAL_H
#define APUS_TLS_INTERNAL_H

#include "apus_tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

struct apus_tls_identity {
    X509 *certificate;
    STACK_OF(X509) * chain; // those that vouch for it, without it
    EVP_PKEY *key;
};

struct apus_tls_context {
    SSL_CTX **contexts; // one for each identity; sessions begin with the first
    size_t count;
    apus_tls_ticket_key ticket_keys[2]; // the current one, and the one before
    bool has_ticket_keys;
    bool is_client;
};

struct apus_tls_session {
    SSL *ssl;
    apus_tls_wire *wire;
    apus_tls_context *context;
    const char *failure_text;
    uint32_t idle_size;    // bytes that came since the last one for the application
    uint16_t busy_index;   // its place in the wire's list, if it is busy
    uint8_t receive_count; // of data since it was at rest, up to those that make it a busy one
    uint8_t failure_alert;
    uint8_t failure_fault;
    bool is_alert_received;
    bool is_established;
    bool is_busy;      // keeps its buffers
    bool is_amid;      // some of a record has come, or may have
    bool has_received; // since its place was looked at
    bool is_closed;    // our close_notify was sent
    bool is_renegotiation_asked;
};

// A BIO that reads from a wire's input and appends to its output.
BIO *apus_tls_wire_bio(apus_tls_wire *wire);

// Room for so much plaintext; false: no memory.
bool apus_tls_wire_reserve(apus_tls_wire *wire, size_t plaintext_size);

// Says what OpenSSL says of the error that came last, behind what it is about; empties its list.
void apus_tls_problem_openssl(apus_tls_problem *problem, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void apus_tls_problem_say(apus_tls_problem *problem, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// The PEM file at that path, to be read; NULL: *problem says why. `what` names it: "certificate".
BIO *apus_tls_open(const char *path, const char *what, apus_tls_problem *problem);

// Takes and makes tickets with the keys of the session's context.
int apus_tls_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                    EVP_MAC_CTX *mac, int is_new);

// How names are compared with those of a certificate: its alternative names alone count, and a
// wildcard in them is a whole label.
enum {
    apus_tls_name_flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT
};

// Without the dot of the root, which no certificate and no server name has (RFC 6066, section 3).
static inline size_t apus_tls_name_length(const char *name) {
    size_t length = strlen(name);
    return length > 0 && name[length - 1] == '.' ? length - 1 : length;
}

// OpenSSL's lengths are ints.
static inline long apus_tls_long(size_t size) {
    return size > INT32_MAX ? INT32_MAX : (long)size;
}

#endif
