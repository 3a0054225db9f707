// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#ifndef CODEC_DECODER_H
#define CODEC_DECODER_H

#include "bench.h"

/* steps.c. What all contenders of the decoder's tables return: the bytes of all payloads, and one
 * for each message and ping. */
operation three_steps, two_steps, plain_dfa, plain_icelake, plain_haswell;
/* Headers only: how many. */
operation plain_frames;

/* stream.c */
enum form { WHOLE, WITH_PINGS, FRAGMENTED };

struct traffic {
    const char *name;
    const char *text;
    size_t least, most; /* payload of a frame */
};

/* A buffer full of frames; the last message is whole. */
struct stream {
    struct work work;
    const struct piece *frames; /* work.items of them, with their headers of 6 bytes */
    const uint8_t *payloads;    /* one behind the other, unmasked */
    size_t payload_count;       /* bytes of them */
    unsigned answer;
};

struct stream make_stream(const char *group, const struct traffic *traffic, enum form form,
                          size_t room);

#endif
