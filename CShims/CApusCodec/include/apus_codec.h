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

/* Of this header; apus_codec_version is that of the code. */
#define APUS_CODEC_VERSION_MAJOR 0
#define APUS_CODEC_VERSION_MINOR 1
#define APUS_CODEC_VERSION_PATCH 0
#define APUS_CODEC_VERSION "0.1.0"

/* Marks what a shared library shows, whatever -fvisibility says; everything else is hidden. Define
 * it yourself, as static or as nothing, where the code becomes part of yours. */
#ifndef APUS_API
#define APUS_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

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
    APUS_CLOSE_CODE_INVALID = -11,      /* a code that must not be on the wire, §7.4 */
    APUS_CONTINUATION_UNEXPECTED = -12, /* a continuation where no message had begun, §5.4 */
    APUS_CONTINUATION_MISSING = -13,    /* a new message before the last one had ended, §5.4 */
    APUS_FRAME_TOO_BIG = -14,           /* over the caller's limits, §10.4 … */
    APUS_MESSAGE_TOO_BIG = -15,
    APUS_TOO_MANY_FRAGMENTS = -16
} apus_result;

/* The close code for a result (§7.4.1): 1007 for APUS_INVALID_UTF8, 1009 for a frame or message too
 * big, 1008 for too many fragments, else 1002; 0 for APUS_OK and APUS_INCOMPLETE. */
APUS_API uint16_t apus_result_close_code(apus_result result);

/* ---- Frame headers, §5.2 ---- */

/* The first byte of a header as on the wire: an opcode and the bits before it, joined by |. */
enum {
    APUS_OPCODE_CONTINUATION = 0x0,
    APUS_OPCODE_TEXT = 0x1,
    APUS_OPCODE_BINARY = 0x2,
    APUS_OPCODE_CLOSE = 0x8,
    APUS_OPCODE_PING = 0x9,
    APUS_OPCODE_PONG = 0xA,
    APUS_FIN = 0x80,
    APUS_RSV1 = 0x40,
    APUS_RSV2 = 0x20,
    APUS_RSV3 = 0x10
};

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
APUS_API apus_result apus_frame_header_decode(const uint8_t *bytes, size_t size, apus_role role,
                                              uint8_t reserved_bits_allowed,
                                              apus_frame_header *header);

/*
 * Decodes the headers of the frames that lie whole in `bytes`, one behind the other, for whoever
 * passes frames on and does not look into them. Up to `capacity` headers are filled, *count of them
 * are of whole frames, and *used leads behind the last of these; what is between two headers is
 * payload.
 *
 * APUS_OK: the bytes end with a frame, or the capacity is used up. APUS_INCOMPLETE: at *used begins
 * a frame whose header or payload is not all there; of a large one apus_frame_header_decode may
 * know the header already. Otherwise the rule that the header at *used breaks. Rules and arguments
 * are those of apus_frame_header_decode; `headers` behind *count may have been written to.
 */
APUS_API apus_result apus_frame_headers_decode(const uint8_t *bytes, size_t size, apus_role role,
                                               uint8_t reserved_bits_allowed,
                                               apus_frame_header *headers, size_t capacity,
                                               size_t *count, size_t *used);

/*
 * Writes the shortest header into `out` and returns its size, at most APUS_HEADER_SIZE_MAX; nothing
 * behind it is touched. first_byte: FIN and RSV bits | opcode. payload_size: below 2^63.
 * masking_key: four bytes, or NULL for an unmasked frame.
 */
APUS_API size_t apus_frame_header_encode(uint8_t *out, uint8_t first_byte, uint64_t payload_size,
                                         const uint8_t *masking_key);

/* ---- Masking, §5.3 ---- */

/*
 * XORs `bytes` with the key in place. masking_key: the four bytes as in apus_frame_header; memcpy
 * them from where they lie. offset: how many payload bytes of the frame came before (only offset
 * mod 4 counts). Masking and unmasking are the same.
 */
