// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* The accept key as programs make it with OpenSSL: in one call, and with all that can be kept kept.
 */

#include "bench.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
enum { GUID_SIZE = sizeof guid - 1 };

/* EVP_EncodeBlock ends its text with a NUL. */
static unsigned answer(uint8_t *target, const uint8_t *digest) {
    uint8_t text[APUS_ACCEPT_SIZE + 1];
    EVP_EncodeBlock(text, digest, SHA_DIGEST_LENGTH);
    memcpy(target, text, APUS_ACCEPT_SIZE);
    return target[0] + target[26];
}

unsigned openssl_one_shot(uint8_t *target, uint8_t *bytes, size_t size) {
    uint8_t input[APUS_KEY_SIZE + GUID_SIZE], digest[SHA_DIGEST_LENGTH];
    memcpy(input, bytes, size);
    memcpy(input + size, guid, GUID_SIZE);
    SHA1(input, sizeof input, digest);
    return answer(target, digest);
}

unsigned openssl_kept(uint8_t *target, uint8_t *bytes, size_t size) {
    static EVP_MD *sha1;
    static EVP_MD_CTX *context;
    if (context == NULL) {
        sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
        context = EVP_MD_CTX_new();
    }
    uint8_t digest[SHA_DIGEST_LENGTH];
    if (sha1 == NULL || context == NULL || !EVP_DigestInit_ex2(context, sha1, NULL) ||
        !EVP_DigestUpdate(context, bytes, size) || !EVP_DigestUpdate(context, guid, GUID_SIZE) ||
        !EVP_DigestFinal_ex(context, digest, NULL)) {
        die("OpenSSL does not hash");
    }
    return answer(target, digest);
}
