// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "internal.h"

#include <stdlib.h>
#include <string.h>

// More without data is a flood. The largest legitimate handshakes are a fifth of it.
enum { idle_size_max = 64 * 1024 };

// To take and give back OpenSSL's two buffers of a session, 34 KB, for every message is a twelfth
// of its instructions for a small one. So a session that has received this often since it was at
// rest keeps them, and so many sessions of a thread at most: 8.5 MB. (OpenSSL 3.0.)
enum { busy_receive_count = 64, busy_session_max = 256 };

// Gives up its place among the busy ones; the last of them takes it.
static void leave_busy(apus_tls_session *session) {
    apus_tls_wire *wire = session->wire;
    if (session->is_busy) {
        session->is_busy = false;
        apus_tls_session *last = wire->busy[--wire->busy_count];
        last->busy_index = session->busy_index;
        wire->busy[session->busy_index] = last;
    }
}

static apus_tls_session *make(apus_tls_context *context, apus_tls_wire *wire) {
    apus_tls_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        return NULL;
    }
    session->wire = wire;
    session->context = context;
    session->ssl = SSL_new(context->contexts[0]);
    BIO *bio = session->ssl == NULL ? NULL : apus_tls_wire_bio(wire);
    if (bio == NULL) {
        apus_tls_session_destroy(session);
        ERR_clear_error();
        return NULL;
    }
    SSL_set_bio(session->ssl, bio, bio);
    SSL_set_app_data(session->ssl, session);
    return session;
}

void apus_tls_session_destroy(apus_tls_session *session) {
    leave_busy(session);
    SSL_free(session->ssl);
    free(session);
}

apus_tls_session *apus_tls_session_server(apus_tls_context *context, apus_tls_wire *wire) {
    apus_tls_session *session = make(context, wire);
    if (session != NULL) {
        SSL_set_accept_state(session->ssl);
    }
    return session;
}

// Whom the server has to be, and what it is told about that: a name, but no address (RFC 6066 §3).
static bool set_host(SSL *ssl, const char *host, apus_tls_problem *problem) {
    X509_VERIFY_PARAM *parameters = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(parameters, host) == 1) {
        return true;
    }
    ERR_clear_error();
    X509_VERIFY_PARAM_set_hostflags(parameters, apus_tls_name_flags);
    char name[TLSEXT_MAXLEN_host_name + 1];
    size_t length = apus_tls_name_length(host);
    if (length == 0 || length >= sizeof name) {
        apus_tls_problem_say(problem, "no certificate can be for \"%.100s\"", host);
        return false;
    }
    memcpy(name, host, length);
    name[length] = 0;
    if (X509_VERIFY_PARAM_set1_host(parameters, name, length) == 1 &&
        SSL_set_tlsext_host_name(ssl, name) == 1) {
        return true;
    }
    apus_tls_problem_openssl(problem, "OpenSSL refuses the host \"%.100s\"", name);
    return false;
}

apus_tls_session *apus_tls_session_client(apus_tls_context *context, const char *host,
                                          apus_tls_wire *wire, apus_tls_problem *problem) {
    apus_tls_session *session = make(context, wire);
    if (session == NULL) {
        apus_tls_problem_say(problem, "there is no memory for TLS");
        return NULL;
    }
    ERR_clear_error();
    SSL_set_connect_state(session->ssl);
    if (!set_host(session->ssl, host, problem)) {
        apus_tls_session_destroy(session);
        return NULL;
    }
    size_t output_count = wire->output_count;
    if (SSL_get_error(session->ssl, SSL_do_handshake(session->ssl)) != SSL_ERROR_WANT_READ) {
        wire->output_count = output_count;
        apus_tls_session_destroy(session);
        apus_tls_problem_openssl(problem, "OpenSSL cannot begin");
        return NULL;
    }
    return session;
}

