// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/* Close payloads against RFC 6455 §5.5.1 and §7.4 said plainly. The input is the payload. */

#include "fuzz.h"
#include "text.h"

/* The codes of §7.4.1 and of the registry that an endpoint may send, and the free ranges. */
static bool may_be_sent(unsigned code) {
    switch (code) {
    case 1000:
    case 1001:
    case 1002:
    case 1003:
    case 1007:
    case 1008:
    case 1009:
    case 1010:
    case 1011:
    case 1012:
    case 1013:
    case 1014:
        return true;
    default:
        return code / 1000 == 3 || code / 1000 == 4;
    }
}

static apus_result expected_result(const uint8_t *bytes, size_t size, unsigned *code) {
    *code = 1005;
    if (size < 2) {
        return size == 0 ? APUS_OK : APUS_CLOSE_PAYLOAD_TOO_SHORT;
    }
    *code = bytes[0] * 256u + bytes[1];
    if (!may_be_sent(*code)) {
        return APUS_CLOSE_CODE_INVALID;
    }
    text reason = {0};
    text_read(&reason, bytes + 2, size - 2);
    return reason.is_broken || reason.missing > 0 ? APUS_INVALID_UTF8 : APUS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 125) {
        size = 125;
    }
    unsigned code_expected;
    apus_result expected = expected_result(data, size, &code_expected);
    size_t count = available_variants();
    exact payload = exact_copy(data, size, 0);
    for (size_t i = 0; i < count; i++) {
        use_variant(i);
        uint16_t code = 0;
        apus_result result = apus_close_payload_decode(payload.bytes, size, &code);
        CHECK(result == expected);
        CHECK(result != APUS_OK || code == code_expected);
        uint16_t answer = result == APUS_OK ? 0 : result == APUS_INVALID_UTF8 ? 1007 : 1002;
        CHECK(apus_result_close_code(result) == answer);
    }
    exact_end(payload);
    return 0;
}
