# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The C codec beside implementations that share nothing with it: Python's own UTF-8, wsproto."""

import codecs
import ctypes
import os
import pathlib
import platform
import random
import struct
import subprocess
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint8, c_uint16, c_uint32, c_void_p

import pytest
from wsproto import frame_protocol
from wsproto.frame_protocol import FrameDecoder, FrameProtocol, Opcode, ParseFailed

ROOT = pathlib.Path(__file__).resolve().parents[2]
VARIANTS = ["scalar", "SSE4.2", "AVX2", "AVX-512", "NEON"]
OK, INCOMPLETE = 0, 1
SERVER, CLIENT = 0, 1
ROLES = {"server": SERVER, "client": CLIENT}


class Header(ctypes.Structure):
    """apus_frame_header."""

    _fields_ = [
        ("payload_size", ctypes.c_uint64),
        ("masking_key", c_uint32),
        ("bits", c_uint8),
        ("opcode", c_uint8),
        ("header_size", c_uint8),
        ("is_masked", c_uint8),
    ]


class Codec:
    """The functions of apus_codec.h on Python's bytes."""

    def __init__(self, path):
        library = ctypes.CDLL(str(path))

        def function(name, result, *arguments):
            found = getattr(library, f"apus_{name}")
            found.restype, found.argtypes = result, arguments
            return found

        self._decode = function(
            "frame_header_decode", c_int, c_char_p, c_size_t, c_int, c_uint8, POINTER(Header)
        )
        self._encode = function(
            "frame_header_encode", c_size_t, c_void_p, c_uint8, ctypes.c_uint64, c_char_p
        )
        self._mask = function("mask", None, c_void_p, c_size_t, c_uint32, c_size_t)
        self._utf8 = function(
            "utf8_validate", ctypes.c_bool, POINTER(c_uint32), c_char_p, c_size_t
        )
        self._close = function(
            "close_payload_decode", c_int, c_char_p, c_size_t, POINTER(c_uint16)
        )
        self.close_code = function("result_close_code", c_uint16, c_int)
        self.select = function("variant_select", ctypes.c_bool, c_int)
        self.is_available = function("variant_is_available", ctypes.c_bool, c_int)

    def decode(self, data, role):
        header = Header()
        return self._decode(data, len(data), role, 0, byref(header)), header

    def encode(self, first_byte, size, key):
        out = ctypes.create_string_buffer(14)
        written = self._encode(out, first_byte, size, key)
        return out.raw[:written]

    def mask(self, data, key, offset=0):
        if isinstance(key, bytes):
            (key,) = struct.unpack("=I", key)
        out = ctypes.create_string_buffer(data, len(data)) if data else None
        self._mask(out, len(data), key, offset)
        return out.raw if data else b""

    def validate(self, state, piece):
        """Whether the piece is fine, and the state after it."""
        state = c_uint32(state)
        return self._utf8(byref(state), piece, len(piece)), state.value

    def close_payload(self, payload):
        code = c_uint16()
        return self._close(payload, len(payload), byref(code)), code.value


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("codec") / "libapus_codec.so"
    folder = ROOT / "CShims/CApusCodec"
    sources = sorted(folder.glob("*.c"))
    assert sources
    subprocess.run(
        ["cc", "-std=c11", "-O2", "-shared", "-fPIC", f"-I{folder / 'include'}", "-o", path,
         *sources],
        check=True,
    )
    return Codec(path)


@pytest.fixture(params=VARIANTS[:4] if platform.machine() == "x86_64" else ["scalar", "NEON"])
def codec(request, library):
    variant = VARIANTS.index(request.param)
    if not library.is_available(variant):
        pytest.skip(f"this processor has no {request.param}")
    assert library.select(variant)
    return library


@pytest.fixture
def seeded():
    seed = int(os.environ.get("APUS_SEED", random.randrange(1 << 32)))
    print(f"APUS_SEED={seed}")
    return random.Random(seed)


# ---- UTF-8 ----


