# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The load generator against servers that are slow or unusual, and within their rights."""

import asyncio
import json
import re
import socket
import threading
import time

import pytest

from load import Peer, children, load, start
from wire import accept_key

FAULTS = ("lost", "duplicated", "reordered", "corrupted", "errors")


def faults(result):
    return {name: result[name] for name in FAULTS if result[name]}


async def echo_slowly(peer, connection):
    """Reads through a small window, with pauses: the load has to send most frames in pieces."""
    connection.transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_RCVBUF, 65536
    )
    async for message in connection:
        if peer.received % 50 == 0:
            await asyncio.sleep(0.005)
        peer.received += 1
        await connection.send(message)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--inflight", "4000", "--size", "0-3000"),
        ("--inflight", "4", "--size", "1000000-3000000"),
        ("--rate", "600", "--size", "9000"),
    ],
    ids=["small", "large", "rate"],
)
def test_a_slow_reader_gets_everything_whole(arguments):
    with Peer(echo_slowly) as peer:
        result = load(peer.url, "--connections", "3", "--timeout", "30s", *arguments)
    assert faults(result) == {}
    assert 0 < result["messages"] <= peer.received


def test_an_upload_to_a_slow_reader_counts_what_it_has_read():
    async def read_slowly(peer, connection):
        async for _ in connection:
            if peer.received % 500 == 0:
                await asyncio.sleep(0.02)
            peer.received += 1

    with Peer(read_slowly) as peer:
        arguments = ("--mode", "upload", "--connections", "2", "--size", "500", "--timeout", "30s")
        result = load(peer.url, *arguments)
    assert faults(result) == {}
    # What was under way at the end of the measured time is read too, and no more than that.
    assert 0 < result["messages"] <= peer.received <= result["messages"] + 2 * (1 << 20) / 500


def test_replies_in_fragments_are_whole():
    async def echo_in_fragments(peer, connection):
        async for message in connection:
            peer.received += 1
            cuts = [0, 1, 7, 8, 9, 16, 17, len(message)]
            await connection.send([message[start:end] for start, end in zip(cuts, cuts[1:])])

    with Peer(echo_in_fragments) as peer:
        result = load(peer.url, "--connections", "3", "--inflight", "5", "--size", "17-300")
    assert faults(result) == {}
    assert result["messages"] > 0


def test_pings_of_the_server_are_answered_and_pongs_of_its_own_ignored():
    async def ping_and_echo(peer, connection):
        async for message in connection:
            peer.received += 1
            await connection.pong(b"nobody asked")
            await (await connection.ping())
            await connection.send(message)

    with Peer(ping_and_echo) as peer:
        result = load(peer.url, "--connections", "3", "--mode", "echo")
    assert faults(result) == {}
    assert result["messages"] > 0


def test_replies_of_another_type_are_corrupted():
    async def echo_as_bytes(peer, connection):
        async for message in connection:
            peer.received += 1
            await connection.send(message.encode() if peer.received == 20 else message)

    with Peer(echo_as_bytes) as peer:
        result = load(peer.url, "--connections", "2", code=[1])
    assert faults(result) == {"corrupted": 1}


def test_messages_that_nothing_was_sent_for_are_told():
    async def greet(peer, connection):
        await connection.send("welcome")
        await connection.wait_closed()

    with Peer(greet) as peer:
        result = load(peer.url, "--connections", "4", "--mode", "idle", code=[1])
    assert faults(result) == {"errors": {"unexpected": 4}}


class Room:
    """Gives each message to all; those with `omit(number)` not to one who did not send them."""

    def __init__(self, omit=lambda number: False, greeting=None):
        self.omit = omit
        self.greeting = greeting
        self.members = []

    async def serve(self, peer, connection):
        self.members.append(connection)
        if self.greeting:
            await connection.send(self.greeting)
        async for message in connection:
            peer.received += 1
            others = [member for member in self.members if member is not connection]
            omitted = others[0] if self.omit(peer.received) else None
            for member in self.members:
                if member is not omitted:
                    await member.send(message)


FAN_OUT = ("--mode", "fanout", "--connections", "3", "--inflight", "1")


def test_a_lost_delivery_does_not_stop_a_fan_out():
    room = Room(omit=lambda number: number == 10)
    with Peer(room.serve) as peer:
        result = load(peer.url, *FAN_OUT, "--duration", "2s", "--timeout", "300ms", code=[1])
    assert faults(result) == {"lost": 1}
    assert peer.received > 12


def test_a_greeting_does_not_stop_a_fan_out():
    room = Room(greeting="welcome")
    with Peer(room.serve) as peer:
        result = load(peer.url, *FAN_OUT, code=[1])
    assert faults(result) == {"errors": {"unexpected": 3}}
    assert result["messages"] > 0
    # Others may be on the processors; that is no reason of its own.
    assert "nothing was sent" not in result.get("client_bound_reason", "")


