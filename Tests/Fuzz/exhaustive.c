// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/*
 * The small spaces in full, in memory that ends where the bytes end: what fuzzing reaches by luck
 * is here every time. Meant for builds with AddressSanitizer and UndefinedBehaviorSanitizer.
 */

#include "accept.h"
#include "fuzz.h"
#include "rules.h"
#include "text.h"

enum { SIZES = 301 };

static unsigned long calls;

/* A random number that the last one determines (an LCG of Numerical Recipes). */
static uint8_t next_byte(void) {
    static uint32_t random = 1;
    random = random * 1664525u + 1013904223u;
    return (uint8_t)(random >> 24);
}

/* ---- Masking ---- */

static void mask_every_phase(const uint8_t *plain, size_t size, size_t shift, uint32_t key) {
    uint8_t key_bytes[4];
    memcpy(key_bytes, &key, 4);
    for (size_t phase = 0; phase < 4; phase++) {
        exact source = exact_copy(plain, size, 63 - shift);
        exact target = exact_make(size, shift);
        apus_mask_copy(target.bytes, source.bytes, size, key, phase);
        apus_mask(source.bytes, size, key, phase);
        for (size_t i = 0; i < size; i++) {
            uint8_t expected = plain[i] ^ key_bytes[(phase + i) % 4];
            CHECK(source.bytes[i] == expected);
            CHECK(target.bytes[i] == expected);
        }
        exact_end(source);
        exact_end(target);
        calls += 2;
    }
}

static void mask_every_size(void) {
    uint8_t plain[SIZES];
    for (size_t i = 0; i < SIZES; i++) {
        plain[i] = next_byte();
    }
    for (size_t size = 0; size < SIZES; size++) {
        /* A step of 7 visits every remainder of the vector widths in turn. */
        for (size_t shift = size % 7; shift < 64; shift += 7) {
            mask_every_phase(plain, size, shift, 0x9D21FA37u);
        }
    }
    apus_mask(NULL, 0, 0x9D21FA37u, 3);
    apus_mask_copy(NULL, NULL, 0, 0x9D21FA37u, 3);
}

/* Pieces whose first or last vector lies in two pages, which the kernels treat apart. */
static void mask_across_pages(void) {
    enum { PAGE = 4096 };
    static const size_t sizes[] = {129, 191, 256, 300, 1000, PAGE - 1, PAGE, PAGE + 77};
    uint8_t *pages = aligned_alloc(PAGE, 4 * PAGE);
    CHECK(pages != NULL);
    for (size_t i = 0; i < 4 * PAGE; i++) {
        pages[i] = (uint8_t)(i * 7 + i / PAGE);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t place = 0; place <= 130; place++) {
            /* The first time the piece ends around the border, then it begins there. */
            size_t starts[] = {2 * PAGE + place - sizes[i] - 1, PAGE + place - 65};
            for (size_t k = 0; k < 2; k++) {
                exact expected = exact_copy(pages, 4 * PAGE, 0);
                uint8_t key_bytes[4] = {1, 2, 4, 8};
                uint32_t key;
                memcpy(&key, key_bytes, 4);
                apus_mask(pages + starts[k], sizes[i], key, k);
                for (size_t at = 0; at < sizes[i]; at++) {
                    expected.bytes[starts[k] + at] ^= key_bytes[(at + k) % 4];
                }
                CHECK(memcmp(expected.bytes, pages, 4 * PAGE) == 0);
                exact_end(expected);
                calls += 1;
            }
        }
    }
    free(pages);
}

/* ---- UTF-8 ---- */

/* A whole text in two pieces. */
static void validate(const uint8_t *bytes, size_t size, size_t cut, size_t shift) {
    text expected = {0};
    apus_utf8_state state = 0;
    const size_t ends[3] = {0, cut, size};
    for (size_t i = 0; i < 2 && !expected.is_broken; i++) {
        exact piece = exact_copy(bytes + ends[i], ends[i + 1] - ends[i], shift);
        bool is_valid = apus_utf8_validate(&state, piece.bytes, ends[i + 1] - ends[i]);
        text_read(&expected, piece.bytes, ends[i + 1] - ends[i]);
        CHECK(is_valid == !expected.is_broken);
        CHECK(!is_valid || (state == 0) == (expected.missing == 0));
        exact_end(piece);
        calls += 1;
    }
}

