// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

// simdjson's validators of whole texts, one for each instruction set it knows.

#include <cstddef>
#include <cstdint>
#include <simdjson.h>

namespace {

const simdjson::implementation *find(const char *name) {
    return simdjson::get_available_implementations()[name];
}

unsigned validate(const simdjson::implementation *implementation, const uint8_t *bytes,
                  size_t size) {
    return implementation->validate_utf8(reinterpret_cast<const char *>(bytes), size);
}

const simdjson::implementation *const icelake = find("icelake");
const simdjson::implementation *const haswell = find("haswell");
const simdjson::implementation *const westmere = find("westmere");

} // namespace

extern "C" {

bool simdjson_has(const char *name) {
    const simdjson::implementation *found = find(name);
    return found != nullptr && found->supported_by_runtime_system();
}

unsigned simdjson_icelake(uint8_t *, uint8_t *bytes, size_t size) {
    return validate(icelake, bytes, size);
}

unsigned simdjson_haswell(uint8_t *, uint8_t *bytes, size_t size) {
    return validate(haswell, bytes, size);
}

unsigned simdjson_westmere(uint8_t *, uint8_t *bytes, size_t size) {
    return validate(westmere, bytes, size);
}
}
