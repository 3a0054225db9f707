// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "utf8.h"

/* How many bytes a character has that starts with this byte, which is not ASCII. */
static unsigned length_after_lead(uint8_t lead) {
    return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* Unicode 16, table 3-7: the second byte has a narrower range after four of the leads. */
static bool second_byte_is_valid(uint8_t lead, uint8_t byte) {
    uint8_t lowest = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    uint8_t highest = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    return byte >= lowest && byte <= highest;
}

static bool step(apus_utf8_state *state, uint8_t byte) {
    if (*state == 0) {
        if (byte >= 0x80) {
            *state = (uint32_t)byte << 24;
            return byte >= 0xC2 && byte <= 0xF4;
        }
        return true;
    }
    unsigned have = (*state & 0x0000FF00) != 0 ? 3 : (*state & 0x00FF0000) != 0 ? 2 : 1;
    uint8_t lead = (uint8_t)(*state >> (32 - 8 * have));
    if (have == 1 ? !second_byte_is_valid(lead, byte) : (byte & 0xC0) != 0x80) {
        return false;
    }
    *state = have + 1 == length_after_lead(lead) ? 0 : *state >> 8 | (uint32_t)byte << 24;
    return true;
}

bool apus_utf8_scalar(apus_utf8_state *state, const uint8_t *bytes, size_t size) {
    size_t i = 0;
    while (i < size) {
        if (*state == 0 && size - i >= 8 &&
            (apus_load64(bytes + i) & UINT64_C(0x8080808080808080)) == 0) {
            i += 8;
        } else if (step(state, bytes[i])) {
            i += 1;
        } else {
            return false;
        }
    }
    return true;
}

bool apus_utf8_validate(apus_utf8_state *state, const uint8_t *bytes, size_t size) {
    return apus_kernels_current()->utf8(state, bytes, size);
}
