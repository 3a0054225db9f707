# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""Frames that break a rule, and frames cut anywhere. F.. names the fault in the table."""

import pytest

import wire
from wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_frame, frame, header

LIMIT = 1 << 20
FRAGMENTS = 16384
START = frame(TEXT, "be", fin=False)


def lengths(width, size, opcode=BINARY):
    return header(opcode, size, width=width)


# What is sent after the handshake, and the code that the server closes with. Where a header
# alone proves the fault its payload is not sent: the server must not wait for it.
WRONG = {
    "F01 no mask": (frame(TEXT, "a", masked=False), 1002),
    "F01 no mask, empty": (frame(TEXT, "", masked=False), 1002),
    "F01 no mask on a ping": (frame(PING, "a", masked=False), 1002),
    "F01 no mask on a close": (close_frame(1000, masked=False), 1002),
    "F01 continuation of nothing": (frame(CONTINUATION, "a"), 1002),
    "F01 continuation of nothing, not final": (frame(CONTINUATION, "a", fin=False), 1002),
    "F01 text inside text": (START + frame(TEXT, "a"), 1002),
    "F01 binary inside text": (START + frame(BINARY, "a"), 1002),
    **{f"F02 RSV {rsv:#x}": (header(TEXT, 5, rsv=rsv), 1002) for rsv in (0x40, 0x20, 0x10, 0x70)},
    "F02 RSV1 on a ping": (header(PING, 0, rsv=0x40), 1002),
    "F02 RSV1 on a continuation": (START + header(CONTINUATION, 1, rsv=0x40), 1002),
    "F02 RSV3 on a close": (header(CLOSE, 0, rsv=0x10), 1002),
    **{f"F03 opcode {code}": (header(code, 9), 1002) for code in (3, 4, 5, 6, 7)},
    **{f"F03 opcode {code}": (header(code, 0), 1002) for code in (11, 12, 13, 14, 15)},
    **{
        f"F04 {name} not final": (header(opcode, 1, fin=False), 1002)
        for name, opcode in (("close", CLOSE), ("ping", PING), ("pong", PONG))
    },
    **{
        f"F04 {name} of {size} bytes": (header(opcode, size), 1002)
        for name, opcode in (("close", CLOSE), ("ping", PING), ("pong", PONG))
        for size in (126, 65536)
    },
    "F04 length of a ping not minimal": (lengths(16, 5, PING), 1002),
    **{f"F05 {size} in 16 bits": (lengths(16, size), 1002) for size in (0, 5, 125)},
    **{f"F05 {size} in 64 bits": (lengths(64, size), 1002) for size in (0, 125, 300, 65535)},
    **{
        f"F06 length {size:#x}": (lengths(64, size), 1002)
        for size in (1 << 63, (1 << 64) - 1, (1 << 64) - 14, (1 << 63) + 5)
    },
    **{
        f"F06 length {size:#x}": (lengths(64, size), 1009)
        for size in ((1 << 63) - 1, 1 << 62, 1 << 32, (1 << 32) - 1, 1 << 31, (1 << 31) - 1)
    },
    "F06 sum of fragments wraps": (START + lengths(64, (1 << 63) - 1, CONTINUATION), 1009),
    "F07 limit + 1": (lengths(64, LIMIT + 1), 1009),
    "F07 limit + 1 as a sum": (
        frame(BINARY, bytes(LIMIT - 10), fin=False) + header(CONTINUATION, 11),
        1009,
    ),
    "F07 limit + 1 by a last byte": (
        frame(BINARY, bytes(LIMIT), fin=False) + header(CONTINUATION, 1),
        1009,
    ),
    "F12 too many fragments": (
        START + frame(CONTINUATION, "x", fin=False) * FRAGMENTS,
        1008,
    ),
    "F13 too many empty fragments": (
        frame(BINARY, fin=False) + frame(CONTINUATION, fin=False) * FRAGMENTS,
        1008,
    ),
    "F13 too many fragments, different keys": (
        frame(BINARY, fin=False)
        + b"".join(
            frame(CONTINUATION, b"x" * (number % 2), fin=False, key=number.to_bytes(4, "big"))
            for number in range(FRAGMENTS)
        ),
        1008,
    ),
    **{
        f"F15 {name}": (frame(TEXT, data), 1007)
        for name, data in {
            "lone continuation": b"a\x80",
            "overlong slash": b"\xc0\xaf",
            "overlong NUL": b"\xe0\x80\x80",
            "overlong of four": b"\xf0\x80\x80\xaf",
            "surrogate": b"\xed\xa0\x80",
            "beyond Unicode": b"\xf4\x90\x80\x80",
            "of five": b"\xf8\x88\x80\x80\x80",
            "0xFF": b"fine until here\xff",
            "cut of two": b"a\xc3",
            "cut of three": b"a\xe2\x82",
            "cut of four": b"a\xf0\x9f\x90",
            "cut, then more": b"a\xe2\x82a",
            "at 64 KiB": b"a" * 65535 + b"\xff",
            "in the last of 200,000": b"\xc3\xa9" * 100000 + b"\xc3",
        }.items()
    },
    # The first impossible byte is enough: the rest of these never comes.
    "F15 at once in an unfinished frame": (header(TEXT, 100) + wire.mask(b"ab\xff"), 1007),
    "F15 at once in a large unfinished frame": (
        header(TEXT, 500000) + wire.mask(b"a" * 100001 + b"\xc0"),
        1007,
    ),
    "F15 at once in an unfinished message": (frame(TEXT, b"\xed\xa0", fin=False), 1007),
    "F15 at once across fragments": (
        frame(TEXT, b"a\xf4", fin=False) + header(CONTINUATION, 9) + wire.mask(b"\x90"),
        1007,
    ),
    "F15 cut at the end of the last fragment": (
        frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"\xc3"),
        1007,
    ),
    "F15 cut by an empty last fragment": (
        frame(TEXT, b"\xc3", fin=False) + frame(CONTINUATION),
        1007,
    ),
    "F17 one byte": (frame(CLOSE, b"\x03"), 1002),
    **{
        f"F17 code {code}": (close_frame(code), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    },
    "F17 reason not UTF-8": (close_frame(1000, b"a\xff"), 1007),
    "F17 reason cut": (close_frame(1000, b"\xe2\x82"), 1007),
}