APUS_API void apus_mask(uint8_t *bytes, size_t size, uint32_t masking_key, size_t offset);

/* The same from `source` to `target`, which must not overlap. */
APUS_API void apus_mask_copy(uint8_t *target, const uint8_t *source, size_t size,
                             uint32_t masking_key, size_t offset);

/* ---- UTF-8, §8.1 ---- */

/* The state of a text between two pieces. 0: at a character boundary; start with 0. */
typedef uint32_t apus_utf8_state;

/*
 * Checks the next piece of a text. false at the first byte that no continuation can make valid
 * (the state is then meaningless); it is found in the piece that holds it. At the end of the text
 * it is valid if every piece was and the state is 0.
 */
APUS_API bool apus_utf8_validate(apus_utf8_state *state, const uint8_t *bytes, size_t size);

/*
 * apus_mask, then apus_utf8_validate of what came out, in one pass, which pays most for up to 128
 * bytes and for ASCII. All bytes are unmasked, whatever the answer.
 */
APUS_API bool apus_mask_utf8(apus_utf8_state *state, uint8_t *bytes, size_t size,
                             uint32_t masking_key, size_t offset);

/* The same from `source` to `target`, which must not overlap. */
APUS_API bool apus_mask_utf8_copy(apus_utf8_state *state, uint8_t *target, const uint8_t *source,
                                  size_t size, uint32_t masking_key, size_t offset);

/* ---- Closing, §5.5.1 and §7.4 ---- */

/* Whether a code may stand in a close frame: 1000-1003, 1007-1014, 3000-4999. */
APUS_API bool apus_close_code_is_valid(uint16_t code);

/*
 * Checks the unmasked payload of a close frame (at most 125 bytes). On APUS_OK *code is the peer's
 * code, or 1005 for an empty payload; the reason is what follows the first two bytes.
 */
APUS_API apus_result apus_close_payload_decode(const uint8_t *bytes, size_t size, uint16_t *code);

/* ---- Decoder: messages and control frames out of a stream of bytes, §5.4 to §5.6 ---- */

/*
 * Feed it what comes from the network, cut anywhere; it answers with events, each a range of the
 * bytes that were fed, unmasked in place and, where text, checked. The rest of a long message may
 * go straight to where it is wanted: apus_decoder_set_target.
 *
 *     apus_decoder_options options;
 *     apus_decoder_options_init(&options, APUS_SERVER);
 *     apus_decoder decoder;
 *     apus_decoder_init(&decoder, &options);
 *
 *     for each buffer that was received:
 *         for (size_t used; size > 0; bytes += used, size -= used) {
 *             result = apus_decoder_feed(&decoder, bytes, size, &used, events, 64, &count);
 *             handle events[0] to events[count - 1]
 *             if (result != APUS_OK) close with apus_result_close_code(result) and stop
 *         }
 */

/* Rules that a decoder may be told not to insist on. */
enum {
    APUS_ALLOW_UNMASKED = 1 << 0,          /* a server takes frames without mask */
    APUS_ALLOW_MASKED = 1 << 1,            /* a client takes frames with mask */
    APUS_ALLOW_NON_MINIMAL_LENGTH = 1 << 2 /* lengths that have a shorter encoding */
};

typedef struct apus_decoder_options {
    uint64_t frame_size_max;       /* bytes of payload of a data frame, else 1009 on its header */
    uint64_t message_size_max;     /* the sum over its frames, else 1009 on the header in excess */
    uint32_t fragment_count_max;   /* frames of a message, else 1008; empty ones count */
    uint8_t role;                  /* an apus_role */
    uint8_t reserved_bits_allowed; /* those of APUS_RSV1…3 that any frame may have */
    uint8_t allowances;            /* of APUS_ALLOW_… */
    uint8_t check_utf8;            /* 1: text must be UTF-8; see apus_event.reserved_bits */
    uint8_t message_bits_allowed;  /* those that a message may begin with, and no other frame have:
                                      APUS_RSV1 for permessage-deflate, RFC 7692 §6 */
    uint8_t reserved[7];           /* 0 */
} apus_decoder_options;

