// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

// The same as echo_frames.c in C++17: buffers own themselves, views lend, errors are exceptions.

#include <apus_codec.h>

#include <array>
#include <cstring>
#include <iomanip>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Bytes = std::vector<std::uint8_t>;
using MaskingKey = std::array<std::uint8_t, 4>;

const std::uint8_t *bytes_of(std::string_view text) {
    return reinterpret_cast<const std::uint8_t *>(text.data());
}

// A rule that the peer broke, with the code to close the connection with.
struct Violation : std::runtime_error {
    explicit Violation(apus_result result)
        : std::runtime_error("the peer broke a rule"), code(apus_result_close_code(result)) {
    }
    std::uint16_t code;
};

std::string accept_key(std::string_view key) {
    if (!apus_key_is_valid(bytes_of(key), key.size())) {
        throw std::invalid_argument("not a Sec-WebSocket-Key");
    }
    std::array<std::uint8_t, APUS_ACCEPT_SIZE> accept;
    apus_accept_key(bytes_of(key), accept.data());
    return std::string(accept.begin(), accept.end());
}

// A whole text frame as a client sends it.
Bytes client_frame(std::string_view text, const MaskingKey &key) {
    Bytes frame(APUS_HEADER_SIZE_MAX + text.size());
    const std::size_t header_size = apus_frame_header_encode(
        frame.data(), APUS_FIN | APUS_OPCODE_TEXT, text.size(), key.data());
    std::uint32_t masking_key;
    std::memcpy(&masking_key, key.data(), sizeof masking_key);
    apus_mask_copy(frame.data() + header_size, bytes_of(text), text.size(), masking_key, 0);
    frame.resize(header_size + text.size());
    return frame;
}

// The text at the start of what came, unmasked in place: a view into `bytes`. Nothing if the frame
// is not complete yet.
std::optional<std::string_view> received_text(Bytes &bytes) {
    apus_frame_header header;
    const apus_result result =
        apus_frame_header_decode(bytes.data(), bytes.size(), APUS_SERVER, 0, &header);
    if (result == APUS_INCOMPLETE) {
        return std::nullopt;
    }
    if (result != APUS_OK) {
        throw Violation(result);
    }
    if (header.payload_size > bytes.size() - header.header_size) {
        return std::nullopt;
    }
    std::uint8_t *payload = bytes.data() + header.header_size;
    const std::size_t size = static_cast<std::size_t>(header.payload_size);
    apus_mask(payload, size, header.masking_key, 0);
    apus_utf8_state state = 0;
    if (!apus_utf8_validate(&state, payload, size) || state != 0) {
        throw Violation(APUS_INVALID_UTF8);
    }
    return std::string_view(reinterpret_cast<const char *>(payload), size);
}

void print_hex(std::string_view label, const Bytes &bytes) {
    std::cout << label << std::hex << std::setfill('0');
    for (const unsigned byte : bytes) {
        std::cout << ' ' << std::setw(2) << byte;
    }
    std::cout << std::dec << '\n';
}

} // namespace

int main() try {
    std::cout << "Sec-WebSocket-Accept: " << accept_key("dGhlIHNhbXBsZSBub25jZQ==") << '\n';

    // The key of RFC 6455 §5.7. A client takes four unpredictable bytes for each frame (§5.3).
    Bytes frame = client_frame("Hello", {0x37, 0xFA, 0x21, 0x3D});
    print_hex("client sends:", frame);

    const auto text = received_text(frame);
    if (!text) {
        std::cerr << "echo_frames: more bytes are needed\n";
        return 1;
    }
    std::cout << "server receives: " << *text << '\n';
    return 0;
} catch (const Violation &violation) {
    std::cerr << "echo_frames: close with " << violation.code << '\n';
    return 1;
}
