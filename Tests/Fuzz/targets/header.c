// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * Frame headers, decoded at every prefix, against the rules; and many at once, at every prefix,
 * against one by one. Input: role, allowed bits and whether there is room for few headers, in one
 * byte; the rest is the stream.
 */

#include "fuzz.h"
#include "rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_size) {
    input from = {data, data_size};
    uint8_t how = (uint8_t)take(&from, 1);
    reader by = {(how & 1) != 0 ? APUS_CLIENT : APUS_SERVER, how & 0x70};
    check_every_prefix(by, from.bytes, from.size);
    size_t capacity = (how & 2) != 0 ? how >> 2 & 3 : from.size;
    for (size_t prefix = 0; prefix <= from.size; prefix++) {
        check_headers(by, from.bytes, prefix, capacity);
    }
    return 0;
}
