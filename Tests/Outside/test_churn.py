# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""Connections that come and go in every way, and what the server keeps of them: nothing."""

import os
import random
import socket
import struct
import time

import pytest

import wire
from apus import Server
from wire import BINARY, frame, request, wait_until

ROUNDS, CONNECTIONS, AT_ONCE = 10, 5000, 500
REQUEST = request()
MESSAGE = frame(BINARY, b"there and back")
ECHO = b"\x82\x0ethere and back"
CLOSE = wire.close_frame(1000)
STAGES = (
    "connected",
    "inside the request",
    "request",
    "opened",
    "inside a frame",
    "echoed",
    "closed",
)
WAYS = ("close", "reset", "half-close")
RESET = struct.pack("ii", 1, 0)
IP_BIND_ADDRESS_NO_PORT = 24


def open_socket(port, source):
    connection = socket.socket()
    connection.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    connection.settimeout(10)
    connection.bind((source, 0))
    connection.connect(("127.0.0.1", port))
    return connection


def receive(connection, ending):
    data = b""
    while not data.endswith(ending):
        chunk = connection.recv(4096)
        assert chunk, f"the connection ended after {data!r}"
        data += chunk
    return data


def churn(port, source, stages, ways):
    """A batch of connections goes through the stages together; each ends at its own."""
    live = []

    def end(stage):
        staying = []
        for connection, last, way in live:
            if last != stage:
                staying.append((connection, last, way))
                continue
            if way == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            elif way == "half-close":
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass
            connection.close()
        live[:] = staying

    for stage, way in zip(stages, ways):
        live.append((open_socket(port, source), stage, way))
    end("connected")
    for connection, stage, _ in live:
        connection.send(REQUEST[:70] if stage == "inside the request" else REQUEST)
    end("inside the request")
    end("request")
    for connection, _, _ in live:
        receive(connection, b"\r\n\r\n")
    end("opened")
    for connection, stage, _ in live:
        connection.send(MESSAGE[:9] if stage == "inside a frame" else MESSAGE)
    end("inside a frame")
    for connection, _, _ in live:
        receive(connection, ECHO)
    end("echoed")
    for connection, _, _ in live:
        connection.send(CLOSE)
    for connection, _, _ in live:
        receive(connection, b"\x88\x02\x03\xe8")
    end("closed")
    assert not live


@pytest.mark.seconds(180)
def test_50000_connections_leave_nothing_behind(note):
    seed = int(os.environ.get("APUS_SEED", random.randrange(1 << 32)))
    print(f"APUS_SEED={seed}")
    generator = random.Random(seed)
    with Server() as server, server.connect() as neighbour:
        # Whatever is made once and kept is made now.
        churn(server.port, "127.0.0.2", list(STAGES) * 3, list(WAYS) * len(STAGES))
        before = server.wait_idle(connections=1)
        descriptors = server.descriptors()
        memory = [server.resident_bytes()]
        start = time.monotonic()
        for number in range(ROUNDS):
            source = f"127.0.0.{number + 2}"
            for _ in range(CONNECTIONS // AT_ONCE):
                stages = generator.choices(STAGES, k=AT_ONCE)
                ways = generator.choices(WAYS, k=AT_ONCE)
                churn(server.port, source, stages, ways)
            neighbour.echo(b"%d" % number)
            memory.append(server.resident_bytes())
        seconds = time.monotonic() - start
        rate = ROUNDS * CONNECTIONS / seconds
        note(f"{seconds:.0f} s, {rate:.0f} connections/s, memory {memory[0]} -> {memory[-1]}")

        after = server.wait_idle(connections=1)
        name = "operations_in_flight"
        assert after[name] <= before[name], f"{before} before, {after} after"
        wait_until(
            lambda: server.descriptors() == descriptors,
            5,
            lambda: f"descriptors: {descriptors} before, {server.descriptors()} after",
        )
        gauges = ("slots_in_use", "operations_in_flight", "buffers_lent", "output_chunks")
        left = ", ".join(f"{gauge} {after[gauge] - before[gauge]}" for gauge in gauges)
        note(f"left behind: {left}, descriptors 0")
        growth = memory[-1] - memory[ROUNDS // 2]
        assert growth < 4 << 20, f"memory still grows: {memory}, seed {seed}"
