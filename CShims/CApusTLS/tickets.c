// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "internal.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <string.h>

static bool set_mac_key(EVP_MAC_CTX *mac, apus_tls_ticket_key *key) {
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac_key, sizeof key->mac_key),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

// As SSL_CTX_set_tlsext_ticket_key_evp_cb wants it: -1 fails the handshake, 0 takes no ticket, 1
// takes it, 2 takes it and sends a new one.
int apus_tls_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                    EVP_MAC_CTX *mac, int is_new) {
    const apus_tls_session *session = SSL_get_app_data(ssl);
    apus_tls_context *context = session->context;
    if (is_new != 0) {
        apus_tls_ticket_key *key = &context->ticket_keys[0];
        memcpy(name, key->name, sizeof key->name);
        bool is_ready =
            RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
            EVP_EncryptInit_ex2(cipher, EVP_aes_256_cbc(), key->cipher_key, iv, NULL) == 1 &&
            set_mac_key(mac, key);
        return is_ready ? 1 : -1;
    }
    for (size_t index = 0; index < 2; index++) {
        apus_tls_ticket_key *key = &context->ticket_keys[index];
        if (memcmp(name, key->name, sizeof key->name) != 0) {
            continue;
        }
        bool is_ready =
            EVP_DecryptInit_ex2(cipher, EVP_aes_256_cbc(), key->cipher_key, iv, NULL) == 1 &&
            set_mac_key(mac, key);
        return !is_ready ? -1 : index == 0 ? 1 : 2;
    }
    return 0;
}
