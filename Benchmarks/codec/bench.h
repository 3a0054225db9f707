// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * The harness of the codec benchmark. A suite is a table of rows, each one function that does the
 * same job; all of them, ours once per instruction set, are measured in turn, round by round.
 */

#ifndef CODEC_BENCH_H
#define CODEC_BENCH_H

#include "apus_codec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One call: reads (or changes) `bytes`, or writes `target`. What it returns is summed up, so that
 * nothing can be left out, and has to be the same for all that are not floors. */
typedef unsigned operation(uint8_t *target, uint8_t *bytes, size_t size);

/* FLOOR: does less than the job; shows what the machine or the harness takes anyway. */
enum kind { OURS, OURS_PORTABLE, PEER, FLOOR };

/* OURS is measured in every variant that there is; OURS_PORTABLE has no variants. */
struct row {
    const char *name;
    enum kind kind;
    operation *run; /* NULL: a peer that was not built in */
};

struct table {
    const char *suite;
    const struct row *rows;
    size_t count;
};

#define TABLE(suite, rows)                                                                         \
    { suite, rows, sizeof(rows) / sizeof((rows)[0]) }

/* One call's bytes: where they lie in the pool. */
struct piece {
    uint32_t offset;
    uint32_t size;
};

struct work {
    const char *group; /* aligned, the kind of text, … */
    const char *size;  /* as it stands above the column */
    uint8_t *target;
    uint8_t *bytes;
    const struct piece *pieces; /* called in this order, over and over */
    size_t piece_count;         /* a power of two */
    size_t items;               /* how many of what is counted one call does */

    /* If there are such, the bytes are made anew from them before each pass over the pieces, as
     * receiving does; that is not in the time. */
    const uint8_t *fresh;
    size_t fresh_size;
};

/* measure.c: prints a line for each contender and round. */
extern unsigned bench_rounds;
void measure(const struct table *table, const struct work *work);

/* pool.c: pieces of one size, or of random sizes from 1 to 125 if it is 0, in a pool of 16 KiB or
 * as large as needed. fill is called for each piece; items is 1. */
typedef void fill_function(uint8_t *bytes, size_t size);
struct work make_work(const char *group, size_t size, size_t misalignment, fill_function *fill);
/* The same with one piece in pages of which the neighbours are not mapped, at their very front or
 * ending with them. */
enum edge { FRONT, BACK };
struct work make_edge_work(enum edge edge, size_t size, fill_function *fill);
/* The bytes as they are now are those that each pass begins with. */
void keep_fresh(struct work *work);
/* A pool of up to 16 MiB: 0 is that of work.bytes, 1 of work.target, 2 of work.fresh. */
uint8_t *pool(size_t number);
uint32_t bench_random(void);
_Noreturn void die(const char *message);

/* The key and its phase, variables so that no compiler knows them. */
extern uint32_t bench_key;
extern size_t bench_phase;

/* text.c: what the next calls of fill_text fill with; ascii, latin, cjk, emoji or 1 %. */
void choose_text(const char *name);
fill_function fill_text;

/* The suites. */
void bench_unmask(void);
void bench_utf8(void);
void bench_frame(void);
void bench_accept(void);
void bench_fused(void);
void bench_decoder(void);

/* loops.c, at -O3 -march=native. */
operation loop_bytes, loop_bytes_copy, loop_unrolled, loop_words, loop_words_copy, read_all,
    write_all;

void mask_words(uint8_t *bytes, size_t size, uint32_t key);
void mask_unrolled(uint8_t *bytes, size_t size, uint32_t key);

/* dfa.c: the state is 0 between characters. */
bool dfa_is_valid(const uint8_t *bytes, size_t size);
uint8_t dfa_go_on(uint8_t state, const uint8_t *bytes, size_t size);

/* Peers that may be missing. */
#define OPTIONAL __attribute__((weak))
OPTIONAL operation wslay_mask, wslay_frames, wslay_events, wslay_reads;
/* Where not NULL, what the payloads that wslay finds have to be, one behind the other. */
extern const uint8_t *wslay_expected;
/* How many bytes come at a time. */
extern size_t bench_read_size;
OPTIONAL operation simdjson_icelake, simdjson_haswell, simdjson_westmere;
OPTIONAL operation openssl_one_shot, openssl_kept;
/* Whether simdjson has the instruction set here. */
OPTIONAL bool simdjson_has(const char *name);
/* simdjson is built for every processor of an architecture, or is not there at all: takes away the
 * rows that name an instruction set which is not here. */
void drop_simdjson_not_for_here(struct row *rows, size_t count);

#endif
