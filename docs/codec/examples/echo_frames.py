#!/usr/bin/env python3
# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The same as echo_frames.c from Python by ctypes, against the shared library.

    python3 echo_frames.py PREFIX/lib/libapus_codec.so.0
"""

import ctypes
import sys

OK, INCOMPLETE = 0, 1
SERVER = 0
FIN, TEXT = 0x80, 0x1
HEADER_SIZE_MAX, ACCEPT_SIZE = 14, 28


class FrameHeader(ctypes.Structure):
    """apus_frame_header."""

    _fields_ = [
        ("payload_size", ctypes.c_uint64),
        ("masking_key", ctypes.c_uint32),
        ("bits", ctypes.c_uint8),
        ("opcode", ctypes.c_uint8),
        ("header_size", ctypes.c_uint8),
        ("is_masked", ctypes.c_uint8),
    ]


class Violation(Exception):
    """The peer broke a rule; `code` is what to close the connection with."""

    def __init__(self, code):
        super().__init__(f"close with {code}")
        self.code = code


class Codec:
    """The functions that are needed here, with types: ctypes would guess int for all of them."""

    def __init__(self, path):
        self.library = library = ctypes.CDLL(path)
        size, word, address = ctypes.c_size_t, ctypes.c_uint32, ctypes.c_void_p
        library.apus_result_close_code.argtypes = [ctypes.c_int]
        library.apus_result_close_code.restype = ctypes.c_uint16
        library.apus_frame_header_decode.argtypes = [
            address, size, ctypes.c_int, ctypes.c_uint8, ctypes.POINTER(FrameHeader),
        ]
        library.apus_frame_header_encode.argtypes = [
            address, ctypes.c_uint8, ctypes.c_uint64, ctypes.c_char_p,
        ]
        library.apus_frame_header_encode.restype = size
        library.apus_mask.argtypes = [address, size, word, size]
        library.apus_mask.restype = None
        library.apus_utf8_validate.argtypes = [ctypes.POINTER(word), address, size]
        library.apus_utf8_validate.restype = ctypes.c_bool
        library.apus_key_is_valid.argtypes = [ctypes.c_char_p, size]
        library.apus_key_is_valid.restype = ctypes.c_bool
        library.apus_accept_key.argtypes = [ctypes.c_char_p, address]
        library.apus_accept_key.restype = None

    def accept_key(self, key):
        if not self.library.apus_key_is_valid(key, len(key)):
            raise ValueError("not a Sec-WebSocket-Key")
        accept = ctypes.create_string_buffer(ACCEPT_SIZE)
        self.library.apus_accept_key(key, accept)
        return accept.raw

    def client_frame(self, text, key):
        """A text frame as a client sends it, masked with the four bytes of `key`."""
        header = ctypes.create_string_buffer(HEADER_SIZE_MAX)
        size = self.library.apus_frame_header_encode(header, FIN | TEXT, len(text), key)
        payload = ctypes.create_string_buffer(text, len(text))
        masking_key = int.from_bytes(key, sys.byteorder)
        self.library.apus_mask(payload, len(text), masking_key, 0)
        return header.raw[:size] + payload.raw

    def received_text(self, stream):
        """The text of the frame at the start of a bytearray, unmasked where it lies; None if it is
        not complete."""
        buffer = (ctypes.c_uint8 * len(stream)).from_buffer(stream)
        header = FrameHeader()
        result = self.library.apus_frame_header_decode(
            buffer, len(stream), SERVER, 0, ctypes.byref(header)
        )
        if result == INCOMPLETE:
            return None
        if result != OK:
            raise Violation(self.library.apus_result_close_code(result))
        if header.payload_size > len(stream) - header.header_size:
            return None
        start, end = header.header_size, header.header_size + header.payload_size
        payload = ctypes.byref(buffer, start)
        state = ctypes.c_uint32(0)
        self.library.apus_mask(payload, header.payload_size, header.masking_key, 0)
        valid = self.library.apus_utf8_validate(ctypes.byref(state), payload, header.payload_size)
        if not valid or state.value != 0:
            raise Violation(1007)
        return stream[start:end].decode()


def main():
    codec = Codec(sys.argv[1] if len(sys.argv) > 1 else "libapus_codec.so.0")
    print("Sec-WebSocket-Accept:", codec.accept_key(b"dGhlIHNhbXBsZSBub25jZQ==").decode())

    # The key of RFC 6455 §5.7. A client takes four unpredictable bytes for each frame (§5.3).
    frame = codec.client_frame(b"Hello", bytes.fromhex("37fa213d"))
    print("client sends:", frame.hex(" "))
    print("server receives:", codec.received_text(bytearray(frame)))

    try:
        codec.received_text(bytearray.fromhex("810548656c6c6f"))
    except Violation as violation:
        print("server receives the same without a mask:", violation)


if __name__ == "__main__":
    main()