/* Characters of one to four bytes, cut off at every size, with every phase at the first block; then
 * with a byte made wrong. */
static void validate_every_size(void) {
    static const uint8_t characters[10] = {0xF0, 0x9F, 0x90, 0x9D, 0xE2,
                                           0x82, 0xAC, 0xC3, 0xA4, 'a'};
    static const uint8_t wrong[] = {0x00, 0x80, 0xBF, 0xC0, 0xC3, 0xED, 0xF4, 0xFF};
    uint8_t bytes[SIZES + 4];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = characters[i % sizeof characters];
    }
    for (size_t size = 0; size < sizeof bytes; size++) {
        for (size_t cut = 0; cut <= 4 && cut <= size; cut++) {
            validate(bytes, size, cut, 0);
            validate(bytes, size, size - cut, 0);
        }
        for (size_t place = size % 5; place < size; place += 5) {
            uint8_t right = bytes[place];
            bytes[place] = wrong[(place + size) % sizeof wrong];
            validate(bytes, size, size, 0);
            bytes[place] = right;
        }
    }
    apus_utf8_state state = 0;
    CHECK(apus_utf8_validate(&state, NULL, 0) && state == 0);
}

/* What is right or wrong, at every place of an ASCII text; and every place to start in a block. */
static void validate_every_place(void) {
    static const char *const sequences[] = {
        "\xF0\x9F\x90\x9D", "\xF0\x9F\x90", "\xE2\x82", "\xC3", "\x80", "\xED\xA0\x80"};
    static const size_t sizes[] = {40, 100, 133, 700};
    uint8_t bytes[700];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t k = 0; k < sizeof sequences / sizeof sequences[0]; k++) {
            size_t length = strlen(sequences[k]);
            for (size_t place = 0; place + length <= sizes[i]; place++) {
                memset(bytes, 'a', sizeof bytes);
                memcpy(bytes + place, sequences[k], length);
                validate(bytes, sizes[i], sizes[i], place % 64);
            }
        }
    }
}

/* A piece that is masked, in place and copying: what it becomes, the answer, and the state. */
static void unmask_text(const uint8_t *plain, size_t size, size_t shift, uint32_t key) {
    apus_utf8_state expected = 0;
    bool is_valid = apus_utf8_scalar(&expected, plain, size);
    exact source = exact_copy(plain, size, shift);
    exact target = exact_make(size, 63 - shift);
    apus_mask_scalar(source.bytes, plain, size, key);
    apus_utf8_state state = 0;
    CHECK(apus_mask_utf8_copy(&state, target.bytes, source.bytes, size, key, 0) == is_valid);
    CHECK(!is_valid || state == expected);
    state = 0;
    CHECK(apus_mask_utf8(&state, source.bytes, size, key, 0) == is_valid);
    CHECK(!is_valid || state == expected);
    CHECK(memcmp(target.bytes, plain, size) == 0 && memcmp(source.bytes, plain, size) == 0);
    exact_end(source);
    exact_end(target);
    calls += 2;
}

/* Long enough for pieces that are walked in turns: ASCII up to any place, then something else, and
 * ASCII again from a place on that leaves all sorts of rests. */