@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.parametrize("letter", ["0", "Z", "o"])
def test_garbage_is_no_delivery(letter, processes):
    """They may be some number and some time, but not what checks them."""

    async def spoil(peer, connection):
        peer.members.append(connection)
        async for _ in connection:
            peer.received += 1
            for member in peer.members:
                await member.send(letter * 20)

    with Peer(spoil) as peer:
        peer.members = []
        arguments = ("--rate", "20", "--size", "20", "--processes", processes, "--timeout", "200ms")
        result = load(peer.url, "--mode", "fanout", "--connections", "4", *arguments, code=[1])
    assert result["messages"] == 0
    assert result["corrupted"] >= 20
    assert result["lost"] <= 4


@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.parametrize("fragments", [1, 2])
@pytest.mark.parametrize("size", ["20", "200"])
def test_a_delivery_with_another_time_is_corrupted_and_has_no_latency(size, fragments, processes):
    """The times look likely: those of the message before."""

    async def mix_up(peer, connection):
        peer.members.append(connection)
        async for message in connection:
            peer.received += 1
            mixed = message[:8] + peer.before[8:16] + message[16:]
            peer.before = message
            for member in peer.members:
                await member.send([mixed[:12], mixed[12:]] if fragments > 1 else mixed)

    with Peer(mix_up) as peer:
        peer.members, peer.before = [], "0" * 20
        arguments = ("--rate", "20", "--size", size, "--processes", processes, "--timeout", "200ms")
        result = load(peer.url, "--mode", "fanout", "--connections", "4", *arguments, code=[1])
    assert result["messages"] == result["latency_us"]["count"] == 0
    assert result["corrupted"] >= 20
    assert result["duplicated"] == result["reordered"] == 0


@pytest.mark.parametrize("model", [("--inflight", "1"), ("--rate", "50")], ids=["closed", "open"])
def test_a_reply_after_the_timeout_is_late_and_has_its_latency(model):
    async def pause_once(peer, connection):
        async for message in connection:
            peer.received += 1
            if peer.received == 5:
                # Longer than the timeout and the pause between two looks for what is late.
                await asyncio.sleep(1.2)
            await connection.send(message)

    with Peer(pause_once) as peer:
        arguments = ("--connections", "1", "--duration", "3s", "--timeout", "500ms")
        result = load(peer.url, *arguments, *model, code=[1])
    assert set(faults(result)) == {"errors"}
    assert set(result["errors"]) == {"timeout"}
    assert result["latency_us"]["max"] >= 1_190_000
    assert result["latency_us"]["count"] == peer.received


class Pinger:
    """Opens two WebSockets, and from then on pings without end and reads nothing at all."""

    PINGS = (bytes([0x89, 125]) + bytes(125)) * 500

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.sent = 0
        self.are_open = threading.Barrier(2)
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(10)

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.threads.append(threading.Thread(target=self.ping, args=[connection], daemon=True))
            self.threads[-1].start()

    def ping(self, connection):
        with connection:
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(4096)
            key = re.search(rb"(?i)sec-websocket-key: *(\S+)", request)[1].decode()
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Accept: "
                + accept_key(key).encode() + b"\r\n\r\n"
            )  # fmt: skip
            self.are_open.wait(10)
            try:
                while True:
                    connection.sendall(self.PINGS)
                    self.sent += len(self.PINGS)
            except OSError:
                pass  # the load is gone


def memory_peak(pid):
    """The most bytes that a process has had resident so far; 0 where it has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            found = re.search(r"VmHWM:\s*(\d+) kB", file.read())
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(found[1]) << 10 if found else 0


@pytest.mark.parametrize(
    "arguments",
    [(), ("--rate", "2000"), ("--mode", "upload"), ("--mode", "fanout", "--rate", "100")],
    ids=["closed", "open", "upload", "fanout"],
)
def test_a_server_that_pings_all_the_time_and_never_reads_cannot_swell_the_load(arguments):
    with Pinger() as pinger:
        process = start(
            pinger.url, "--connections", "2", "--duration", "2s", "--warm-up", "0",
            "--timeout", "1s", "--json", *arguments,
        )  # fmt: skip
        largest = 0
        while process.poll() is None:
            largest = max([largest, *map(memory_peak, children(process.pid))])
            time.sleep(0.02)
        output, errors = process.communicate()
    assert (process.returncode, errors) == (1, "")
    result = json.loads(output)
    assert result["duration_seconds"] == pytest.approx(2, abs=0.5)
    assert result["connections"]["opened"] == 2
    assert result["messages"] == 0
    assert result["lost"] + sum(result["errors"].values()) > 0
    assert pinger.sent > 0
    # Hundreds of megabytes were sent, and as many pongs were asked for.
    assert 0 < largest < 64 << 20
