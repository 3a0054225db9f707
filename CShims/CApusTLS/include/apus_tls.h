// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * apus_tls: TLS 1.2 and 1.3 by OpenSSL 3, over memory: bytes in, bytes out, no socket and no clock
 * but the one that certificates are checked against.
 *
 * What is spoken is Mozilla's intermediate profile (5.7) without finite-field Diffie-Hellman: AEAD
 * ciphers with forward secrecy, X25519, P-256 and P-384; no compression, no renegotiation, no early
 * data, ALPN http/1.1. Contexts and identities may be made before a fork and used after it; a
 * session and its wire belong to one thread. Nothing here logs.
 *
 * What is in C, and why: OpenSSL's interface is macros and callbacks, and its structures are
 * opaque.
 */

#ifndef APUS_TLS_H
#define APUS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* Why something cannot be set up: one sentence without its full stop, cut to fit. */
typedef struct apus_tls_problem {
    char text[320];
} apus_tls_problem;

/* ---- Certificates and their keys: identity.c ---- */

/* A certificate, those that vouch for it, and its private key. */
typedef struct apus_tls_identity apus_tls_identity;

/*
 * Reads a chain, the server's own certificate first, and the key to it, both in PEM; NULL: *problem
 * says why. A key with a passphrase is refused: there is nobody to ask.
 */
apus_tls_identity *APUS_NULLABLE apus_tls_identity_load(const char *certificate_path,
                                                        const char *key_path,
                                                        apus_tls_problem *problem);

/*
 * Makes a key (P-256) and a certificate for a year that vouches for itself, for these names, with a
 * space between each and the next: of hosts, or addresses. NULL: *problem says why.
 */
apus_tls_identity *APUS_NULLABLE apus_tls_identity_self_signed(const char *names,
                                                               apus_tls_problem *problem);

/* Contexts that were made with it keep what they need. */
void apus_tls_identity_destroy(apus_tls_identity *identity);

/* Copies the certificate in DER if it fits; returns its size. */
size_t apus_tls_identity_certificate(const apus_tls_identity *identity,
                                     uint8_t *APUS_NULLABLE output, size_t capacity);

/* ---- What a certificate says: certificate.c ----
 *
 * Of a certificate in DER. Texts are copied as far as they fit, without a NUL; the result is the
 * length of the whole text. 0 where there is nothing to say.
 */

/* The subject as RFC 4514 writes it: CN=example.com,O=Example. */
size_t apus_tls_certificate_subject(const uint8_t *der, size_t size, char *APUS_NULLABLE text,
                                    size_t capacity);

/* One of the alternative names: DNS:example.com, IP:127.0.0.1, email:…, URI:…; others are "". */
size_t apus_tls_certificate_name(const uint8_t *der, size_t size, size_t index,
                                 char *APUS_NULLABLE text, size_t capacity);

/* How many alternative names there are. */
size_t apus_tls_certificate_name_count(const uint8_t *der, size_t size);

/* In PEM. */
size_t apus_tls_certificate_pem(const uint8_t *der, size_t size, char *APUS_NULLABLE text,
                                size_t capacity);

/* The SHA-256 of the DER, 32 bytes; false if that cannot be computed. */
bool apus_tls_certificate_fingerprint(const uint8_t *der, size_t size, uint8_t *digest);

/* When it is valid, in seconds since 1970; false for what is no certificate. */
bool apus_tls_certificate_validity(const uint8_t *der, size_t size, int64_t *from, int64_t *until);

/* ---- What sessions have in common: context.c ---- */

typedef struct apus_tls_context apus_tls_context;

/* Whether a server asks its clients for certificates. */
typedef enum apus_tls_client_certificates {
    APUS_TLS_CLIENTS_ANONYMOUS = 0,
    APUS_TLS_CLIENTS_OPTIONAL = 1, /* one that is not valid fails the handshake all the same */
    APUS_TLS_CLIENTS_REQUIRED = 2,
} apus_tls_client_certificates;

/*
 * For servers. The first identity is the one for clients that name no host, or none that another
 * one's certificate is for. `client_roots` is a file in PEM with whom clients' certificates are to
 * be vouched for by; NULL where none are asked for. Sessions are resumed by contexts of the same
 * `listener` alone, a number for each. NULL: *problem says why.
 */
apus_tls_context *APUS_NULLABLE apus_tls_context_server(
    apus_tls_identity *_Nonnull const *_Nonnull identities, size_t count,
    apus_tls_client_certificates client_certificates, const char *APUS_NULLABLE client_roots,
    bool is_tls12_refused, uint32_t listener, apus_tls_problem *problem);

/* Whom a client trusts to vouch for a server. */
typedef enum apus_tls_trust {
    APUS_TLS_TRUST_SYSTEM = 0,
    APUS_TLS_TRUST_FILE = 1,
    APUS_TLS_TRUST_ANYONE = 2, /* certificates are not checked at all */
} apus_tls_trust;

/* For clients; `roots` is the file of APUS_TLS_TRUST_FILE, `identity` what to show if asked. */
apus_tls_context *APUS_NULLABLE apus_tls_context_client(apus_tls_trust trust,
                                                        const char *APUS_NULLABLE roots,
                                                        apus_tls_identity *APUS_NULLABLE identity,
                                                        apus_tls_problem *problem);

/* After the last of its sessions. */
void apus_tls_context_destroy(apus_tls_context *context);

/* What tickets are encrypted (AES-256-CBC) and authenticated (HMAC with SHA-256) with. */
typedef struct apus_tls_ticket_key {
    uint8_t name[16];
    uint8_t cipher_key[32];
    uint8_t mac_key[32];
} apus_tls_ticket_key;

