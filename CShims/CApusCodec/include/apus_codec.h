// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * apus_codec: the arithmetic of RFC 6455 §5 for whoever has bytes of a WebSocket connection.
 *
 * Frame headers, masking, UTF-8, close codes and the accept key. Every function works on memory of
 * the caller, touches nothing outside the ranges it is given, never allocates, does no I/O, leaves
 * errno alone and never calls back. A pointer to no bytes may be NULL. C11, gcc or clang, no
 * compiler flags.
 *
 * Threads: all functions may be called from any thread at the same time on different memory. The
 * one shared state is the choice of instruction set (see the end), made on first use, atomically.
 */

#ifndef APUS_CODEC_H
#define APUS_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define APUS_CODEC_VERSION_MAJOR 0
#define APUS_CODEC_VERSION_MINOR 1
#define APUS_CODEC_VERSION_PATCH 0

/* What a function found. The numbers are stable; later versions only add. */
typedef enum apus_result {
    APUS_OK = 0,
    APUS_INCOMPLETE = 1, /* every byte so far is fine; more are needed */

    /* The peer broke a rule. apus_result_close_code gives the code to close with. */
    APUS_RESERVED_BITS = -1,            /* RSV1-3 without an extension that defines it, §5.2 */
    APUS_RESERVED_OPCODE = -2,          /* 3-7, 11-15, §5.2 */
    APUS_CONTROL_FRAGMENTED = -3,       /* control frame without FIN, §5.5 */
    APUS_CONTROL_TOO_LONG = -4,         /* control frame over 125 bytes, §5.5 */
    APUS_LENGTH_NOT_MINIMAL = -5,       /* a shorter encoding exists, §5.2 */
    APUS_LENGTH_TOP_BIT = -6,           /* 64-bit length with its top bit set, §5.2 */
    APUS_MASK_MISSING = -7,             /* client frame without mask, §5.1 */
    APUS_MASK_UNEXPECTED = -8,          /* server frame with mask, §5.1 */
    APUS_INVALID_UTF8 = -9,             /* text or close reason, §8.1 */
    APUS_CLOSE_PAYLOAD_TOO_SHORT = -10, /* close frame with a payload of one byte, §5.5.1 */
    APUS_CLOSE_CODE_INVALID = -11       /* a code that must not be on the wire, §7.4 */
} apus_result;

/* The close code for a result (§7.4.1): 1002, or 1007 for APUS_INVALID_UTF8; 0 for APUS_OK and
 * APUS_INCOMPLETE. */
uint16_t apus_result_close_code(apus_result result);

/* ---- Frame headers, §5.2 ---- */

enum {
    APUS_OPCODE_CONTINUATION = 0x0,
    APUS_OPCODE_TEXT = 0x1,
    APUS_OPCODE_BINARY = 0x2,
    APUS_OPCODE_CLOSE = 0x8,
    APUS_OPCODE_PING = 0x9,
    APUS_OPCODE_PONG = 0xA
};

/* Bits of the first header byte, as on the wire. */
enum { APUS_FIN = 0x80, APUS_RSV1 = 0x40, APUS_RSV2 = 0x20, APUS_RSV3 = 0x10 };

/* A header never takes more bytes than this: 2 + 8 of length + 4 of key. */
#define APUS_HEADER_SIZE_MAX 14

typedef struct apus_frame_header {
    uint64_t payload_size; /* < 2^63 */
    uint32_t masking_key;  /* the four bytes as they lie on the wire, loaded by memcpy; 0 if none */
    uint8_t bits;          /* FIN and RSV1-3 */
    uint8_t opcode;        /* one of APUS_OPCODE_… */
    uint8_t header_size;   /* 2 to 14 */
    uint8_t is_masked;     /* 0 or 1 */
} apus_frame_header;

/* Who reads: a server requires masks, a client refuses them. */
typedef enum apus_role { APUS_SERVER = 0, APUS_CLIENT = 1 } apus_role;

/*
 * Decodes the header at the start of `bytes`.
 *
 * APUS_OK: `header` is filled and header->header_size bytes were read. APUS_INCOMPLETE: call again
 * with the same bytes and more. Otherwise the rule that is broken; it is reported at the first byte
 * that proves it, so a violation may be found in a header that is not complete yet.
 *
 * reserved_bits_allowed: those of APUS_RSV1…3 that negotiated extensions define (0 without any).
 * Whether a frame may come at all (fragments, limits, after a close) is for the caller to judge.
 */
