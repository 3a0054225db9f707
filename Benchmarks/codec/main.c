// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* codec ROUNDS [SUITE…]: measures and prints CSV, nanoseconds per call or item. */

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(void);
    } suites[] = {
        {"unmask", bench_unmask}, {"utf8", bench_utf8},       {"frame", bench_frame},
        {"fused", bench_fused},   {"decoder", bench_decoder}, {"accept", bench_accept},
    };
    bench_rounds = argc < 2 ? 0 : (unsigned)strtoul(argv[1], NULL, 10);
    if (bench_rounds == 0) {
        die("codec ROUNDS [SUITE...]");
    }
    puts("suite,group,size,name,kind,variant,round,ns");
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++) {
        bool is_wanted = argc == 2;
        for (int j = 2; j < argc; j++) {
            is_wanted = is_wanted || strcmp(argv[j], suites[i].name) == 0;
        }
        if (is_wanted) {
            suites[i].run();
        }
    }
    return 0;
}
