// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CONTENDERS_MAX = 64, BATCH_NS = 50000, LONG_NS = 1000000, BATCHES = 3 };

struct contender {
    const struct row *row;
    apus_variant variant; /* of ours */
    size_t calls;         /* in a batch */
    bool is_long;         /* one call fills more than a batch */
};

static const char *const variant_names[] = {"scalar", "sse4", "avx2", "avx512", "neon"};
static const char *const kind_names[] = {"ours", "ours", "peer", "floor"};

unsigned bench_rounds;
static volatile unsigned sink;
static uint64_t clock_cost = UINT64_MAX; /* what a measured time of nothing is */

static uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static unsigned run_calls(const struct row *row, const struct work *work, size_t calls) {
    unsigned sum = 0;
    for (size_t i = 0; i < calls; i++) {
        struct piece piece = work->pieces[i & (work->piece_count - 1)];
        sum += row->run(work->target + piece.offset, work->bytes + piece.offset, piece.size);
    }
    return sum;
}

static void choose(const struct contender *contender) {
    if (contender->row->kind == OURS && !apus_variant_select(contender->variant)) {
        die("a variant is gone");
    }
}

static void refresh(const struct work *work) {
    if (work->fresh != NULL) {
        memcpy(work->bytes, work->fresh, work->fresh_size);
    }
}

/* Each pass over the pieces on its own, without what makes the bytes anew. */
static uint64_t time_passes(const struct contender *contender, const struct work *work) {
    uint64_t elapsed = 0;
    for (size_t calls = 0; calls < contender->calls; calls += work->piece_count) {
        refresh(work);
        uint64_t start = now_ns();
        sink += run_calls(contender->row, work, work->piece_count);
        uint64_t time = now_ns() - start;
        elapsed += time > clock_cost ? time - clock_cost : 0;
    }
    return elapsed;
}

static uint64_t time_batch(const struct contender *contender, const struct work *work) {
    if (work->fresh != NULL) {
        return time_passes(contender, work);
    }
    uint64_t start = now_ns();
    sink += run_calls(contender->row, work, contender->calls);
    return now_ns() - start;
}

static size_t list_contenders(const struct table *table, struct contender *list) {
    size_t count = 0;
    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->rows[i];
        if (row->run == NULL) {
            continue;
        }
        for (int variant = APUS_VARIANT_SCALAR; variant <= APUS_VARIANT_NEON; variant++) {
            if (row->kind == OURS ? apus_variant_is_available((apus_variant)variant)
                                  : variant == APUS_VARIANT_SCALAR) {
                if (count == CONTENDERS_MAX) {
                    die("too many rows");
                }
                list[count++] = (struct contender){row, (apus_variant)variant, 1, false};
            }
        }
    }
    return count;
}

/* Warms up, finds how many calls make a batch, and that all give the same answer. */
static void prepare(struct contender *list, size_t count, const struct work *work) {
    const struct contender *first = NULL;
    unsigned answer = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t start = now_ns();
        uint64_t time = now_ns() - start;
        clock_cost = time < clock_cost ? time : clock_cost;
    }
    for (size_t i = 0; i < count; i++) {
        struct contender *contender = &list[i];
        choose(contender);
        refresh(work);
        unsigned sum = run_calls(contender->row, work, work->piece_count);
        if (contender->row->kind != FLOOR) {
            if (first != NULL && sum != answer) {
                fprintf(stderr, "%s and %s differ (%s, %s)\n", first->row->name,
                        contender->row->name, work->group, work->size);
                exit(1);
            }
            first = contender;
            answer = sum;
        }
        contender->calls = work->fresh != NULL ? work->piece_count : 1;
        uint64_t elapsed;
        while ((elapsed = time_batch(contender, work)) < BATCH_NS) {
            contender->calls *= 2;
        }
        contender->is_long = elapsed > LONG_NS;
    }
}

static double sample(const struct contender *contender, const struct work *work) {
    choose(contender);
    uint64_t least = UINT64_MAX;
    for (int batch = 0; batch < (contender->is_long ? 1 : BATCHES); batch++) {
        uint64_t elapsed = time_batch(contender, work);
        least = elapsed < least ? elapsed : least;
    }
    return (double)least / (double)contender->calls / (double)work->items;
}

void measure(const struct table *table, const struct work *work) {
    struct contender list[CONTENDERS_MAX];
    size_t count = list_contenders(table, list);
    prepare(list, count, work);
    for (unsigned round = 0; round < bench_rounds; round++) {
        for (size_t turn = 0; turn < count; turn++) {
            // The order rotates, so that nobody always follows the same neighbour's start.
            const struct contender *contender = &list[(turn + round) % count];
            const struct row *row = contender->row;
            printf("%s,%s,%s,%s,%s,%s,%u,%.3f\n", table->suite, work->group, work->size, row->name,
                   kind_names[row->kind],
                   row->kind == OURS ? variant_names[contender->variant] : "", round,
                   sample(contender, work));
        }
    }
    fflush(stdout);
}

void drop_simdjson_not_for_here(struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *name = strstr(rows[i].name, "simdjson ");
        if (name != NULL && (simdjson_has == NULL || !simdjson_has(name + strlen("simdjson ")))) {
            rows[i].run = NULL;
        }
    }
}