/* The strict defaults: 1 MiB, 1 MiB, 16384 frames, no reserved bits, no allowances, text checked.
 * Change what you want to; fields of later versions keep their defaults. */
APUS_API void apus_decoder_options_init(apus_decoder_options *options, apus_role role);

/* A connection's decoder, 256 bytes: put it where you like, copy it, forget it; there is nothing to
 * free. Its fields are private. */
typedef struct apus_decoder {
    apus_decoder_options options;
    int32_t result;
    uint8_t reading;
    uint8_t message_opcode;
    uint8_t header_size;
    uint8_t is_closing;
    uint64_t payload_remaining;
    uint64_t message_size;
    uint32_t fragment_count;
    uint32_t masking_key;
    apus_utf8_state text;
    uint8_t first_byte;
    uint8_t is_masked;
    uint8_t is_checked;
    uint8_t has_delivered;
    uint8_t *target;
    size_t target_size;
    size_t target_used;
    uint8_t control_size;
    uint8_t control[125];
    uint8_t header[APUS_HEADER_SIZE_MAX];
    uint8_t message_bits;
    uint8_t reserved[43 - 3 * sizeof(size_t)];
} apus_decoder;

typedef enum apus_event_kind {
    APUS_EVENT_MESSAGE_PART = 1, /* what has come of a data frame */
    APUS_EVENT_PING = 2,         /* a whole frame: answer with a pong of the same payload */
    APUS_EVENT_PONG = 3,         /* a whole frame */
    APUS_EVENT_CLOSE = 4         /* a whole frame: the last event of the connection */
} apus_event_kind;

/* What the offset of an event counts from. */
typedef enum apus_place {
    APUS_PLACE_FED = 0,     /* the bytes that were fed */
    APUS_PLACE_DECODER = 1, /* apus_decoder_control_payload */
    APUS_PLACE_TARGET = 2   /* the target of apus_decoder_set_target */
} apus_place;

typedef struct apus_event {
    size_t offset;         /* where the bytes begin, see place */
    size_t size;           /* how many; of a close frame only its reason, which is UTF-8 */
    uint64_t remaining;    /* of a part: bytes of its frame that have not come yet */
    uint16_t close_code;   /* of a close frame: the peer's code, 1005 if it has none; else 0 */
    uint8_t kind;          /* an apus_event_kind */
    uint8_t opcode;        /* of a part: APUS_OPCODE_TEXT or _BINARY; else that of the frame */
    uint8_t reserved_bits; /* RSV1-3 of the frame, of a first part those that the message began
                              with; text that begins with any is not checked */
    uint8_t is_first;      /* of a part: 1 if the message begins here */
    uint8_t is_last;       /* of a part: 1 if the message ends here */
    uint8_t place;         /* an apus_place */
} apus_event;

/* Makes a decoder for a connection whose handshake is done; the options are copied. This costs a
 * few nanoseconds, so that a connection between messages needs no decoder: apus_decoder_is_idle. */
APUS_API void apus_decoder_init(apus_decoder *decoder, const apus_decoder_options *options);

/*
 * Takes the next bytes of the stream and writes up to event_capacity (at least 1) events.
 *
 * APUS_OK: the first *used bytes are done with. If *used < size handle the events, then call again
 * with the rest: the events were full, or a control payload had to be handed over first. No bytes
 * are no event and change nothing.
 * Otherwise the rule that the peer broke: the events before it are there, *used leads to the header
 * or the piece of payload in which it was found, and every later call gives the same result, no
 * events and *used 0. After a close frame whatever comes is used up without an event.
 *
 * Bytes before *used may be unmasked; those behind it are as they were, but for a payload that is
 * invalid. A message is a sequence of parts, of which only the last may be empty: is_first,
 * …, is_last. A control frame is one event, even between parts; a payload that came cut is
 * collected in the decoder. Ranges stay valid as long as the caller keeps the bytes, a collected
 * payload until the next call.
 */
