// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "bench.h"

#include <string.h>

/* One character out of so many is not ASCII, and is written with so many bytes. */
static const struct kind_of_text {
    const char *name;
    unsigned per_mille;
    size_t length;
} texts[] = {{"ascii", 0, 1}, {"latin", 83, 2}, {"cjk", 950, 3}, {"emoji", 750, 4}, {"1 %", 10, 2}};

static const struct kind_of_text *text = texts;

void choose_text(const char *name) {
    for (text = texts; strcmp(text->name, name) != 0;) {
        if (++text == texts + sizeof texts / sizeof texts[0]) {
            die("no such text");
        }
    }
}

static size_t put_character(uint8_t *out, size_t length) {
    uint8_t low = (uint8_t)(0x80 | (bench_random() & 0x3F));
    uint8_t middle = (uint8_t)(0x80 | (bench_random() & 0x3F));
    switch (length) {
    case 2:
        memcpy(out, (uint8_t[]){0xC3, low}, 2);
        break;
    case 3:
        memcpy(out, (uint8_t[]){(uint8_t)(0xE4 + bench_random() % 6), middle, low}, 3);
        break;
    case 4:
        memcpy(out, (uint8_t[]){0xF0, 0x9F, (uint8_t)(0x98 + bench_random() % 8), low}, 4);
        break;
    default:
        out[0] = (uint8_t)(' ' + bench_random() % 95);
    }
    return length;
}

void fill_text(uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size;) {
        bool is_ascii = bench_random() % 1000 >= text->per_mille || size - i < text->length;
        i += put_character(bytes + i, is_ascii ? 1 : text->length);
    }
}
