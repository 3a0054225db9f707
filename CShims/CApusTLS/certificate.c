// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "internal.h"

#include <openssl/pem.h>
#include <string.h>

static X509 *parse(const uint8_t *der, size_t size) {
    X509 *certificate = d2i_X509(NULL, &der, apus_tls_long(size));
    ERR_clear_error();
    return certificate;
}

// What was written to memory, copied as far as it fits; frees it.
static size_t take(BIO *memory, bool is_written, char *text, size_t capacity) {
    char *bytes = NULL;
    long count = is_written ? BIO_get_mem_data(memory, &bytes) : 0;
    size_t length = count > 0 ? (size_t)count : 0;
    if (length > 0 && capacity > 0) {
        memcpy(text, bytes, length < capacity ? length : capacity);
    }
    BIO_free(memory);
    ERR_clear_error();
    return length;
}

size_t apus_tls_certificate_subject(const uint8_t *der, size_t size, char *text, size_t capacity) {
    X509 *certificate = parse(der, size);
    BIO *memory = BIO_new(BIO_s_mem());
    // Characters of UTF-8 as they are; controls and what RFC 4514 means otherwise escaped.
    bool is_written =
        certificate != NULL && memory != NULL &&
        X509_NAME_print_ex(memory, X509_get_subject_name(certificate), 0,
                           XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0;
    X509_free(certificate);
    return take(memory, is_written, text, capacity);
}

static GENERAL_NAMES *names_of(const uint8_t *der, size_t size) {
    X509 *certificate = parse(der, size);
    GENERAL_NAMES *names = certificate == NULL
                               ? NULL
                               : X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    X509_free(certificate);
    ERR_clear_error();
    return names;
}

size_t apus_tls_certificate_name_count(const uint8_t *der, size_t size) {
    GENERAL_NAMES *names = names_of(der, size);
    int count = names == NULL ? 0 : sk_GENERAL_NAME_num(names);
    GENERAL_NAMES_free(names);
    return count > 0 ? (size_t)count : 0;
}

// A name that is text, unless there are bytes in it that would make it look like another one.
static bool write_text(BIO *memory, const char *kind, const ASN1_STRING *name) {
    const uint8_t *bytes = ASN1_STRING_get0_data(name);
    int count = ASN1_STRING_length(name);
    for (int index = 0; index < count; index++) {
        if (bytes[index] < 0x20 || bytes[index] >= 0x7F) {
            return false;
        }
    }
    return BIO_printf(memory, "%s:%.*s", kind, count, (const char *)bytes) > 0;
}

static bool write_address(BIO *memory, const ASN1_OCTET_STRING *address) {
    const uint8_t *bytes = ASN1_STRING_get0_data(address);
    int count = ASN1_STRING_length(address);
    if (count == 4) {
        return BIO_printf(memory, "IP:%u.%u.%u.%u", bytes[0], bytes[1], bytes[2], bytes[3]) > 0;
    }
    if (count != 16) {
        return false;
    }
    bool is_written = BIO_puts(memory, "IP:") > 0;
    for (int index = 0; is_written && index < 16; index += 2) {
        unsigned part = (unsigned)bytes[index] << 8 | bytes[index + 1];
        is_written = BIO_printf(memory, index == 0 ? "%x" : ":%x", part) > 0;
    }
    return is_written;
}

size_t apus_tls_certificate_name(const uint8_t *der, size_t size, size_t index, char *text,
                                 size_t capacity) {
    GENERAL_NAMES *names = names_of(der, size);
    BIO *memory = BIO_new(BIO_s_mem());
    bool is_written = false;
    if (names != NULL && memory != NULL && index < (size_t)sk_GENERAL_NAME_num(names)) {
        int kind = 0;
        void *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, (int)index), &kind);
        switch (kind) {
        case GEN_DNS:
            is_written = write_text(memory, "DNS", value);
            break;
        case GEN_EMAIL:
            is_written = write_text(memory, "email", value);
            break;
        case GEN_URI:
            is_written = write_text(memory, "URI", value);
            break;
        case GEN_IPADD:
            is_written = write_address(memory, value);
            break;
        default:
            break;
        }
    }
    GENERAL_NAMES_free(names);
    return take(memory, is_written, text, capacity);
}

size_t apus_tls_certificate_pem(const uint8_t *der, size_t size, char *text, size_t capacity) {
    X509 *certificate = parse(der, size);
    BIO *memory = BIO_new(BIO_s_mem());
    bool is_written =
        certificate != NULL && memory != NULL && PEM_write_bio_X509(memory, certificate) == 1;
    X509_free(certificate);
    return take(memory, is_written, text, capacity);
}

bool apus_tls_certificate_fingerprint(const uint8_t *der, size_t size, uint8_t *digest) {
    return EVP_Digest(der, size, digest, NULL, EVP_sha256(), NULL) == 1;
}

static bool seconds(const ASN1_TIME *time, int64_t *result) {
    int days = 0;
    int rest = 0;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    bool is_known = epoch != NULL && ASN1_TIME_diff(&days, &rest, epoch, time) == 1;
    ASN1_TIME_free(epoch);
    *result = (int64_t)days * 86400 + rest;
    return is_known;
}

bool apus_tls_certificate_validity(const uint8_t *der, size_t size, int64_t *from, int64_t *until) {
    X509 *certificate = parse(der, size);
    bool is_known = certificate != NULL && seconds(X509_get0_notBefore(certificate), from) &&
                    seconds(X509_get0_notAfter(certificate), until);
    X509_free(certificate);
    return is_known;
}
