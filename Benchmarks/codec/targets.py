# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0

"""What the codec should reach: each target a ratio in one run, or nanoseconds.

A line: what, suite, groups, sizes, our row, our variant, against, how much. `against` is "best
peer", a row's name or "ns"; ratios are theirs by ours and should not be less, nanoseconds not more.
"""

ALIGNMENTS = ["aligned", "misaligned"]
L1 = ["4 KiB", "16 KiB"]
LARGE = ["64 KiB", "1 MiB", "16 MiB"]
RANDOM = ["random 1–125 B"]
TEXT = ["4 KiB", "16 KiB", "64 KiB", "1 MiB"]
SHORT = ["20 B", "64 B"]
ASCII = ["ascii"]
OTHER = ["latin", "cjk", "emoji", "1 %"]
ALL = ASCII + OTHER
MASK, UTF8, FUSED, DECODER = "apus_mask", "apus_utf8_validate", "apus_mask_utf8", "apus_decoder_feed"
HEADERS, ACCEPT = "apus_frame_headers_decode", "apus_accept_key"
BEST, TWO_PASSES = "best peer", "mask + validate"
FUSED_OTHER = ["latin", "cjk", "emoji"]
FUSED_ALL = ASCII + FUSED_OTHER
FUSED_SHORT, FUSED_LARGE = ["20 B", "64 B", "125 B"], ["64 KiB", "1 MiB"]
BUFFERS = ["16 KiB", "512 KiB"]
OTHER_20 = ["20 B cjk", "20 B latin"]
EACH_MESSAGE = ["20 B ascii", *OTHER_20, "64 B ascii", "125 B ascii", "1–60 B ascii",
                "1–125 B ascii", "1–125 B latin"]

TARGETS = [
    ("unmask in place, L1", "unmask", ALIGNMENTS, L1, MASK, "avx512", BEST, 1.4),
    ("unmask in place, L1", "unmask", ALIGNMENTS, L1, MASK, "avx512", "memcpy", 0.9),
    ("unmask in place, L1", "unmask", ALIGNMENTS, L1, MASK, "avx2", BEST, 0.9),
    ("unmask in place, L1", "unmask", ALIGNMENTS, L1, MASK, "avx2", "memcpy", 0.6),
    ("unmask in place, large", "unmask", ALIGNMENTS, LARGE, MASK, "avx512", BEST, 1.0),
    ("unmask in place, L2", "unmask", ALIGNMENTS, LARGE[:1], MASK, "avx512", "memcpy", 1.1),
    ("unmask in place, L3", "unmask", ALIGNMENTS, LARGE[1:], MASK, "avx512", "memcpy", 1.8),
    ("unmask in place, 1–125 B", "unmask", ALIGNMENTS, RANDOM, MASK, "avx512", BEST, 2.5),
    ("unmask in place, 1–125 B", "unmask", ALIGNMENTS, RANDOM, MASK, "avx2", BEST, 2.0),
    ("UTF-8, not ASCII", "utf8", OTHER, TEXT, UTF8, "avx512", "simdjson icelake", 1.5),
    ("UTF-8, not ASCII", "utf8", OTHER, TEXT, UTF8, "avx2", "simdjson haswell", 1.5),
    ("UTF-8, ASCII", "utf8", ASCII, TEXT, UTF8, "avx512", BEST, 1.5),
    ("UTF-8, ASCII", "utf8", ASCII, TEXT, UTF8, "avx512", "read", 0.9),
    ("UTF-8, short", "utf8", ALL, SHORT, UTF8, "avx512", BEST, 1.2),
    ("unmask and UTF-8, short", "fused", FUSED_ALL, FUSED_SHORT, FUSED, "avx512", TWO_PASSES, 2),
    ("unmask and UTF-8, short", "fused", FUSED_ALL, FUSED_SHORT, FUSED, "avx512", BEST, 2),
    ("unmask and UTF-8, L2", "fused", FUSED_OTHER, FUSED_LARGE, FUSED, "avx512", TWO_PASSES, 1.1),
    ("unmask and UTF-8, L2, ASCII", "fused", ASCII, FUSED_LARGE, FUSED, "avx512", TWO_PASSES, 1.4),
    ("decode 20 B ASCII", "decoder", BUFFERS, ["20 B ascii"], DECODER, "avx512", "ns", 5),
    ("decode 20 B CJK, Latin", "decoder", BUFFERS, OTHER_20, DECODER, "avx512", "ns", 9),
    ("decode 1–125 B ASCII", "decoder", BUFFERS, ["1–125 B ascii"], DECODER, "avx512", "ns", 10),
    ("decode 1–125 B Latin", "decoder", BUFFERS, ["1–125 B latin"], DECODER, "avx512", "ns", 13),
    ("decode messages", "decoder", BUFFERS, EACH_MESSAGE, DECODER, "avx512", BEST, 2.5),
    ("decode messages", "decoder", BUFFERS, EACH_MESSAGE, DECODER, "avx2", BEST, 2.5),
    ("header walk, many a call", "walk", ["frames"], ["20 B", *RANDOM], HEADERS, "", "ns", 3),
    ("accept key", "accept", ["keys"], ["a key"], ACCEPT, "avx512", "ns", 100),
    ("accept key", "accept", ["keys"], ["a key"], ACCEPT, "avx512", BEST, 3),
]