apus_result apus_frame_header_decode(const uint8_t *bytes, size_t size, apus_role role,
                                     uint8_t reserved_bits_allowed, apus_frame_header *header);

/*
 * Writes the shortest header into `out` and returns its size, at most APUS_HEADER_SIZE_MAX; nothing
 * behind it is touched. first_byte: FIN and RSV bits | opcode. payload_size: below 2^63.
 * masking_key: four bytes, or NULL for an unmasked frame.
 */
size_t apus_frame_header_encode(uint8_t *out, uint8_t first_byte, uint64_t payload_size,
                                const uint8_t *masking_key);

/* ---- Masking, §5.3 ---- */

/*
 * XORs `bytes` with the key in place. masking_key: the four bytes as in apus_frame_header; memcpy
 * them from where they lie. offset: how many payload bytes of the frame came before (only offset
 * mod 4 counts). Masking and unmasking are the same.
 */
void apus_mask(uint8_t *bytes, size_t size, uint32_t masking_key, size_t offset);

/* The same from `source` to `target`, which must not overlap. */
void apus_mask_copy(uint8_t *target, const uint8_t *source, size_t size, uint32_t masking_key,
                    size_t offset);

/* ---- UTF-8, §8.1 ---- */

/* The state of a text between two pieces. 0: at a character boundary; start with 0. */
typedef uint32_t apus_utf8_state;

/*
 * Checks the next piece of a text. false at the first byte that no continuation can make valid
 * (the state is then meaningless); it is found in the piece that holds it. At the end of the text
 * it is valid if every piece was and the state is 0.
 */
bool apus_utf8_validate(apus_utf8_state *state, const uint8_t *bytes, size_t size);

/*
 * apus_mask, then apus_utf8_validate of what came out, in one pass: for the text of a frame, and
 * where both are wanted always faster for short pieces. All bytes are unmasked, whatever the
 * answer.
 */
bool apus_mask_utf8(apus_utf8_state *state, uint8_t *bytes, size_t size, uint32_t masking_key,
                    size_t offset);

/* The same from `source` to `target`, which must not overlap. */
bool apus_mask_utf8_copy(apus_utf8_state *state, uint8_t *target, const uint8_t *source,
                         size_t size, uint32_t masking_key, size_t offset);

/* ---- Closing, §5.5.1 and §7.4 ---- */

/* Whether a code may stand in a close frame: 1000-1003, 1007-1014, 3000-4999. */
bool apus_close_code_is_valid(uint16_t code);

/*
 * Checks the unmasked payload of a close frame (at most 125 bytes). On APUS_OK *code is the peer's
 * code, or 1005 for an empty payload; the reason is what follows the first two bytes.
 */
apus_result apus_close_payload_decode(const uint8_t *bytes, size_t size, uint16_t *code);

/* ---- Opening handshake, §4.2.2 ---- */

#define APUS_KEY_SIZE 24
#define APUS_ACCEPT_SIZE 28

/* Whether the 24 bytes are the canonical base64 of 16 bytes, §4.1. */
bool apus_key_is_valid(const uint8_t *key, size_t size);

/* Writes the 28 bytes of Sec-WebSocket-Accept for the 24 bytes of Sec-WebSocket-Key. */
void apus_accept_key(const uint8_t *key, uint8_t *accept);

/* ---- Instruction sets ---- */

/* The best one that the processor has is chosen on first use. Tests and benchmarks force others. */
typedef enum apus_variant {
    APUS_VARIANT_SCALAR = 0, /* portable C: the oracle of the tests */
    APUS_VARIANT_SSE2 = 1,
    APUS_VARIANT_AVX2 = 2,
    APUS_VARIANT_AVX512 = 3, /* F, BW, VL, VBMI */
    APUS_VARIANT_NEON = 4
} apus_variant;

/* Whether this build on this processor can run the variant. */
bool apus_variant_is_available(apus_variant variant);

/* Uses the variant from now on, in every thread; false, and no change, where it is not available.
 * Calls under way finish with the one they began with; a text may go on with another one. */
bool apus_variant_select(apus_variant variant);

/* The variant in use. */
apus_variant apus_variant_current(void);

/* The version of the code that is linked, as "0.1.0". */
const char *apus_codec_version(void);

#ifdef __cplusplus
}
#endif

#endif
