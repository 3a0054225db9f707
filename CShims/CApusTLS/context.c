// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "internal.h"

#include <stdlib.h>
#include <string.h>

// Mozilla's intermediate profile, 5.7, without DHE.
static const char *const ciphers_1_2 = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                       "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                       "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char *const ciphers_1_3 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
static const char *const groups = "X25519:P-256:P-384";

// The one protocol, as ALPN lists it.
static const uint8_t protocols[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

static int select_protocol(SSL *ssl, const uint8_t **output, uint8_t *output_size,
                           const uint8_t *offers, unsigned offers_size, void *unused) {
    (void)ssl;
    (void)unused;
    uint8_t *selected = NULL;
    int result = SSL_select_next_proto(&selected, output_size, protocols, sizeof protocols, offers,
                                       offers_size);
    *output = selected;
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// The client names a host: the first identity that is for it is shown, else the default.
static int select_identity(SSL *ssl, int *alert, void *argument) {
    (void)alert;
    const apus_tls_context *context = argument;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    size_t length = name == NULL ? 0 : apus_tls_name_length(name);
    if (length == 0) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    for (size_t index = 0; index < context->count; index++) {
        X509 *certificate = SSL_CTX_get0_certificate(context->contexts[index]);
        if (X509_check_host(certificate, name, length, apus_tls_name_flags, NULL) == 1) {
            SSL_set_SSL_CTX(ssl, context->contexts[index]);
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_NOACK;
}

// Fatal alerts, sent and received, are the reason of a failure; and the one that refuses another
// handshake, which a peer could ask for again and again.
static void noticed(const SSL *ssl, int where, int value) {
    apus_tls_session *session = SSL_get_app_data(ssl);
    if (where == SSL_CB_WRITE_ALERT && (value & 0xFF) == SSL_AD_NO_RENEGOTIATION) {
        session->is_renegotiation_asked = true;
    }
    if ((where & SSL_CB_ALERT) == 0 || (value >> 8) != SSL3_AL_FATAL) {
        return;
    }
    session->failure_alert = (uint8_t)(value & 0xFF);
    session->is_alert_received = (where & SSL_CB_READ) != 0;
}

static SSL_CTX *make(const SSL_METHOD *method, apus_tls_problem *problem) {
    SSL_CTX *context = SSL_CTX_new(method);
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(context, ciphers_1_2) != 1 ||
        SSL_CTX_set_ciphersuites(context, ciphers_1_3) != 1 ||
        SSL_CTX_set1_groups_list(context, groups) != 1) {
        apus_tls_problem_openssl(problem, "OpenSSL refuses the profile");
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    // A session that is not busy has no buffers; what is sent may be given from another place when
    // it is tried again; and no more is read than a record.
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 0);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_info_callback(context, noticed);
    return context;
}

static bool use_identity(SSL_CTX *context, const apus_tls_identity *identity,
                         apus_tls_problem *problem) {
    if (SSL_CTX_use_cert_and_key(context, identity->certificate, identity->key, identity->chain,
                                 1) == 1) {
        return true;
    }
    apus_tls_problem_openssl(problem, "a certificate is refused");
    return false;
}

// What tickets are good for: a listener, and there for as long as clients are asked for the same
// certificates. All listeners seal them with the same keys.
static bool mark_sessions(SSL_CTX *context, apus_tls_client_certificates which, uint32_t listener) {
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    uint8_t digest[32] = {0};
    uint32_t mark[] = {(uint32_t)which, listener};
    bool is_hashed = hash != NULL && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
                     EVP_DigestUpdate(hash, mark, sizeof mark) == 1;
    STACK_OF(X509_OBJECT) *roots = X509_STORE_get0_objects(SSL_CTX_get_cert_store(context));
    for (int index = 0; is_hashed && index < sk_X509_OBJECT_num(roots); index++) {
        X509 *root = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(roots, index));
        uint8_t each[32];
        is_hashed = root == NULL || (X509_digest(root, EVP_sha256(), each, NULL) == 1 &&
                                     EVP_DigestUpdate(hash, each, sizeof each) == 1);
    }
    is_hashed = is_hashed && EVP_DigestFinal_ex(hash, digest, NULL) == 1 &&
                SSL_CTX_set_session_id_context(context, digest, sizeof digest) == 1;
    EVP_MD_CTX_free(hash);
    return is_hashed;
}

static bool ask_clients(SSL_CTX *context, apus_tls_client_certificates which, const char *roots,
                        uint32_t listener, apus_tls_problem *problem) {
    if (which != APUS_TLS_CLIENTS_ANONYMOUS && roots != NULL) {
        BIO *file = apus_tls_open(roots, "client roots", problem);
        if (file == NULL) {
            return false;
        }
        BIO_free(file);
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(roots);
        if (names == NULL || SSL_CTX_load_verify_file(context, roots) != 1) {
            sk_X509_NAME_pop_free(names, X509_NAME_free);
            apus_tls_problem_openssl(problem, "the client roots file %s has no certificates in PEM",
                                     roots);
            return false;
        }
        SSL_CTX_set_client_CA_list(context, names);
        int mode = SSL_VERIFY_PEER;
        if (which == APUS_TLS_CLIENTS_REQUIRED) {
            mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
        }
        SSL_CTX_set_verify(context, mode, NULL);
    }
    if (!mark_sessions(context, which, listener)) {
        apus_tls_problem_openssl(problem, "OpenSSL refuses the sessions' mark");
        return false;
    }
    return true;
}

static apus_tls_context *allocate(size_t count, apus_tls_problem *problem) {
    apus_tls_context *context = calloc(1, sizeof *context);
    if (context != NULL) {
        context->contexts = calloc(count, sizeof *context->contexts);
    }
    if (context == NULL || context->contexts == NULL) {
        free(context);
        apus_tls_problem_say(problem, "there is no memory for TLS");
        return NULL;
    }
    return context;
}

apus_tls_context *apus_tls_context_server(apus_tls_identity *const *identities, size_t count,
                                          apus_tls_client_certificates client_certificates,
                                          const char *client_roots, bool is_tls12_refused,
                                          uint32_t listener, apus_tls_problem *problem) {
    apus_tls_context *context = allocate(count, problem);
    if (context == NULL) {
        return NULL;
    }
    for (size_t index = 0; index < count; index++) {
        SSL_CTX *made = make(TLS_server_method(), problem);
        if (made == NULL) {
            apus_tls_context_destroy(context);
            return NULL;
        }
        context->contexts[context->count++] = made;
        if (!use_identity(made, identities[index], problem) ||
            !ask_clients(made, client_certificates, client_roots, listener, problem)) {
            apus_tls_context_destroy(context);
            return NULL;
        }
        if (is_tls12_refused) {
            SSL_CTX_set_min_proto_version(made, TLS1_3_VERSION);
        }
        SSL_CTX_set_alpn_select_cb(made, select_protocol, NULL);
    }
    SSL_CTX_set_tlsext_servername_callback(context->contexts[0], select_identity);
    SSL_CTX_set_tlsext_servername_arg(context->contexts[0], context);
    return context;
}

static bool trust(SSL_CTX *context, apus_tls_trust trust, const char *roots,
                  apus_tls_problem *problem) {
    if (trust == APUS_TLS_TRUST_ANYONE) {
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
        return true;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (trust == APUS_TLS_TRUST_SYSTEM) {
        if (SSL_CTX_set_default_verify_paths(context) == 1) {
            return true;
        }
        apus_tls_problem_openssl(problem, "the system's roots cannot be read");
        return false;
    }
    BIO *file = apus_tls_open(roots, "roots", problem);
    if (file == NULL) {
        return false;
    }
    BIO_free(file);
    if (SSL_CTX_load_verify_file(context, roots) != 1) {
        apus_tls_problem_openssl(problem, "the roots file %s has no certificates in PEM", roots);
        return false;
    }
    return true;
}

apus_tls_context *apus_tls_context_client(apus_tls_trust whom, const char *roots,
                                          apus_tls_identity *identity, apus_tls_problem *problem) {
    apus_tls_context *context = allocate(1, problem);
    if (context == NULL) {
        return NULL;
    }
    context->is_client = true;
    SSL_CTX *made = make(TLS_client_method(), problem);
    if (made != NULL) {
        context->contexts[context->count++] = made;
        if (trust(made, whom, roots, problem) &&
            (identity == NULL || use_identity(made, identity, problem))) {
            // Fails for want of memory alone.
            if (SSL_CTX_set_alpn_protos(made, protocols, sizeof protocols) == 0) {
                return context;
            }
            apus_tls_problem_say(problem, "there is no memory for TLS");
        }
    }
    apus_tls_context_destroy(context);
    return NULL;
}

void apus_tls_context_destroy(apus_tls_context *context) {
    for (size_t index = 0; index < context->count; index++) {
        SSL_CTX_free(context->contexts[index]);
    }
    free(context->contexts);
    OPENSSL_cleanse(context->ticket_keys, sizeof context->ticket_keys);
    free(context);
}

void apus_tls_context_set_ticket_keys(apus_tls_context *context, const apus_tls_ticket_key *current,
                                      const apus_tls_ticket_key *previous) {
    context->ticket_keys[0] = *current;
    context->ticket_keys[1] = *previous;
    context->has_ticket_keys = true;
    // Tickets are those of the context that a session began with.
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context->contexts[0], apus_tls_ticket);
}

void apus_tls_context_copy_ticket_keys(apus_tls_context *context, const apus_tls_context *other) {
    if (other->has_ticket_keys) {
        apus_tls_context_set_ticket_keys(context, &other->ticket_keys[0], &other->ticket_keys[1]);
    }
}
