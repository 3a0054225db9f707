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
MASK, UTF8 = "apus_mask", "apus_utf8_validate"
HEADERS, ACCEPT = "apus_frame_headers_decode", "apus_accept_key"
BEST = "best peer"

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
    ("header walk, many a call", "walk", ["frames"], ["20 B", *RANDOM], HEADERS, "", "ns", 3),
    ("accept key", "accept", ["keys"], ["a key"], ACCEPT, "avx512", "ns", 100),
    ("accept key", "accept", ["keys"], ["a key"], ACCEPT, "avx512", BEST, 3),
]
