// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* Stands in for libFuzzer: runs a target once on each file that it is given, with any compiler. */

#include "fuzz.h"

static void replay(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    uint8_t bytes[1 << 16];
    size_t size = fread(bytes, 1, sizeof bytes, file);
    if (ferror(file) != 0 || fgetc(file) != EOF) {
        fprintf(stderr, "%s: cannot be read, or is larger than %zu bytes\n", path, sizeof bytes);
        exit(1);
    }
    fclose(file);
    exact copy = exact_copy(bytes, size, 0);
    LLVMFuzzerTestOneInput(copy.bytes, size);
    exact_end(copy);
}

int main(int count, char **paths) {
    if (count < 2) {
        fprintf(stderr, "usage: %s FILE…\n", paths[0]);
        return 64;
    }
    for (int i = 1; i < count; i++) {
        /* Said before, so that the last line before a finding names its file. */
        fprintf(stderr, "%s\n", paths[i]);
        replay(paths[i]);
    }
    printf("%d files, no finding\n", count - 1);
    return 0;
}
