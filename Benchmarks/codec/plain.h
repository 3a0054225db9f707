// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#ifndef CODEC_PLAIN_H
#define CODEC_PLAIN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t big_endian(const uint8_t *bytes, size_t size) {
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

/* A plain parser with the same checks for a server's side, inlined where it is used. Returns the
 * size of the header, 0 for one that is broken or not complete. */
static inline size_t plain_decode(const uint8_t *bytes, size_t size, uint64_t *payload_size,
                                  uint32_t *key) {
    if (size < 6 || (bytes[0] & 0x70) != 0 || (bytes[1] & 0x80) == 0) {
        return 0;
    }
    uint8_t opcode = bytes[0] & 15, length = bytes[1] & 127;
    if ((opcode & 7) > 2 || (opcode >= 8 && (length > 125 || (bytes[0] & 0x80) == 0))) {
        return 0;
    }
    size_t extra = length < 126 ? 0 : length == 126 ? 2 : 8;
    if (size < 6 + extra) {
        return 0;
    }
    *payload_size = extra == 0 ? length : big_endian(bytes + 2, extra);
    if ((extra == 2 && *payload_size < 126) || (extra == 8 && *payload_size < 65536) ||
        *payload_size >> 63 != 0) {
        return 0;
    }
    memcpy(key, bytes + 2 + extra, 4);
    return 6 + extra;
}

#endif