static void unmask_long_texts(void) {
    static const char *const sequences[] = {"\xF0\x9F\x90\x9D", "\xE2\x82\xAC", "\xC3", "\x80"};
    enum { LONGEST = 20000 };
    static uint8_t bytes[LONGEST];
    for (size_t size = 400; size < LONGEST; size += size / 8 + 1) {
        for (size_t i = 0; i < 24; i++) {
            const char *sequence = sequences[i % 4];
            size_t length = strlen(sequence);
            size_t first = next_byte() * size / 256;
            /* What is right may follow itself; one after the other of what is wrong need not. */
            size_t count = i % 4 < 2 ? next_byte() * (size - first) / 256 / length : 1;
            memset(bytes, 'a', size);
            for (size_t k = 0; k < count && first + (k + 1) * length <= size; k++) {
                memcpy(bytes + first + k * length, sequence, length);
            }
            unmask_text(bytes, size, next_byte() % 64, 0x9D21FA37u);
        }
    }
    /* All of four bytes, so that every turn ends with a character, and every rest behind it. */
    for (size_t i = 0; i < LONGEST; i++) {
        bytes[i] = (uint8_t)sequences[0][i % 4];
    }
    for (size_t rest = 0; rest < 300; rest++) {
        unmask_text(bytes, 16384 + rest, rest % 64, 0x9D21FA37u);
    }
}

/* Every sequence of two bytes, at the start, and at the end of a piece of every kernel. */
static void validate_every_pair(void) {
    static const size_t sizes[] = {2, 33, 67, 130};
    uint8_t bytes[130];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t size = sizes[i];
        memset(bytes, 'a', sizeof bytes);
        for (unsigned pair = 0; pair < 1u << 16; pair++) {
            bytes[size - 2] = (uint8_t)(pair >> 8);
            bytes[size - 1] = (uint8_t)pair;
            validate(bytes, size, size, 0);
        }
    }
}

/* ---- Headers, close codes, keys ---- */

static void decode_as_both(uint8_t allowed, unsigned start, const char *tail) {
    uint8_t bytes[APUS_HEADER_SIZE_MAX] = {(uint8_t)(start >> 8), (uint8_t)start};
    memcpy(bytes + 2, tail, sizeof bytes - 2);
    check_every_prefix((reader){APUS_SERVER, allowed}, bytes, sizeof bytes);
    check_every_prefix((reader){APUS_CLIENT, allowed}, bytes, sizeof bytes);
    check_headers((reader){APUS_SERVER, allowed}, bytes, sizeof bytes, 2);
    check_headers((reader){APUS_CLIENT, allowed}, bytes, sizeof bytes, 2);
    calls += 2 * (sizeof bytes + 2);
}

/* Every first two bytes; and where a length follows, every border of it and all allowed bits. */
static void decode_every_start(void) {
    static const char tails[][APUS_HEADER_SIZE_MAX - 2 + 1] = {
        "\x00\x00\x00\x00\x00\x00\x00\x00key!", "\x00\x7D\x00\x00\x00\x00\x00\x7Dkey!",
        "\x00\x7E\x00\x00\x00\x00\x00\x7Ekey!", "\xFF\xFF\x00\x00\x00\x00\xFF\xFFkey!",
        "\x00\x00\x00\x00\x00\x00\xFF\xFFkey!", "\x00\x00\x00\x00\x00\x01\x00\x00key!",
        "\x00\x00\x00\x01\x00\x00\x00\x00key!", "\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFFkey!",
        "\x80\x00\x00\x00\x00\x00\x00\x00key!",
    };
    for (unsigned start = 0; start < 1u << 16; start++) {
        decode_as_both(0, start, tails[7]);
        if (start % 128 < 125) {
            continue;
        }
        for (unsigned allowed = 0; allowed < 128; allowed += 16) {
            for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
                decode_as_both((uint8_t)allowed, start, tails[i]);
            }
        }
    }
}

/* A stream of every kind of header but those with a length of 64 bits, of which some are of frames
 * without payload, cut everywhere; then with bytes changed. */