/*
 * Copies keys: the current one is for new tickets, and those of the one before are taken, and
 * renewed. Without a call the context has a key of its own, as old as itself. What it has copied is
 * overwritten by the next call, and by its end.
 */
void apus_tls_context_set_ticket_keys(apus_tls_context *context, const apus_tls_ticket_key *current,
                                      const apus_tls_ticket_key *previous);

/* The same with the keys of another context, if it was given any. */
void apus_tls_context_copy_ticket_keys(apus_tls_context *context, const apus_tls_context *other);

/* ---- Memory that the sessions of one thread take turns in: wire.c ---- */

typedef struct apus_tls_wire {
    uint8_t *APUS_NULLABLE output; /* ciphertext that sessions brought forth, to be sent */
    size_t output_count;           /* to be set back by whoever took it */
    size_t output_capacity;
    uint8_t *APUS_NULLABLE plaintext; /* what the last receive brought */
    size_t plaintext_count;
    size_t plaintext_capacity;
    const uint8_t *APUS_NULLABLE input; /* of the receive that is under way */
    size_t input_count;
    struct apus_tls_session *APUS_NULLABLE *APUS_NULLABLE busy; /* those that keep their buffers */
    uint16_t busy_count;
    uint16_t busy_hand; /* where a place is looked for next */
} apus_tls_wire;

/* Frees what the wire has; one of zeros has nothing. */
void apus_tls_wire_clear(apus_tls_wire *wire);

/* ---- Sessions: session.c ---- */

typedef struct apus_tls_session apus_tls_session;

/* For a connection that came in; NULL: no memory. `wire` is to outlive it. */
apus_tls_session *APUS_NULLABLE apus_tls_session_server(apus_tls_context *context,
                                                        apus_tls_wire *wire);

/*
 * For a connection to `host`, a name or an address, which the server's certificate has to be for;
 * the client's first flight is in the wire's output. NULL: *problem says why: there is no memory,
 * or no such host can be.
 */
apus_tls_session *APUS_NULLABLE apus_tls_session_client(apus_tls_context *context, const char *host,
                                                        apus_tls_wire *wire,
                                                        apus_tls_problem *problem);

void apus_tls_session_destroy(apus_tls_session *session);

/* What has happened, in the order in which it did. */
enum {
    APUS_TLS_ESTABLISHED = 1, /* the handshake is done: data may be sent */
    APUS_TLS_CLOSED = 2,      /* the peer sends no more: its close_notify came */
    APUS_TLS_FAILED = 4,      /* apus_tls_session_failure says why; nothing can be sent any more */
};

/*
 * Takes ciphertext, all of it. What it held for the application is the wire's plaintext until the
 * wire's next receive, and may be written to; what is to be answered is in the wire's output. It
 * fails when more than 64 KiB came without a byte for the application, before the handshake's end
 * or since the last one, and when the peer asks for another handshake.
 */
int apus_tls_session_receive(apus_tls_session *session, const uint8_t *APUS_NULLABLE ciphertext,
                             size_t count);

/* Puts records into the wire's output; false if the session has failed, closed, or has not begun.
 */
bool apus_tls_session_send(apus_tls_session *session, const uint8_t *bytes, size_t count);

/*
 * Nothing has come for long: a session that was busy, and so kept buffers of 34 KB, has none again.
 * There are 256 busy ones of a wire at most; then one that receives nothing has to make room.
 */
void apus_tls_session_rest(apus_tls_session *session);

/* Whether it keeps its buffers. */
bool apus_tls_session_is_busy(const apus_tls_session *session);

/* Puts close_notify into the wire's output, once; nothing where there is nobody to be told. */
void apus_tls_session_close(apus_tls_session *session);

/* Whose fault a failure is. */
typedef enum apus_tls_fault {
    APUS_TLS_FAULT_NONE = 0,
    APUS_TLS_FAULT_PROTOCOL = 1,    /* the peer's: what came is no TLS that is spoken here */
    APUS_TLS_FAULT_CERTIFICATE = 2, /* the peer's: its certificate is refused */
    APUS_TLS_FAULT_REFUSED = 3,     /* ours, says the peer by an alert */
    APUS_TLS_FAULT_FLOOD = 4,       /* the peer's: too much without data */
    APUS_TLS_FAULT_SYSTEM = 5,      /* no memory, or another mistake of this side */
} apus_tls_fault;

typedef struct apus_tls_failure {
    apus_tls_fault fault;
    uint8_t alert;                  /* sent, or received; 0: none */
    const char *APUS_NULLABLE text; /* OpenSSL's, a constant */
} apus_tls_failure;

apus_tls_failure apus_tls_session_failure(const apus_tls_session *session);

/* The name of an alert, a constant: "bad record mac". */
const char *apus_tls_alert_name(uint8_t alert);

/* What was agreed upon; constants, "" before the end of the handshake. */
const char *apus_tls_session_version(const apus_tls_session *session);
const char *apus_tls_session_cipher(const apus_tls_session *session);

bool apus_tls_session_is_established(const apus_tls_session *session);

/* Whether it goes on with what an earlier one had agreed upon. */
bool apus_tls_session_is_resumed(const apus_tls_session *session);

/* Copies the peer's certificate in DER if it fits; returns its size, 0 where there is none. */
size_t apus_tls_session_peer_certificate(const apus_tls_session *session,
                                         uint8_t *APUS_NULLABLE output, size_t capacity);

/* Takes new keys, and asks the peer to (TLS 1.3), in the wire's output; false: there are none. */
bool apus_tls_session_update_keys(apus_tls_session *session);

APUS_NONNULL_END

#ifdef __cplusplus
}
#endif

#endif
