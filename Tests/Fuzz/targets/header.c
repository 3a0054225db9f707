// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * Frame headers, decoded at every prefix, against the rules.
 * Input: role and allowed bits in one byte; the rest is the stream.
 */

#include "fuzz.h"
#include "rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_size) {
    input from = {data, data_size};
    uint8_t how = (uint8_t)take(&from, 1);
    reader by = {(how & 1) != 0 ? APUS_CLIENT : APUS_SERVER, how & 0x70};
    check_every_prefix(by, from.bytes, from.size);
    return 0;
}