static void walk_every_cut(apus_role role) {
    static const uint8_t first_bytes[] = {0x81, 0x01, 0x00, 0x80, 0x82, 0x88, 0x89, 0x8A};
    static const size_t sizes[] = {0, 1, 20, 125, 126, 300};
    static const uint8_t key[4] = {1, 2, 3, 4};
    enum { FRAMES = 24, MUTATIONS = 40000 };
    uint8_t stream[FRAMES * (APUS_HEADER_SIZE_MAX + 300)], changed[sizeof stream];
    size_t size = 0;
    for (size_t i = 0; i < FRAMES; i++) {
        uint8_t first = first_bytes[i % sizeof first_bytes];
        size_t payload = sizes[(i + i / 6) % ((first & 8) != 0 ? 4 : 6)];
        size += apus_frame_header_encode(stream + size, first, payload,
                                         role == APUS_SERVER ? key : NULL);
        for (size_t end = size + payload; size < end; size++) {
            stream[size] = next_byte();
        }
    }
    reader by = {role, 0};
    for (size_t cut = 0; cut <= size; cut++) {
        check_headers(by, stream, cut, FRAMES + 1);
        check_headers(by, stream, cut, cut % FRAMES);
    }
    for (size_t i = 0; i < MUTATIONS; i++) {
        memcpy(changed, stream, size);
        by.allowed = next_byte() & 0x70;
        for (size_t changes = 1 + next_byte() % 3; changes > 0; changes--) {
            changed[((size_t)next_byte() << 8 | next_byte()) % size] = next_byte();
        }
        check_headers(by, changed, size, next_byte() % (2 * FRAMES));
    }
    calls += 2 * size + MUTATIONS;
}

static void judge_every_close_code(void) {
    for (unsigned code = 0; code < 1u << 16; code++) {
        const uint8_t bytes[2] = {(uint8_t)(code >> 8), (uint8_t)code};
        exact payload = exact_copy(bytes, 2, 0);
        uint16_t found = 0;
        bool is_valid = (code >= 1000 && code < 1015 && (code < 1004 || code > 1006)) ||
                        (code >= 3000 && code < 5000);
        apus_result result = apus_close_payload_decode(payload.bytes, 2, &found);
        CHECK(result == (is_valid ? APUS_OK : APUS_CLOSE_CODE_INVALID));
        CHECK(!is_valid || found == code);
        exact_end(payload);
        calls += 1;
    }
    uint16_t none = 0;
    CHECK(apus_close_payload_decode(NULL, 0, &none) == APUS_OK && none == 1005);
}

static void judge_every_key_byte(void) {
    static const char good[] = "dGhlIHNhbXBsZSBub25jZQ==";
    for (size_t place = 0; place < APUS_KEY_SIZE; place++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            exact key = exact_copy((const uint8_t *)good, APUS_KEY_SIZE, 0);
            key.bytes[place] = (uint8_t)byte;
            bool is_digit = byte != 0 && strchr(digits, (int)byte) != NULL;
            bool is_last = byte != 0 && strchr("AQgw", (int)byte) != NULL;
            bool is_valid = place > 21 ? byte == '=' : place == 21 ? is_last : is_digit;
            CHECK(apus_key_is_valid(key.bytes, APUS_KEY_SIZE) == is_valid);
            exact_end(key);
            calls += 1;
        }
    }
    CHECK(!apus_key_is_valid(NULL, 0));
}

/* Every bit of a key changed, and random keys. */
static void answer_many_keys(void) {
    uint8_t key[APUS_KEY_SIZE];
    memcpy(key, "dGhlIHNhbXBsZSBub25jZQ==", sizeof key);
    for (size_t bit = 0; bit < 8 * sizeof key; bit++) {
        key[bit / 8] ^= (uint8_t)(1 << bit % 8);
        check_accept(key);
        key[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    enum { KEYS = 20000 };
    for (size_t i = 0; i < KEYS; i++) {
        for (size_t k = 0; k < 22; k++) {
            key[k] = (uint8_t)digits[next_byte() % 64];
        }
        check_accept(key);
    }
    calls += (KEYS + 8 * sizeof key) * available_variants();
}

int main(void) {
    size_t count = available_variants();
    for (size_t i = 0; i < count; i++) {
        use_variant(i);
        mask_every_size();
        mask_across_pages();
        validate_every_size();
        validate_every_place();
        validate_every_pair();
        unmask_long_texts();
    }
    decode_every_start();
    walk_every_cut(APUS_SERVER);
    walk_every_cut(APUS_CLIENT);
    judge_every_close_code();
    judge_every_key_byte();
    answer_many_keys();
    printf("%lu calls in %zu variants, no finding\n", calls, count);
    return 0;
}