def judge_like_python(codec, pieces):
    """Compares the verdict after each piece, up to the first that is wrong."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    state = 0
    for index, piece in enumerate(pieces):
        is_valid, state = codec.validate(state, piece)
        try:
            decoder.decode(piece)
            expected = True
        except UnicodeDecodeError:
            expected = False
        held, _ = decoder.getstate()
        # Python waits for the third byte of a surrogate, which its "surrogatepass" would let in.
        if held[:1] == b"\xed" and held[1:2] >= b"\xa0":
            expected = False
        assert is_valid == expected, f"piece {index} of {pieces}"
        if not expected:
            return
        assert (state == 0) == (held == b""), f"after piece {index} of {pieces}"


def cut(data, places):
    ends = [0, *sorted(places), len(data)]
    return [data[start:end] for start, end in zip(ends, ends[1:])]


def random_character(seeded):
    return seeded.choice(
        [
            lambda: chr(seeded.randrange(0x80)).encode(),
            lambda: chr(seeded.randrange(0x80, 0x800)).encode(),
            lambda: chr(seeded.randrange(0x800, 0xD800)).encode(),
            lambda: chr(seeded.randrange(0xE000, 0x110000)).encode(),
        ]
    )()


def random_mistake(seeded):
    return seeded.choice(
        [
            lambda: chr(seeded.randrange(0xD800, 0xE000)).encode("utf-8", "surrogatepass"),
            lambda: bytes([0xC0 | seeded.randrange(2), 0x80 | seeded.randrange(64)]),
            lambda: bytes([0xE0, 0x80 | seeded.randrange(32), 0x80 | seeded.randrange(64)]),
            lambda: bytes([0xF0, 0x80 | seeded.randrange(16), 0x80, 0x80]),
            lambda: bytes([0xF4, 0x90 | seeded.randrange(48), 0x80, 0x80]),
            lambda: bytes([seeded.randrange(256)]),
            lambda: random_character(seeded)[:-1],
        ]
    )()


def test_utf8_is_judged_like_python_at_every_cut(codec, seeded):
    for _ in range(4000):
        ascii_share = seeded.choice([0, 0.5, 0.95])
        text = bytearray()
        for _ in range(seeded.randrange(seeded.choice([4, 40, 400]))):
            text += b"a" if seeded.random() < ascii_share else random_character(seeded)
        if seeded.random() < 0.6:
            place = seeded.randrange(len(text) + 1)
            text[place:place] = random_mistake(seeded)
        places = [seeded.randrange(len(text) + 1) for _ in range(seeded.randrange(6))]
        judge_like_python(codec, cut(bytes(text), places))


def test_every_surrogate_and_overlong_form_is_refused_like_python(codec):
    forms = [chr(value).encode("utf-8", "surrogatepass") for value in range(0xD800, 0xE000)]
    for value in range(0x80):
        forms.append(bytes([0xC0 | value >> 6, 0x80 | value & 63]))
    for value in range(0, 0x800, 7):
        forms.append(bytes([0xE0, 0x80 | value >> 6, 0x80 | value & 63]))
    for value in range(0, 0x10000, 251):
        forms.append(
            bytes([0xF0, 0x80 | value >> 12, 0x80 | value >> 6 & 63, 0x80 | value & 63])
        )
    for index, form in enumerate(forms):
        text = b"a" * (index % 70) + form + b"a" * (index % 3)
        judge_like_python(codec, [text])
        judge_like_python(codec, [text[i : i + 1] for i in range(len(text))])


def test_every_sequence_of_two_bytes_is_judged_like_python(codec):
    for first in range(256):
        for second in range(256):
            judge_like_python(codec, [bytes([first, second])])


# ---- Frames ----

SIZES = [0, 1, 2, 3, 4, 7, 15, 16, 17, 31, 33, 63, 64, 65, 124, 125, 126, 127, 128, 300, 1000]
LARGE_SIZES = [65534, 65535, 65536, 65537, 70000]


@pytest.fixture
def seeded_keys(monkeypatch, seeded):
    """wsproto's masking keys come from the seed as well."""
    monkeypatch.setattr(frame_protocol.os, "urandom", seeded.randbytes)


