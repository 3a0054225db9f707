// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0
#include <isa-l/igzip_lib.h>

/* Macros in igzip_lib.h, which Swift does not see. */

/* What a level needs beside the stream: the table of what came before, and room for 16,384 matches
 * and literals, which are a block. Nothing for level 0; 84 KiB for 1, and 132 KiB or 148 KiB. */
static inline uint32_t apus_isal_memory_size(uint32_t level) {
    static const uint32_t sizes[] = {ISAL_DEF_LVL0_SMALL, ISAL_DEF_LVL1_SMALL, ISAL_DEF_LVL2_SMALL,
                                     ISAL_DEF_LVL3_SMALL};
    return sizes[level];
}

/* Level 0 has fixed codes: the table that it comes with would make small messages larger. */
static inline int apus_isal_deflate_init(struct isal_zstream *stream, uint32_t level,
                                         uint16_t window_bits, uint8_t *memory) {
    isal_deflate_init(stream);
    stream->level = level;
    stream->level_buf = memory;
    stream->level_buf_size = apus_isal_memory_size(level);
    stream->hist_bits = window_bits;
    return level == 0 ? isal_deflate_set_hufftables(stream, 0, IGZIP_HUFFTABLE_STATIC) : COMP_OK;
}