@pytest.mark.parametrize("name", WRONG)
def test_server_closes(server, neighbour, name):
    data, code = WRONG[name]
    with server.connect() as peer:
        peer.send(data)
        answer = peer.read_close(5)
        assert answer.code == code, f"{answer}"
        answer.payload[2:].decode()
        peer.wait_closed(1)


@pytest.mark.parametrize("name", ["F01 no mask", "F06 length 0x8000000000000000", "F15 0xFF"])
def test_what_follows_a_violation_is_not_answered(server, neighbour, name):
    data, code = WRONG[name]
    with server.connect() as peer:
        peer.send(frame(TEXT, "good") + data + frame(TEXT, "late") * 1000 + frame(PING) * 10)
        assert peer.read_frame() == (TEXT, b"good")
        assert peer.read_close().code == code
        peer.wait_closed(1)


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT])
def test_message_up_to_the_limit_is_echoed(server, neighbour, size):
    """F07"""
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    with server.connect() as peer:
        peer.echo(data)
        third = size // 3
        peer.send(
            frame(BINARY, data[:third], fin=False)
            + frame(CONTINUATION, data[third : 2 * third], fin=False)
            + frame(CONTINUATION, data[2 * third :])
        )
        assert peer.read_frame(5) == (BINARY, data)


def test_as_many_fragments_as_allowed_are_echoed(server, neighbour):
    """F12"""
    with server.connect() as peer:
        middle = frame(CONTINUATION, "x", fin=False) * (FRAGMENTS - 2)
        peer.send(frame(BINARY, "x", fin=False) + middle + frame(CONTINUATION, "x"))
        assert peer.read_frame(5) == (BINARY, b"x" * FRAGMENTS)


