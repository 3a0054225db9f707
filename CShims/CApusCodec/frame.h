// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#ifndef APUS_CODEC_FRAME_H
#define APUS_CODEC_FRAME_H

#include "internal.h"

/* In the opcode, and in the second byte of a header: the bit for a key and the lengths that stand
 * for one of 16 or 64 bits. */
enum { APUS_CONTROL_BIT = 0x8, APUS_MASK_BIT = 0x80, APUS_LENGTH_16 = 126, APUS_LENGTH_64 = 127 };

/* In the first byte. */
enum { APUS_RESERVED_MASK = APUS_RSV1 | APUS_RSV2 | APUS_RSV3 };

/* apus_frame_header_decode with allowances of APUS_ALLOW_…. */
APUS_HIDDEN apus_result apus_header_decode(const uint8_t *bytes, size_t size, apus_role role,
                                           uint8_t reserved_bits_allowed, uint8_t allowances,
                                           apus_frame_header *header);

#endif
