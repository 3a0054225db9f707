// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#include "frame.h"

/* One bit for each opcode that RFC 6455 defines. */
enum {
    DEFINED_OPCODES = 1 << APUS_OPCODE_CONTINUATION | 1 << APUS_OPCODE_TEXT |
                      1 << APUS_OPCODE_BINARY | 1 << APUS_OPCODE_CLOSE | 1 << APUS_OPCODE_PING |
                      1 << APUS_OPCODE_PONG
};

uint16_t apus_result_close_code(apus_result result) {
    if (result >= 0) {
        return 0;
    }
    switch (result) {
    case APUS_INVALID_UTF8:
        return 1007;
    case APUS_TOO_MANY_FRAGMENTS:
        return 1008;
    case APUS_FRAME_TOO_BIG:
    case APUS_MESSAGE_TOO_BIG:
        return 1009;
    default:
        return 1002;
    }
}

static apus_result decode_first_byte(uint8_t byte, uint8_t reserved_bits_allowed) {
    if ((byte & APUS_RESERVED_MASK & ~reserved_bits_allowed) != 0) {
        return APUS_RESERVED_BITS;
    }
    uint8_t opcode = byte & 0x0F;
    if ((DEFINED_OPCODES >> opcode & 1) == 0) {
        return APUS_RESERVED_OPCODE;
    }
    if ((opcode & APUS_CONTROL_BIT) != 0 && (byte & APUS_FIN) == 0) {
        return APUS_CONTROL_FRAGMENTED;
    }
    return APUS_OK;
}

static apus_result decode_second_byte(uint8_t byte, uint8_t opcode, apus_role role,
                                      uint8_t allowances) {
    bool is_masked = (byte & APUS_MASK_BIT) != 0;
    if (role == APUS_SERVER && !is_masked && (allowances & APUS_ALLOW_UNMASKED) == 0) {
        return APUS_MASK_MISSING;
    }
    if (role != APUS_SERVER && is_masked && (allowances & APUS_ALLOW_MASKED) == 0) {
        return APUS_MASK_UNEXPECTED;
    }
    if ((opcode & APUS_CONTROL_BIT) != 0 && (byte & ~APUS_MASK_BIT) >= APUS_LENGTH_16) {
        return APUS_CONTROL_TOO_LONG;
    }
    return APUS_OK;
}

/* Written so that compilers know it: one load and a swap of bytes. */
APUS_INLINE uint64_t load_big_endian_64(const uint8_t *bytes) {
    return (uint64_t)bytes[0] << 56 | (uint64_t)bytes[1] << 48 | (uint64_t)bytes[2] << 40 |
           (uint64_t)bytes[3] << 32 | (uint64_t)bytes[4] << 24 | (uint64_t)bytes[5] << 16 |
           (uint64_t)bytes[6] << 8 | bytes[7];
}

