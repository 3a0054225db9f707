// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    POOL = 16 << 10,
    LARGEST = 16 << 20,
    SLACK = 1 << 16,
    PAGE = 4096,
    LINE = 64,
    VISITS = 8192
};

uint32_t bench_key = 0x9b3c71d5;
size_t bench_phase = 0;

static struct piece pieces[VISITS];

void die(const char *message) {
    fprintf(stderr, "%s\n", message);
    exit(1);
}

uint32_t bench_random(void) {
    static uint64_t state = 0x2545f4914f6cdd1d;
    state = state * 6364136223846793005 + 1442695040888963407;
    return (uint32_t)(state >> 33);
}

/* Pools of source, target and what the source is made anew from; they do not start at the same
 * place of a page. A mapped page is in front of both: a masked load that reaches into one that is
 * not mapped takes hundreds of times as long, even if it takes nothing from there. */
uint8_t *pool(size_t number) {
    static uint8_t *pools[3];
    if (pools[number] == NULL) {
        void *memory =
            mmap(NULL, LARGEST + SLACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) {
            die("no memory");
        }
        madvise(memory, LARGEST + SLACK, MADV_HUGEPAGE);
        memset(memory, 1, LARGEST + SLACK);
        pools[number] = memory;
    }
    return pools[number] + PAGE + number * 17 * LINE;
}

static const char *name_of(size_t size) {
    static char name[32];
    if (size == 0) {
        return "random 1–125 B";
    }
    bool is_small = size < 1024;
    bool is_huge = size >= 1 << 20;
    snprintf(name, sizeof name, "%zu %s",
             is_small  ? size
             : is_huge ? size >> 20
                       : size >> 10,
             is_small  ? "B"
             : is_huge ? "MiB"
                       : "KiB");
    return name;
}

struct work make_work(const char *group, size_t size, size_t misalignment, fill_function *fill) {
    bool is_random = size == 0;
    size_t stride = LINE;
    while (stride < (is_random ? 125 : size)) {
        stride *= 2;
    }
    size_t slots = stride < POOL ? POOL / stride : 1;
    struct work work = {group, name_of(size), pool(1), pool(0), pieces, slots, 1, NULL, 0};
    for (size_t slot = 0; slot < slots; slot++) {
        size_t length = is_random ? 1 + bench_random() % 125 : size;
        pieces[slot] = (struct piece){(uint32_t)(slot * stride + misalignment), (uint32_t)length};
        fill(work.bytes + pieces[slot].offset, length);
    }
    if (is_random) {
        // Too many visits for the processor to learn which length comes next.
        work.piece_count = VISITS;
        for (size_t i = slots; i < VISITS; i++) {
            pieces[i] = pieces[bench_random() % slots];
        }
    }
    return work;
}

void keep_fresh(struct work *work) {
    for (size_t i = 0; i < work->piece_count; i++) {
        size_t end = work->pieces[i].offset + work->pieces[i].size;
        work->fresh_size = end > work->fresh_size ? end : work->fresh_size;
    }
    work->fresh = memcpy(pool(2), work->bytes, work->fresh_size);
}

struct work make_edge_work(enum edge edge, size_t size, fill_function *fill) {
    static uint8_t *pages;
    static struct piece piece;
    if (pages == NULL) {
        pages = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED || mprotect(pages + PAGE, PAGE, PROT_READ | PROT_WRITE) != 0) {
            die("no memory");
        }
    }
    size_t offset = edge == FRONT ? PAGE : 2 * PAGE - size;
    piece = (struct piece){(uint32_t)offset, (uint32_t)size};
    fill(pages + offset, size);
    const char *group = edge == FRONT ? "begins with its page and nothing mapped before"
                                      : "ends with its page and nothing mapped behind";
    return (struct work){group, name_of(size), pool(1), pages, &piece, 1, 1, NULL, 0};
}