@pytest.mark.parametrize("end", ["FIN", "RST"])
@pytest.mark.parametrize("size", range(1, 14))
def test_connection_that_ends_inside_a_header_is_cleaned_up(server, neighbour, size, end):
    """F08"""
    with server.connect() as peer:
        peer.send(header(BINARY, 1 << 16)[:size])
        if end == "RST":
            peer.reset()
            return
        peer.finish_sending()
        peer.wait_ended(1)


def test_close_between_fragments_drops_the_message(server, neighbour):
    """F10"""
    with server.connect() as peer:
        peer.send(START + frame(PING, "p") + frame(PONG, "q") + close_frame(1001))
        assert peer.read_frame() == (PONG, b"p")
        assert peer.read_close().code == 1001
        peer.wait_closed()


@pytest.mark.parametrize("text", ["é", "€", "🐦", "κόσμε 🐦"])
def test_character_may_be_cut_between_fragments(server, text):
    """F16"""
    data = text.encode()
    with server.connect() as peer:
        for split in range(len(data) + 1):
            peer.send(frame(TEXT, data[:split], fin=False) + frame(CONTINUATION, data[split:]))
            assert peer.read_frame() == (TEXT, data)
        first, *rest = (data[n : n + 1] for n in range(len(data)))
        peer.send(frame(TEXT, first, fin=False))
        peer.send(b"".join(frame(CONTINUATION, byte, fin=False) for byte in rest))
        peer.send(frame(CONTINUATION))
        assert peer.read_frame() == (TEXT, data)


@pytest.mark.parametrize(
    "more", [frame(TEXT, "late"), close_frame(1001), frame(PING, "late"), b"\xff" * 100]
)
def test_exactly_one_close_answers_a_close(server, neighbour, more):
    """F19"""
    with server.connect() as peer:
        peer.send(close_frame(3000) + more)
        assert peer.read_close().code == 3000
        peer.wait_closed()


REFERENCE = {
    "text": (frame(TEXT, "κόσμε 🐦"), [(TEXT, "κόσμε 🐦".encode())]),
    "16-bit length": (frame(BINARY, bytes(range(130))), [(BINARY, bytes(range(130)))]),
    "fragments and a ping": (
        START + frame(PING, "p") + frame(CONTINUATION, fin=False) + frame(CONTINUATION, "fore"),
        [(PONG, b"p"), (TEXT, b"before")],
    ),
    "two messages": (
        frame(TEXT, "one") + frame(BINARY, b"two"),
        [(TEXT, b"one"), (BINARY, b"two")],
    ),
    "empty": (frame(TEXT) + frame(PING), [(TEXT, b""), (PONG, b"")]),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_frames_may_come_in_any_two_pieces(server, name):
    """F24"""
    data, answers = REFERENCE[name]
    with server.connect() as peer:
        for split in range(1, len(data)):
            peer.send_apart(data[:split], data[split:])
            for answer in answers:
                assert peer.read_frame() == answer, f"split at {split}"


@pytest.mark.parametrize("name", REFERENCE)
def test_frames_may_come_byte_by_byte(server, name):
    """F24"""
    data, answers = REFERENCE[name]
    with server.connect() as peer:
        peer.send_apart(*(data[n : n + 1] for n in range(len(data))))
        for answer in answers:
            assert peer.read_frame() == answer


@pytest.mark.parametrize("size", [4096, 16384, 65536])
def test_messages_around_the_size_of_a_buffer_are_echoed(server, size):
    """F24: header and payload end before, at and after each multiple of a buffer's size."""
    with server.connect() as peer:
        for multiple in (1, 2):
            for delta in (-15, -14, -13, -9, -8, -7, -5, -1, 0, 1, 5):
                data = bytes(n & 0xFF for n in range(multiple * size + delta))
                peer.echo(data)


def test_faults_leave_nothing_behind(server):
    server.wait_idle()
