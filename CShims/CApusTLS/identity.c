// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "internal.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

// Nobody is there to type a passphrase.
static int no_passphrase(char *buffer, int size, int is_writing, void *context) {
    (void)buffer;
    (void)size;
    (void)is_writing;
    (void)context;
    return -1;
}

static bool load_chain(apus_tls_identity *identity, const char *path, apus_tls_problem *problem) {
    BIO *file = apus_tls_open(path, "certificate", problem);
    if (file == NULL) {
        return false;
    }
    identity->certificate = PEM_read_bio_X509(file, NULL, no_passphrase, NULL);
    bool is_read = identity->certificate != NULL;
    if (!is_read) {
        apus_tls_problem_openssl(problem, "the certificate file %s has no certificate in PEM",
                                 path);
    }
    while (is_read) {
        X509 *next = PEM_read_bio_X509(file, NULL, no_passphrase, NULL);
        if (next == NULL) {
            // The end of the file is no other thing for OpenSSL than text without PEM in it.
            if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
                apus_tls_problem_openssl(problem,
                                         "the certificate file %s has a damaged certificate", path);
                is_read = false;
            }
            break;
        }
        if (sk_X509_push(identity->chain, next) == 0) {
            X509_free(next);
            apus_tls_problem_say(problem, "there is no memory for the certificates in %s", path);
            is_read = false;
        }
    }
    BIO_free(file);
    ERR_clear_error();
    return is_read;
}

static bool load_key(apus_tls_identity *identity, const char *path, const char *certificate_path,
                     apus_tls_problem *problem) {
    BIO *file = apus_tls_open(path, "key", problem);
    if (file == NULL) {
        return false;
    }
    identity->key = PEM_read_bio_PrivateKey(file, NULL, no_passphrase, NULL);
    BIO_free(file);
    if (identity->key == NULL) {
        apus_tls_problem_openssl(
            problem, "the key file %s has no private key in PEM without a passphrase", path);
        return false;
    }
    if (X509_check_private_key(identity->certificate, identity->key) != 1) {
        apus_tls_problem_say(problem, "the key in %s is not that of the first certificate in %s",
                             path, certificate_path);
        return false;
    }
    return true;
}

apus_tls_identity *apus_tls_identity_load(const char *certificate_path, const char *key_path,
                                          apus_tls_problem *problem) {
    apus_tls_identity *identity = calloc(1, sizeof *identity);
    if (identity == NULL || (identity->chain = sk_X509_new_null()) == NULL) {
        apus_tls_problem_say(problem, "there is no memory for a certificate");
    } else if (load_chain(identity, certificate_path, problem) &&
               load_key(identity, key_path, certificate_path, problem)) {
        return identity;
    }
    apus_tls_identity_destroy(identity);
    return NULL;
}

// Appends a host's name, or an address.
static bool append_name(GENERAL_NAMES *names, const char *text) {
    GENERAL_NAME *name = GENERAL_NAME_new();
    if (name == NULL) {
        return false;
    }
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(text);
    if (address != NULL) {
        GENERAL_NAME_set0_value(name, GEN_IPADD, address);
    } else {
        ASN1_IA5STRING *host = ASN1_IA5STRING_new();
        if (host == NULL || ASN1_STRING_set(host, text, -1) != 1) {
            ASN1_IA5STRING_free(host);
            GENERAL_NAME_free(name);
            return false;
        }
        GENERAL_NAME_set0_value(name, GEN_DNS, host);
    }
    if (sk_GENERAL_NAME_push(names, name) == 0) {
        GENERAL_NAME_free(name);
        return false;
    }
    return true;
}

static bool add_names(X509 *certificate, const char *names) {
    GENERAL_NAMES *list = GENERAL_NAMES_new();
    char *copy = strdup(names);
    bool is_added = list != NULL && copy != NULL;
    char *rest = NULL;
    for (char *name = copy == NULL ? NULL : strtok_r(copy, " ", &rest); is_added && name != NULL;
         name = strtok_r(NULL, " ", &rest)) {
        is_added = append_name(list, name);
    }
    is_added = is_added && X509_add1_ext_i2d(certificate, NID_subject_alt_name, list, 0,
                                             X509V3_ADD_DEFAULT) == 1;
    free(copy);
    GENERAL_NAMES_free(list);
    return is_added;
}

static bool add_extension(X509 *certificate, int kind, const char *value) {
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, kind, value);
    bool is_added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return is_added;
}

static bool fill_self_signed(X509 *certificate, EVP_PKEY *key, const char *names) {
    enum { hour = 3600, year = 365 * 24 * hour };
    uint8_t serial[8];
    if (RAND_bytes(serial, sizeof serial) != 1) {
        return false;
    }
    serial[0] = (serial[0] & 0x7F) | 0x40; // positive, and of that length
    BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
    bool is_numbered =
        number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    X509_NAME *subject = X509_get_subject_name(certificate);
    // Clocks differ a little.
    return is_numbered && X509_set_version(certificate, X509_VERSION_3) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -hour) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), year) != NULL &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                      (const unsigned char *)"Apus, self-signed", -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, subject) == 1 &&
           X509_set_pubkey(certificate, key) == 1 && add_names(certificate, names) &&
           add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
           add_extension(certificate, NID_ext_key_usage, "serverAuth,clientAuth") &&
           X509_sign(certificate, key, EVP_sha256()) > 0;
}

apus_tls_identity *apus_tls_identity_self_signed(const char *names, apus_tls_problem *problem) {
    apus_tls_identity *identity = calloc(1, sizeof *identity);
    if (identity != NULL) {
        identity->chain = sk_X509_new_null();
        identity->certificate = X509_new();
        identity->key = EVP_EC_gen("P-256");
        if (identity->chain != NULL && identity->certificate != NULL && identity->key != NULL &&
            fill_self_signed(identity->certificate, identity->key, names)) {
            return identity;
        }
    }
    apus_tls_problem_openssl(problem, "a certificate cannot be made");
    apus_tls_identity_destroy(identity);
    return NULL;
}

void apus_tls_identity_destroy(apus_tls_identity *identity) {
    if (identity == NULL) {
        return;
    }
    X509_free(identity->certificate);
    sk_X509_pop_free(identity->chain, X509_free);
    EVP_PKEY_free(identity->key);
    free(identity);
}

size_t apus_tls_identity_certificate(const apus_tls_identity *identity, uint8_t *output,
                                     size_t capacity) {
    int size = i2d_X509(identity->certificate, NULL);
    if (size > 0 && (size_t)size <= capacity) {
        i2d_X509(identity->certificate, &output);
    }
    return size > 0 ? (size_t)size : 0;
}
