# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The example that ticks: a task of one worker that everybody hears."""

import contextlib
import os
import signal

from websockets.sync.client import connect

import apus
import kernel


def hearer(server):
    """One that also takes what the test does not read: else its end would wait for that."""
    return connect(server.url, compression=None, max_queue=None)


def test_one_worker_ticks_for_all():
    with apus.Server("5", program=apus.example("Ticker")) as server:
        with contextlib.ExitStack() as stack:
            peers = [stack.enter_context(hearer(server)) for _ in range(20)]
            ports = [peer.socket.getsockname()[1] for peer in peers]
            owners = kernel.owners(server.port, server.workers())
            assert len({owners[port] for port in ports}) == 2, "one worker has all connections"
            for peer in peers:
                first = int(peer.recv(timeout=5))
                ticks = [int(peer.recv(timeout=5)) for _ in range(20)]
                assert ticks == list(range(first + 1, first + 21))


def test_ticks_end_with_the_worker():
    with apus.Server("3600000", program=apus.example("Ticker")) as server:
        with hearer(server):
            # Long before the drain timeout, and before the next tick.
            assert server.stop(seconds=5) == 0


def test_successor_of_the_worker_that_ticked_ticks_on():
    with apus.Server("5", program=apus.example("Ticker")) as server:
        first, second = server.workers()
        with contextlib.ExitStack() as stack:
            peers = [stack.enter_context(hearer(server)) for _ in range(20)]
            owners = kernel.owners(server.port, [first, second])
            (peer, *_) = [p for p in peers if owners[p.socket.getsockname()[1]] == second]
            while int(peer.recv(timeout=5)) < 20:
                pass
            # The supervisor's first child has slot 0.
            os.kill(first, signal.SIGKILL)
            while int(peer.recv(timeout=5)) != 1:
                pass
            assert [int(peer.recv(timeout=5)) for _ in range(20)] == list(range(2, 22))
