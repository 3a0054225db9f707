// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0
#include <zlib.h>

/* Macros in zlib.h, which Swift does not see. The windows are of raw streams, RFC 1951: no header,
 * no checksum. */

static inline int apus_deflate_init(z_stream *stream, int level, int window_bits,
                                    int memory_level) {
    return deflateInit2(stream, level, Z_DEFLATED, -window_bits, memory_level, Z_DEFAULT_STRATEGY);
}

static inline int apus_inflate_init(z_stream *stream) {
    return inflateInit2(stream, -15);
}