// An operation failed: says why, for there are no others after it.
static int fail(apus_tls_session *session) {
    // The last one, if it is a session's: those of other calls of this thread may lie before it,
    // and want of memory may have left none.
    unsigned long error = ERR_peek_last_error();
    if (ERR_GET_LIB(error) != ERR_LIB_SSL) {
        error = 0;
    }
    long verdict = SSL_get_verify_result(session->ssl);
    session->failure_text = ERR_reason_error_string(error);
    if (session->is_alert_received) {
        session->failure_fault = APUS_TLS_FAULT_REFUSED;
    } else if (ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        session->failure_fault = APUS_TLS_FAULT_CERTIFICATE;
        session->failure_text = X509_verify_cert_error_string(verdict);
    } else if (error == 0 || ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE ||
               session->failure_alert == SSL_AD_INTERNAL_ERROR) {
        session->failure_fault = APUS_TLS_FAULT_SYSTEM;
    } else {
        session->failure_fault = APUS_TLS_FAULT_PROTOCOL;
    }
    ERR_clear_error();
    return APUS_TLS_FAILED;
}

// Whether the peer showed no certificate although it had to: however it came to be resumed.
static bool lacks_certificate(SSL *ssl) {
    return (SSL_get_verify_mode(ssl) & SSL_VERIFY_FAIL_IF_NO_PEER_CERT) != 0 &&
           SSL_get0_peer_certificate(ssl) == NULL;
}

static int shake(apus_tls_session *session) {
    // What another call has left in this thread's list of errors is no failure of this session.
    ERR_clear_error();
    size_t output_count = session->wire->output_count;
    int result = SSL_do_handshake(session->ssl);
    if (result == 1 && SSL_is_server(session->ssl) && lacks_certificate(session->ssl)) {
        // No ticket for it either.
        session->wire->output_count = output_count;
        session->failure_fault = APUS_TLS_FAULT_CERTIFICATE;
        session->failure_text = "no certificate";
        return APUS_TLS_FAILED;
    }
    if (result == 1) {
        // What the checks that succeeded have left is no failure of this thread's next session.
        ERR_clear_error();
        session->is_established = true;
        session->idle_size = 0;
        return APUS_TLS_ESTABLISHED;
    }
    return SSL_get_error(session->ssl, result) == SSL_ERROR_WANT_READ ? 0 : fail(session);
}

