# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""permessage-deflate, RFC 7692, as clients of other makers and adversaries meet it."""

import json
import os
import resource
import signal
import time
import zlib

import pytest

import apus
import wire
from interop import COMPRESSING_CLIENTS
from wire import BINARY, CONTINUATION, TEXT, frame, request

SERVER = ("--compression", "shared", "--workers", "1")
RSV1 = 0x40
OFFER = "permessage-deflate; client_max_window_bits"
TAIL = b"\x00\x00\xff\xff"
LIMIT = 1 << 20


def deflate(data, *, level=6, bits=15, final=False):
    compressor = zlib.compressobj(level, zlib.DEFLATED, -bits)
    data = compressor.compress(data)
    if final:
        return data + compressor.flush(zlib.Z_FINISH)
    return (data + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def inflate(data):
    return zlib.decompressobj(-15).decompress(data + TAIL)


class DeflatingPeer(wire.Peer):
    def __init__(self, port, offer=OFFER):
        super().__init__(port)
        response = self.upgrade(request(Sec_WebSocket_Extensions=offer))
        self.extensions = response.headers.get("sec-websocket-extensions")

    def read_frame(self, seconds=5):
        """The next frame, inflated where it is compressed."""
        deadline = time.monotonic() + seconds
        while (parsed := wire.parse_frame(self.data)) is None:
            if not self.fill(deadline):
                return None
        result, size = parsed
        del self.data[:size]
        assert result.rsv in (0, RSV1)
        self.was_compressed = result.rsv == RSV1
        if self.was_compressed:
            result.payload = inflate(result.payload)
        return result

    def send_compressed(self, data, opcode=BINARY, fragments=1):
        step = max(1, -(-len(data) // fragments))
        pieces = [data[at : at + step] for at in range(0, max(1, len(data)), step)]
        for index, piece in enumerate(pieces):
            is_last = index == len(pieces) - 1
            kind, bits = (CONTINUATION, 0) if index else (opcode, RSV1)
            self.send(frame(kind, piece, fin=is_last, rsv=bits))


def sample(size):
    line = json.dumps({"symbol": "BTC-€", "price": 17.25, "side": "buy"}, ensure_ascii=False)
    return (line * (size // len(line) + 1))[:size]


# ---- Clients of other makers ----


def has_isal():
    """Whether the server was built with ISA-L: if not, that is what it says first."""
    result = apus.run("serve", "--compression-engine", "isa-l", "--compression-level", "10")
    return "this build has not" not in result.stderr


def test_engines_are_those_that_it_was_built_with():
    traits = os.environ.get("APUS_TRAITS")
    if traits is None:
        pytest.skip("only tools/test knows")
    assert has_isal() == ("ISAL" in traits)


# Mode, engine and level.
ENGINES = [
    ("shared", "zlib", "1"), ("shared", "isa-l", "0"), ("shared", "isa-l", "1"),
    ("shared", "isa-l", "6"), ("dedicated", "zlib", "1"), ("dedicated", "isa-l", "0"),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "engine", "level"), ENGINES)
@pytest.mark.parametrize("client", COMPRESSING_CLIENTS)
def test_clients_of_other_makers_understand_it(mode, engine, level, client):
    if engine == "isa-l" and not has_isal():
        pytest.skip("the server was built without ISA-L")
    messages = [sample(size) for size in (0, 1, 255, 256, 5000, 1000, 1000, 100_000, 300)]
    options = "--compression", mode, "--compression-engine", engine, "--compression-level", level
    with apus.Server(*options, workers=1) as server:
        # What it says is what compresses: contexts are zlib's, and levels that ISA-L has not.
        is_zlib = engine == "zlib" or mode == "dedicated" or level == "6"
        (line,) = server.errors.wait(lambda line: "messages are compressed" in line)
        assert json.loads(line)["engine"] == ("zlib" if is_zlib else "isa-l")
        received, _ = client(server.url, messages, close=(1000, ""), compress=True)
        assert received == messages
        counters = server.counters()
        assert counters["messages_compressed"] == sum(len(m.encode()) >= 256 for m in messages)
        assert counters["bytes_inflated"] > 100_000
        server.wait_idle()


def test_a_broadcast_reaches_clients_of_all_workers():
    with apus.Server("--compression", "dedicated", app="broadcast", workers=2) as server:
        deflating = [DeflatingPeer(server.port) for _ in range(8)]
        plain = [server.connect() for _ in range(4)]
        for round_ in range(3):
            message = (b"%d" % round_) + sample(2000).encode()[:2000]
            deflating[round_].send_compressed(deflate(message))
            for peer in [*deflating, *plain]:
                assert peer.read_frame(5) == (BINARY, message)
        assert all(peer.was_compressed for peer in deflating)
        # Compressed once for each, whoever has it.
        assert server.counters()["messages_compressed"] == 0
        for peer in [*deflating, *plain]:
            peer.close()


# ---- The handshake ----

NONSENSE = ["0", "7", "8", "16", "99", "-1", '""', "08", "1e1", '"16"', "9; {name}=9"]


@pytest.mark.parametrize("value", NONSENSE)
def test_nonsense_is_declined_and_the_connection_lives(server, value):
    for name in ("server_max_window_bits", "client_max_window_bits"):
        if (name, value) == ("client_max_window_bits", "8"):
            continue
        peer = wire.Peer(server.port)
        offer = f"permessage-deflate; {name}={value.replace('{name}', name)}"
        peer.send(request(Sec_WebSocket_Extensions=offer))
        response = peer.read_response()
        if value == '""':
            assert response.status == 400
            continue
        assert response.status == 101
        assert "sec-websocket-extensions" not in response.headers
        peer.echo(b"x" * 1000)
        peer.close()


def test_it_is_off_unless_it_is_asked_for():
    with apus.Server(workers=1) as server:
        peer = DeflatingPeer(server.port)
        assert peer.extensions is None
        peer.send_compressed(deflate(b"a" * 1000))
        assert peer.read_close().code == 1002
        peer.wait_closed()


def test_options_that_make_no_sense_are_refused():
    for arguments in (["--compression", "on"], ["--compression-level", "10"],
                      ["--compression-threshold", "0"], ["--compression-engine", "snappy"],
                      ["--compression-engine", "zlib", "--compression-level", "0"]):
        result = apus.run("serve", *arguments)
        assert result.returncode == 64
        assert "--compression" in result.stderr


def test_an_engine_that_is_not_built_in_is_refused():
    result = apus.run("serve", "--compression-engine", "isa-l", "--compression-level", "10")
    assert result.returncode == 64
    sentence = "has a level of 10" if has_isal() else "the engine isa-l, but this build has not"
    assert sentence in result.stderr


# ---- Messages ----


@pytest.mark.parametrize("fragments", [1, 3, 100])
def test_a_message_comes_back(server, neighbour, fragments):
    with DeflatingPeer(server.port) as peer:
        for size in (0, 10, 255, 256, 1000, 70_000, LIMIT):
            data = sample(size).encode()[:size]
            peer.send_compressed(deflate(data), fragments=fragments)
            assert peer.read_frame() == (BINARY, data)
            assert peer.was_compressed == (size >= 256)
        # Another way to end one: RFC 7692 §7.2.3.4.
        peer.send_compressed(deflate(b"the end", final=True) + b"\x00", fragments=fragments)
        assert peer.read_frame() == (BINARY, b"the end")
        peer.close()


CORRUPT = {
    "a block type that there is not": b"\x06\x00",
    "a stream that ends within": deflate(sample(1000).encode())[:-20],
    "a distance to before the first byte": b"\xf2\x00\x11\x00\x00",
    "a stored block that is not": b"\x00\x05\x00\xfa\xfe\x48\x65\x6c\x6c\x6f\x00",
    "more behind the end": deflate(b"the end", final=True) + b"\xff\xff",
    "text that is none": deflate(b"\xff\xfe"),
    "half a character": deflate("€".encode()[:2]),
}


@pytest.mark.parametrize("what", CORRUPT)
@pytest.mark.parametrize("fragments", [1, 2, 1000])
def test_corrupt_data_is_1007(server, neighbour, what, fragments):
    with DeflatingPeer(server.port) as peer:
        peer.send_compressed(CORRUPT[what], opcode=TEXT, fragments=fragments)
        assert peer.read_close().code == 1007
        peer.wait_closed()
    server.wait_idle(connections=1)


def test_no_connection_reads_what_another_sent(server):
    secret = b"the secret of somebody else, " * 40
    with DeflatingPeer(server.port) as victim, DeflatingPeer(server.port) as thief:
        victim.send_compressed(deflate(secret))
        assert victim.read_frame() == (BINARY, secret)
        # Distances to what the inflater had before.
        compressor = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=secret)
        data = compressor.compress(secret) + compressor.flush(zlib.Z_SYNC_FLUSH)
        thief.send_compressed(data.removesuffix(TAIL))
        assert thief.read_close().code == 1007


def bomb():
    """1 GiB of zeros in about 1 MiB."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = compressor.compress(bytes(1 << 24)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return piece * 64


def peak(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        lines = dict(line.split(":", 1) for line in status)
    return int(lines["VmHWM"].split()[0]) * 1024


def cpu(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("fragments", [1, 100, 20_000])
def test_a_bomb_does_no_harm(fragments, note):
    data = bomb()
    options = ["--max-received-frame-size", "2MiB", "--max-fragments", "100000"]
    with apus.Server("--compression", "shared", *options, workers=1) as server:
        (pid,) = server.workers()
        with server.connect() as neighbour, DeflatingPeer(server.port) as warm:
            # What a worker needs once: an inflater, and what is kept for the next messages.
            warm.send_compressed(deflate(sample(100_000).encode()), fragments=2)
            warm.read_frame()
            neighbour.echo(b"x" * 1000)
            before, began = peak(pid), cpu(pid)
            with DeflatingPeer(server.port) as peer:
                peer.send_compressed(data, fragments=fragments)
                assert peer.read_close(10).code == 1009
            grown, seconds = peak(pid) - before, cpu(pid) - began
            note(f"{len(data)} bytes in {fragments} frames: memory {grown / 1024:.0f} KiB,"
                 f" CPU {seconds * 1000:.0f} ms")
            neighbour.echo(b"x" * 1000)
            assert grown <= LIMIT + (64 << 10)
            assert server.counters()["inflations_refused"] == 1


def test_bombs_that_come_at_once_take_turns():
    count = 100
    data = deflate(bytes(2 * LIMIT))
    with apus.Server("--compression", "shared", workers=1) as server:
        (pid,) = server.workers()
        peers = [DeflatingPeer(server.port) for _ in range(count)]
        # All of them are there when it wakes up.
        os.kill(pid, signal.SIGSTOP)
        try:
            for peer in peers:
                peer.send_compressed(data)
        finally:
            os.kill(pid, signal.SIGCONT)
        for peer in peers:
            assert peer.read_close(10).code == 1009
            peer.wait_closed()
        counters = server.counters()
        assert counters["inflations_refused"] == count
        assert LIMIT <= counters["bytes_inflated_in_turn_max"] < 2 * LIMIT


def test_open_messages_hold_no_more_inflaters_than_there_are(note):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = 300
    if hard < count + 50:
        pytest.skip("too few descriptors")
    # What comes in part and is not small: noise, so that it stays large.
    data = deflate(os.urandom(40_000))
    with apus.Server("--compression", "shared", workers=1) as server:
        peers = [DeflatingPeer(server.port) for _ in range(count)]
        for peer in peers:
            peer.send(frame(BINARY, data[:20_000], fin=False, rsv=RSV1))
        wire.wait_until(
            lambda: server.counters()["inflaters_lent"] == 256, 5, "256 inflaters are in use"
        )
        for peer in peers:
            wire.wait_until(peer.is_taken, 5, "not read")
        with DeflatingPeer(server.port) as late:
            assert late.extensions is None
        for peer in peers:
            peer.send(frame(CONTINUATION, data[20_000:]))
            assert len(peer.read_frame().payload) == 40_000
        with DeflatingPeer(server.port) as late:
            assert late.extensions
        for peer in peers:
            peer.close()
        assert server.wait_idle()["inflaters_lent"] == 0


def test_contexts_take_what_is_said_of_them(note):
    """By default 38 KiB to send and up to 4 KiB to receive, beside what any connection takes."""
    count = 400
    data = deflate(sample(5000).encode()[:5000])
    takeover = "permessage-deflate; client_max_window_bits"
    per_connection = {}
    for mode in ("shared", "dedicated"):
        with apus.Server("--compression", mode, workers=1) as server:
            peers = []
            for index in range(2 * count):
                peer = DeflatingPeer(server.port, takeover)
                peer.send_compressed(data)
                assert len(peer.read_frame().payload) == 5000
                peers.append(peer)
                if index == count:
                    before = server.resident_bytes()
            per_connection[mode] = (server.resident_bytes() - before) / (count - 1)
            note(f"{mode}: {per_connection[mode] / 1024:.1f} KiB for each connection")
            for peer in peers:
                peer.close()
    assert per_connection["shared"] < 2048
    assert per_connection["dedicated"] < (38 + 4 + 3) * 1024