APUS_INLINE uint16_t load_big_endian_16(const uint8_t *bytes) {
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void store_big_endian(uint8_t *bytes, size_t size, uint64_t value) {
    for (size_t i = size; i > 0; i--) {
        bytes[i - 1] = (uint8_t)value;
        value >>= 8;
    }
}

static apus_result decode_length_16(const uint8_t *bytes, size_t size, bool is_minimal,
                                    uint64_t *length) {
    if (size < 2) {
        return APUS_INCOMPLETE;
    }
    *length = load_big_endian_16(bytes);
    return is_minimal && *length < APUS_LENGTH_16 ? APUS_LENGTH_NOT_MINIMAL : APUS_OK;
}

static apus_result decode_length_64(const uint8_t *bytes, size_t size, bool is_minimal,
                                    uint64_t *length) {
    /* Bytes that have not come yet change no verdict as ones. */
    uint8_t whole[8];
    if (size < sizeof whole) {
        memset(whole, 0xFF, sizeof whole);
        whole[0] = 0x7F;
        memcpy(whole, bytes, size);
    }
    *length = load_big_endian_64(size < sizeof whole ? whole : bytes);
    if (*length >> 63 != 0) {
        return APUS_LENGTH_TOP_BIT;
    }
    if (is_minimal && *length <= UINT16_MAX) {
        return APUS_LENGTH_NOT_MINIMAL;
    }
    return size < sizeof whole ? APUS_INCOMPLETE : APUS_OK;
}

_Static_assert(offsetof(apus_frame_header, opcode) == offsetof(apus_frame_header, bits) + 1,
               "written as one");

/* In several stores: the sizes, by which a caller goes on, must not wait for the rest. */
APUS_INLINE void fill_header(apus_frame_header *header, uint64_t payload_size, uint32_t masking_key,
                             unsigned first_byte, size_t header_size, bool is_masked) {
    header->payload_size = payload_size;
    header->masking_key = masking_key;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint16_t bits_and_opcode = (uint16_t)((first_byte << 8 | first_byte) & 0x0FF0);
#else
    uint16_t bits_and_opcode = (uint16_t)((first_byte << 8 | first_byte) & 0xF00F);
#endif
    memcpy((uint8_t *)header + offsetof(apus_frame_header, bits), &bits_and_opcode, 2);
    header->header_size = (uint8_t)header_size;
    header->is_masked = is_masked;
}

apus_result apus_header_decode(const uint8_t *bytes, size_t size, apus_role role,
                               uint8_t reserved_bits_allowed, uint8_t allowances,
                               apus_frame_header *header) {
    if (size < 1) {
        return APUS_INCOMPLETE;
    }
    apus_result result = decode_first_byte(bytes[0], reserved_bits_allowed);
    if (result != APUS_OK) {
        return result;
    }
    if (size < 2) {
        return APUS_INCOMPLETE;
    }
    uint8_t opcode = bytes[0] & 0x0F;
    result = decode_second_byte(bytes[1], opcode, role, allowances);
    if (result != APUS_OK) {
        return result;
    }
    bool is_masked = (bytes[1] & APUS_MASK_BIT) != 0;
    bool is_minimal = (allowances & APUS_ALLOW_NON_MINIMAL_LENGTH) == 0;
    uint64_t length = bytes[1] & 0x7F;
    size_t header_size = 2;
    if (length == APUS_LENGTH_16) {
        header_size += 2;
        result = decode_length_16(bytes + 2, size - 2, is_minimal, &length);
    } else if (length == APUS_LENGTH_64) {
        header_size += 8;
        result = decode_length_64(bytes + 2, size - 2, is_minimal, &length);
    }
    if (result != APUS_OK) {
        return result;
    }
    uint32_t masking_key = 0;
    if (is_masked) {
        if (size < header_size + 4) {
            return APUS_INCOMPLETE;
        }
        masking_key = apus_load32(bytes + header_size);
        header_size += 4;
    }
    fill_header(header, length, masking_key, bytes[0], header_size, is_masked);
    return APUS_OK;
}

/* ---- Short headers ---- */

/* Those of frames of up to 125 bytes, as one role reads them, which is known where this is inlined.
 * Nothing in them takes a decision that cannot be foreseen. Whatever else comes, and whatever
 * breaks a rule, is left to apus_header_decode. */

APUS_INLINE size_t short_size(apus_role role) {
    return role == APUS_SERVER ? 6 : 2;
}

APUS_INLINE bool decode_short(const uint8_t *bytes, size_t size, apus_role role,
                              uint8_t reserved_bits_allowed, apus_frame_header *header) {
    /* A bit for each opcode without FIN and one with it. */
    const uint32_t legal = 3u << 2 * APUS_OPCODE_CONTINUATION | 3u << 2 * APUS_OPCODE_TEXT |
                           3u << 2 * APUS_OPCODE_BINARY | 2u << 2 * APUS_OPCODE_CLOSE |
                           2u << 2 * APUS_OPCODE_PING | 2u << 2 * APUS_OPCODE_PONG;
    const unsigned mask_bit = role == APUS_SERVER ? APUS_MASK_BIT : 0;
    if (size < short_size(role)) {
        return false;
    }
    unsigned first = bytes[0], length = bytes[1] ^ mask_bit;
    if ((legal >> ((first << 1 | first >> 7) & 31) & 1) == 0 ||
        (first & APUS_RESERVED_MASK & ~(unsigned)reserved_bits_allowed) != 0 ||
        length >= APUS_LENGTH_16) {
        return false;
    }
    fill_header(header, length, mask_bit != 0 ? apus_load32(bytes + 2) : 0, first, short_size(role),
                mask_bit != 0);
    return true;
}

APUS_INLINE apus_result decode_one(const uint8_t *bytes, size_t size, apus_role role,
                                   uint8_t reserved_bits_allowed, apus_frame_header *header) {
    if (decode_short(bytes, size, role, reserved_bits_allowed, header)) {
        return APUS_OK;
    }
    return apus_header_decode(bytes, size, role, reserved_bits_allowed, 0, header);
}

apus_result apus_frame_header_decode(const uint8_t *bytes, size_t size, apus_role role,
                                     uint8_t reserved_bits_allowed, apus_frame_header *header) {
    return role == APUS_SERVER
               ? decode_one(bytes, size, APUS_SERVER, reserved_bits_allowed, header)
               : decode_one(bytes, size, APUS_CLIENT, reserved_bits_allowed, header);
}

APUS_INLINE apus_result decode_many(const uint8_t *bytes, size_t size, apus_role role,
                                    uint8_t reserved_bits_allowed, apus_frame_header *headers,
                                    size_t capacity, size_t *count, size_t *used) {
    if (capacity == 0 || size == 0) {
        *count = *used = 0;
        return APUS_OK;
    }
    const uint8_t *at = bytes;
    apus_frame_header *header = headers, *const end = headers + capacity;
    apus_result result = APUS_OK;
    size_t left = size;
    while (header < end && left > 0) {
        if (decode_short(at, left, role, reserved_bits_allowed, header)) {
            /* Not from what was stored, nor by more than one addition: the time that a frame takes
             * is the way from its header to the next one. */
            const size_t step = short_size(role) - (role == APUS_SERVER ? APUS_MASK_BIT : 0);
            size_t frame_size = step + at[1];
            if (frame_size > left) {
                result = APUS_INCOMPLETE;
                break;
            }
            at += frame_size;
            left -= frame_size;
            header++;
            continue;
        }
        result = apus_header_decode(at, left, role, reserved_bits_allowed, 0, header);
        if (result == APUS_OK && header->payload_size > left - header->header_size) {
            result = APUS_INCOMPLETE;
        }
        if (result != APUS_OK) {
            break;
        }
        size_t frame_size = header->header_size + (size_t)header->payload_size;
        at += frame_size;
        left -= frame_size;
        header++;
    }
    *count = (size_t)(header - headers);
    *used = size - left;
    return result;
}

apus_result apus_frame_headers_decode(const uint8_t *bytes, size_t size, apus_role role,
                                      uint8_t reserved_bits_allowed, apus_frame_header *headers,
                                      size_t capacity, size_t *count, size_t *used) {
    return role == APUS_SERVER ? decode_many(bytes, size, APUS_SERVER, reserved_bits_allowed,
                                             headers, capacity, count, used)
                               : decode_many(bytes, size, APUS_CLIENT, reserved_bits_allowed,
                                             headers, capacity, count, used);
}

size_t apus_frame_header_encode(uint8_t *out, uint8_t first_byte, uint64_t payload_size,
                                const uint8_t *masking_key) {
    uint8_t mask_bit = masking_key != NULL ? APUS_MASK_BIT : 0;
    size_t size = 2;
    out[0] = first_byte;
    if (payload_size < APUS_LENGTH_16) {
        out[1] = (uint8_t)(mask_bit | payload_size);
    } else if (payload_size <= UINT16_MAX) {
        out[1] = mask_bit | APUS_LENGTH_16;
        store_big_endian(out + 2, 2, payload_size);
        size += 2;
    } else {
        out[1] = mask_bit | APUS_LENGTH_64;
        store_big_endian(out + 2, 8, payload_size);
        size += 8;
    }
    if (masking_key != NULL) {
        memcpy(out + size, masking_key, 4);
        size += 4;
    }
    return size;
}

bool apus_close_code_is_valid(uint16_t code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

apus_result apus_close_payload_decode(const uint8_t *bytes, size_t size, uint16_t *code) {
    if (size == 0) {
        *code = 1005;
        return APUS_OK;
    }
    if (size == 1) {
        return APUS_CLOSE_PAYLOAD_TOO_SHORT;
    }
    uint16_t found = load_big_endian_16(bytes);
    if (!apus_close_code_is_valid(found)) {
        return APUS_CLOSE_CODE_INVALID;
    }
    apus_utf8_state state = 0;
    if (!apus_utf8_validate(&state, bytes + 2, size - 2) || state != 0) {
        return APUS_INVALID_UTF8;
    }
    *code = found;
    return APUS_OK;
}
