# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""Thousands of idle connections: little memory for each, also after their keepalive pings."""

import contextlib
import os
import resource

import pytest

import apus
import wire

WARM_UP = 1000
CONNECTIONS = 6000
# Measured: 270, and 297 after the pings (with 15,000 connections 214 and 233). Two objects took 600.
BYTES_MAX = 384


@contextlib.contextmanager
def descriptors(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        pytest.skip(f"at most {hard} descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def private_bytes(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as lines:
        for line in lines:
            if line.startswith("Private_Dirty:"):
                return int(line.split()[1]) << 10
    raise AssertionError("no Private_Dirty in smaps_rollup")


@pytest.mark.seconds(120)
def test_idle_connections_take_little_memory(note):
    options = ("--keepalive-interval", "3s", "--keepalive-grace-period", "90s")
    with (
        descriptors(CONNECTIONS + 200),
        apus.Server(*options, workers=1) as server,
        contextlib.ExitStack() as stack,
    ):
        (worker,) = server.workers()
        peers = [stack.enter_context(server.connect()) for _ in range(WARM_UP)]
        before = private_bytes(worker)
        more = CONNECTIONS - WARM_UP
        peers += [stack.enter_context(server.connect()) for _ in range(more)]
        opened = private_bytes(worker)
        # Each gets its ping, and is polled from then on.
        for peer in peers:
            assert peer.read_frame(30) == (wire.PING, b"")
            peer.send(wire.frame(wire.PONG))
        assert server.counters()["connections_quieted"] >= CONNECTIONS
        pinged = private_bytes(worker)
        for peer in peers:
            peer.send(wire.frame(wire.TEXT, "here"))
        for peer in peers:
            assert peer.read_frame(30) == (wire.TEXT, b"here")
        figures = [(value - before) / more for value in (opened, pinged)]
    note("bytes per idle connection: {:.0f}, after pings {:.0f}".format(*figures))
    assert max(figures) < BYTES_MAX
