// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#ifndef APUS_CODEC_ACCEPT_KEY_H
#define APUS_CODEC_ACCEPT_KEY_H

#include "internal.h"

/*
 * The message that is hashed always has 60 bytes: the key and a GUID. Its padding begins in the
 * block of 64 bytes that it fills and goes on in a second one, which is the same for all keys.
 */
enum { APUS_SHA1_WORDS = 80 };

/* What the 80 rounds of that second block take, the last word first, as the instructions of x86
 * want four of them. */
APUS_HIDDEN extern const uint32_t apus_padding_words[APUS_SHA1_WORDS];

/* The first block without the key: the GUID and the bit that ends the message. Backwards, too. */
APUS_HIDDEN extern const uint32_t apus_guid_words[16];

/* By the processor's instructions for SHA-1, where apus_has_sha1. */
#if defined(__x86_64__) || defined(__AARCH64EL__)
APUS_HIDDEN void apus_accept_key_sha1(const uint8_t *key, uint8_t *accept);
#endif

/* The 28 digits of a digest of five words. */
APUS_HIDDEN void apus_accept_key_digits(const uint32_t hash[5], uint8_t *accept);

#endif