def random_frames(seeded):
    """Frames of a valid stream as (opcode, fin, payload): fragments with control frames between."""
    frames = []
    for _ in range(seeded.randrange(1, 12)):
        opcode = seeded.choice([Opcode.TEXT, Opcode.BINARY])
        fragments = seeded.choice([1, 1, 2, 4])
        for index in range(fragments):
            size = seeded.choice(SIZES if seeded.random() < 0.95 else LARGE_SIZES)
            if opcode is Opcode.TEXT:
                payload = "".join(
                    seeded.choice("aäß€🐝") for _ in range(size // 2)
                ).encode()
            else:
                payload = seeded.randbytes(size)
            kind = Opcode.CONTINUATION if index else opcode
            frames.append((kind, index == fragments - 1, payload))
            if seeded.random() < 0.3:
                control = seeded.choice([Opcode.PING, Opcode.PONG])
                frames.append((control, True, seeded.randbytes(seeded.randrange(126))))
    if seeded.random() < 0.5:
        code = seeded.choice([1000, 1001, 1003, 1007, 1011, 3000, 4999])
        frames.append((Opcode.CLOSE, True, struct.pack("!H", code) + "lebe wohl ß".encode()))
    return frames


def write_by_wsproto(frames, is_client):
    """The stream through wsproto's public writer, which has its own idea of fragments."""
    writer = FrameProtocol(is_client, [])
    kind = None
    stream = bytearray()
    for opcode, fin, payload in frames:
        if opcode is Opcode.PING:
            stream += writer.ping(payload)
        elif opcode is Opcode.PONG:
            stream += writer.pong(payload)
        elif opcode is Opcode.CLOSE:
            (code,) = struct.unpack("!H", payload[:2])
            stream += writer.close(code, payload[2:].decode())
        else:
            kind = opcode if opcode is not Opcode.CONTINUATION else kind
            stream += writer.send_data(payload.decode() if kind is Opcode.TEXT else payload, fin)
    return bytes(stream)


def read_by_apus(codec, stream, role, seeded):
    """The frames of a stream; each payload is unmasked in pieces."""
    frames = []
    while stream:
        # The header is found at its first complete prefix and not before.
        for size in range(15):
            result, header = codec.decode(stream[:size], role)
            if result != INCOMPLETE:
                break
        assert result == OK, f"result {result} for {stream[:14].hex()}"
        assert header.header_size == size
        start, end = size, size + header.payload_size
        payload = stream[start:end]
        assert len(payload) == header.payload_size
        if header.is_masked:
            place = seeded.randrange(len(payload) + 1)
            payload = codec.mask(payload[:place], header.masking_key) + codec.mask(
                payload[place:], header.masking_key, place
            )
        assert header.bits in (0, 0x80)
        frames.append((header.opcode, header.bits == 0x80, payload))
        stream = stream[end:]
    return frames


def write_by_apus(codec, frames, is_client, seeded):
    stream = bytearray()
    for opcode, fin, payload in frames:
        key = seeded.randbytes(4) if is_client else None
        stream += codec.encode(opcode | (0x80 if fin else 0), len(payload), key)
        stream += codec.mask(payload, key) if is_client else payload
    return bytes(stream)


def read_by_wsproto(stream, is_client, seeded):
    """The frames of a stream that arrives in pieces, each put together again."""
    decoder = FrameDecoder(is_client, [])
    frames, opcode, payload = [], None, b""
    while stream:
        size = seeded.choice([1, 2, 5, 200, 5000, 100_000])
        decoder.receive_bytes(stream[:size])
        stream = stream[size:]
        while (part := decoder.process_buffer()) is not None:
            opcode = part.opcode if opcode is None else opcode
            payload += part.payload
            if part.frame_finished:
                frames.append((opcode, part.message_finished, payload))
                opcode, payload = None, b""
    assert opcode is None
    return frames


@pytest.mark.parametrize("reader", ROLES)
def test_frames_that_wsproto_writes_are_read(codec, seeded, seeded_keys, reader):
    for _ in range(60):
        frames = random_frames(seeded)
        stream = write_by_wsproto(frames, is_client=ROLES[reader] == SERVER)
        assert read_by_apus(codec, stream, ROLES[reader], seeded) == frames


@pytest.mark.parametrize("writer", ROLES)
def test_frames_are_read_by_wsproto(codec, seeded, writer):
    for _ in range(60):
        frames = random_frames(seeded)
        is_client = ROLES[writer] == CLIENT
        stream = write_by_apus(codec, frames, is_client, seeded)
        assert read_by_wsproto(stream, not is_client, seeded) == frames


@pytest.mark.parametrize("reader", ROLES)
def test_headers_are_judged_as_by_wsproto(library, seeded, reader):
    """Any first two bytes, with lengths on both sides of every border."""
    lengths = [0, 1, 125, 126, 127, 0xFFFF, 0x10000, 1 << 32, (1 << 63) - 1, 1 << 63]
    for start in range(1 << 16):
        length = seeded.choice(lengths)
        size = start & 0x7F
        extended = b""
        if size == 126:
            extended = struct.pack("!H", length & 0xFFFF)
        elif size == 127:
            extended = struct.pack("!Q", length)
        data = struct.pack("!H", start) + extended + seeded.randbytes(4)
        result, header = library.decode(data, ROLES[reader])
        decoder = FrameDecoder(ROLES[reader] == CLIENT, [])
        decoder.receive_bytes(data)
        try:
            assert decoder.parse_header(), data.hex()
        except ParseFailed as problem:
            assert result < 0, f"{data.hex()}: wsproto says {problem}"
            assert library.close_code(result) == problem.code, data.hex()
        else:
            assert result == OK, f"{data.hex()}: {result}"
            found = decoder.header
            assert (header.opcode, header.bits == 0x80) == (found.opcode, found.fin)
            assert header.payload_size == found.payload_len


def test_close_payloads_are_judged_as_by_wsproto(library, seeded):
    # wsproto does not know 1014, which the registry of close codes has since.
    for code in set(range(1 << 16)) - {1014}:
        reason = seeded.choice([b"", b"bye", "wohl ß".encode(), b"\xff", b"\xe2\x82"])
        payload = struct.pack("!H", code) + reason
        result, found = library.close_payload(payload)
        reader = FrameProtocol(True, [])
        reader.receive_bytes(b"\x88" + bytes([len(payload)]) + payload)
        try:
            (frame,) = reader.received_frames()
        except ParseFailed as problem:
            assert result < 0, f"{payload.hex()}: wsproto says {problem}"
            assert library.close_code(result) == problem.code, payload.hex()
        else:
            assert result == OK, payload.hex()
            assert (found, reason.decode()) == frame.payload