APUS_API apus_result apus_decoder_feed(apus_decoder *decoder, uint8_t *bytes, size_t size,
                                       size_t *used, apus_event *events, size_t event_capacity,
                                       size_t *event_count);

/*
 * Where the rest of the message that is under way goes to: from the next call of feed on its parts
 * are unmasked, and checked, into `target`, one behind the other, and the bytes fed stay as they
 * were there. A message whose first part told how much is to come needs no copy of its own then.
 *
 * When the room is used up, or the message has ended, all is in place again; a part of which only
 * the beginning fits becomes two events. No effect where no message is under way. May be called
 * between any two feeds, and again, also with no room, which ends it; what is in the old target
 * stays there. The target must not overlap the bytes fed, and has to last until the message ends,
 * its room is used up, another one is set, a close frame is awaited or has come, or a rule is
 * broken.
 */
APUS_API void apus_decoder_set_target(apus_decoder *decoder, uint8_t *target, size_t size);

/*
 * Whether it is as apus_decoder_init left it, so that its memory may be used for something else,
 * once the events are handled, and a new one made for the next bytes: between messages, nothing
 * kept of a frame that came cut, no violation, no close frame seen and none awaited.
 */
APUS_API bool apus_decoder_is_idle(const apus_decoder *decoder);

/*
 * To be called when your close frame is sent: from now on the only event is the peer's close frame,
 * §7.1.2. Messages, also the rest of one that has begun, pings and pongs are used up in silence,
 * and of the rules only those for headers and close frames count. A result of another rule is taken
 * back, for it may have been found in what your close frame overtook: feed what it left unused
 * again.
 */
APUS_API void apus_decoder_await_close(apus_decoder *decoder);

/* The memory that the offset of an event with APUS_PLACE_DECODER counts from. */
APUS_API const uint8_t *apus_decoder_control_payload(const apus_decoder *decoder);

/* ---- Opening handshake, §4.2.2 ---- */

#define APUS_KEY_SIZE 24
#define APUS_ACCEPT_SIZE 28

/* Whether the 24 bytes are the canonical base64 of 16 bytes, §4.1. */
APUS_API bool apus_key_is_valid(const uint8_t *key, size_t size);

/* Writes the 28 bytes of Sec-WebSocket-Accept for the 24 bytes of Sec-WebSocket-Key. */
APUS_API void apus_accept_key(const uint8_t *key, uint8_t *accept);

/* ---- Instruction sets ---- */

/* The best one that the processor has is chosen on first use. Tests and benchmarks force others. */
typedef enum apus_variant {
    APUS_VARIANT_SCALAR = 0, /* portable C: the oracle of the tests */
    APUS_VARIANT_SSE4 = 1,   /* SSE4.2, with SSSE3 and SSE4.1 */
    APUS_VARIANT_AVX2 = 2,
    APUS_VARIANT_AVX512 = 3, /* F, BW, VL, VBMI */
    APUS_VARIANT_NEON = 4
} apus_variant;

/* Whether this build on this processor can run the variant. */
APUS_API bool apus_variant_is_available(apus_variant variant);

/* Uses the variant from now on, in every thread; false, and no change, where it is not available.
 * Calls under way may finish with the old one or go on with the new one, and so may a text. */
APUS_API bool apus_variant_select(apus_variant variant);

/* The variant in use. */
APUS_API apus_variant apus_variant_current(void);

/* The APUS_CODEC_VERSION of the code that is linked. */
APUS_API const char *apus_codec_version(void);

#ifdef __cplusplus
}
#endif

#endif
