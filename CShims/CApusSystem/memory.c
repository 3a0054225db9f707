// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "apus_system.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

int32_t apus_memory_share(size_t size, void **memory) {
    void *made =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made == MAP_FAILED) {
        return -errno;
    }
    *memory = made;
    return 0;
}

void apus_memory_wipe(void *memory, size_t size) {
    explicit_bzero(memory, size);
}

void apus_memory_release(void *memory, size_t size) {
    munmap(memory, size);
}