// Decrypts all that there is; the plaintext is smaller than it was as ciphertext, but for a record
// of which a part came before.
static int decrypt(apus_tls_session *session) {
    apus_tls_wire *wire = session->wire;
    if (!apus_tls_wire_reserve(wire, wire->input_count + SSL3_RT_MAX_PLAIN_LENGTH)) {
        session->failure_fault = APUS_TLS_FAULT_SYSTEM;
        return APUS_TLS_FAILED;
    }
    // A call that finds nothing would take a buffer and give it back.
    while (wire->input_count > 0 || SSL_pending(session->ssl) > 0) {
        size_t count = 0;
        int result = SSL_read_ex(session->ssl, wire->plaintext + wire->plaintext_count,
                                 wire->plaintext_capacity - wire->plaintext_count, &count);
        if (result == 1) {
            wire->plaintext_count += count;
            session->is_amid = false;
            continue;
        }
        // SSL_get_error would ask the thread's list of errors, which had to be cleared before.
        if (SSL_want_read(session->ssl)) {
            session->is_amid = true;
            continue;
        }
        bool is_closed = (SSL_get_shutdown(session->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
        return is_closed && !session->is_alert_received ? APUS_TLS_CLOSED : fail(session);
    }
    return 0;
}

// Where all places are taken, one after the other is looked at, and one whose session has received
// nothing since the last look is taken over.
static bool make_place(apus_tls_wire *wire) {
    if (wire->busy == NULL) {
        wire->busy = calloc(busy_session_max, sizeof(apus_tls_session *));
    }
    if (wire->busy == NULL || wire->busy_count < busy_session_max) {
        return wire->busy != NULL;
    }
    apus_tls_session *seen = wire->busy[wire->busy_hand++ % busy_session_max];
    if (seen->has_received) {
        seen->has_received = false;
        return false;
    }
    apus_tls_session_rest(seen);
    return true;
}

static void become_busy(apus_tls_session *session) {
    apus_tls_wire *wire = session->wire;
    session->receive_count = 0;
    if (make_place(wire)) {
        session->is_busy = true;
        session->busy_index = wire->busy_count;
        wire->busy[wire->busy_count++] = session;
        SSL_clear_mode(session->ssl, SSL_MODE_RELEASE_BUFFERS);
    }
}

void apus_tls_session_rest(apus_tls_session *session) {
    session->receive_count = 0;
    if (session->is_busy) {
        leave_busy(session);
        SSL_set_mode(session->ssl, SSL_MODE_RELEASE_BUFFERS);
        // In the midst of a record it has to keep one, and gives it back behind that.
        if (!session->is_amid) {
            SSL_free_buffers(session->ssl);
        }
    }
}

int apus_tls_session_receive(apus_tls_session *session, const uint8_t *ciphertext, size_t count) {
    apus_tls_wire *wire = session->wire;
    wire->plaintext_count = 0;
    if (session->failure_fault != APUS_TLS_FAULT_NONE) {
        return APUS_TLS_FAILED;
    }
    wire->input = ciphertext;
    wire->input_count = count;
    session->idle_size += (uint32_t)(count < idle_size_max ? count : idle_size_max);
    int events = session->is_established ? 0 : shake(session);
    if (session->is_established && (events & APUS_TLS_FAILED) == 0) {
        events |= decrypt(session);
    }
    wire->input_count = 0;
    if (wire->plaintext_count > 0) {
        session->idle_size = 0;
        session->has_received = true;
        if (!session->is_busy && ++session->receive_count == busy_receive_count) {
            become_busy(session);
        }
    }
    if ((events & APUS_TLS_FAILED) == 0 && session->is_renegotiation_asked) {
        session->failure_fault = APUS_TLS_FAULT_PROTOCOL;
        session->failure_alert = SSL_AD_NO_RENEGOTIATION;
        session->failure_text = "no renegotiation";
        events |= APUS_TLS_FAILED;
    }
    if (events == 0 && session->idle_size > idle_size_max) {
        session->failure_fault = APUS_TLS_FAULT_FLOOD;
        events = APUS_TLS_FAILED;
    }
    return events;
}

bool apus_tls_session_send(apus_tls_session *session, const uint8_t *bytes, size_t count) {
    if (!session->is_established || session->is_closed ||
        session->failure_fault != APUS_TLS_FAULT_NONE) {
        return false;
    }
    size_t written = 0;
    size_t output_count = session->wire->output_count;
    if (count == 0 || SSL_write_ex(session->ssl, bytes, count, &written) == 1) {
        return true;
    }
    session->wire->output_count = output_count;
    fail(session);
    return false;
}

void apus_tls_session_close(apus_tls_session *session) {
    if (!session->is_established || session->is_closed ||
        session->failure_fault != APUS_TLS_FAULT_NONE) {
        return;
    }
    session->is_closed = true;
    ERR_clear_error();
    SSL_shutdown(session->ssl);
    ERR_clear_error();
}

apus_tls_failure apus_tls_session_failure(const apus_tls_session *session) {
    return (apus_tls_failure){
        .fault = (apus_tls_fault)session->failure_fault,
        .alert = session->failure_alert,
        .text = session->failure_text,
    };
}

const char *apus_tls_alert_name(uint8_t alert) {
    return SSL_alert_desc_string_long(alert);
}

const char *apus_tls_session_version(const apus_tls_session *session) {
    return session->is_established ? SSL_get_version(session->ssl) : "";
}

const char *apus_tls_session_cipher(const apus_tls_session *session) {
    return session->is_established ? SSL_get_cipher_name(session->ssl) : "";
}

bool apus_tls_session_is_established(const apus_tls_session *session) {
    return session->is_established;
}

bool apus_tls_session_is_busy(const apus_tls_session *session) {
    return session->is_busy;
}

bool apus_tls_session_is_resumed(const apus_tls_session *session) {
    return session->is_established && SSL_session_reused(session->ssl) == 1;
}

size_t apus_tls_session_peer_certificate(const apus_tls_session *session, uint8_t *output,
                                         size_t capacity) {
    X509 *certificate = SSL_get0_peer_certificate(session->ssl);
    int size = certificate == NULL ? 0 : i2d_X509(certificate, NULL);
    if (size > 0 && (size_t)size <= capacity) {
        i2d_X509(certificate, &output);
    }
    return size > 0 ? (size_t)size : 0;
}

bool apus_tls_session_update_keys(apus_tls_session *session) {
    ERR_clear_error();
    bool is_asked = session->is_established &&
                    SSL_key_update(session->ssl, SSL_KEY_UPDATE_REQUESTED) == 1 &&
                    SSL_do_handshake(session->ssl) == 1;
    ERR_clear_error();
    return is_asked;
}
