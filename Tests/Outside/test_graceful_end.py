# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The example that ends itself: shutDown as clients, supervisor and operator see it."""

import contextlib
import resource
import signal

import pytest

import apus
from wire import CLOSE, TEXT, close_frame, frame


@pytest.fixture
def server():
    with apus.Server(program=apus.example("GracefulEnd")) as server:
        server.workers()
        yield server


@contextlib.contextmanager
def crowd(server):
    """So many that each worker has some."""
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(server.connect()) for _ in range(24)]
        for peer in peers:
            peer.echo()
        yield peers


def part_with(peer):
    assert peer.read_close().code == 1001
    peer.send(close_frame(1001))
    peer.wait_closed()


def test_one_client_ends_all_workers_and_the_supervisor(server):
    with crowd(server) as peers:
        peers[0].send(frame(TEXT, "stop"))
        for peer in peers:
            part_with(peer)
        assert server.wait(5) == 0
    server.output.wait(lambda line: line.endswith("connections cut: 0"), 2)


def test_all_workers_ask_at_once_and_none_is_killed(server):
    with crowd(server) as peers:
        for peer in peers:
            peer.send(frame(TEXT, "stop"))
        for peer in peers:
            part_with(peer)
        assert server.wait(5) == 0
    assert "killed" not in server.output.text


def test_operator_who_asks_once_as_well_kills_nobody(server):
    with crowd(server) as peers:
        peers[0].send(frame(TEXT, "stop"))
        assert peers[0].read_close().code == 1001
        server.send_signal(signal.SIGINT)
        for peer in peers[1:]:
            part_with(peer)
        peers[0].send(close_frame(1001))
        peers[0].wait_closed()
        assert server.wait(5) == 0
    assert "killed" not in server.output.text


def test_worker_without_a_descriptor_to_spare_ends_them_all(server):
    with crowd(server) as peers:
        for worker in server.workers():
            resource.prlimit(worker, resource.RLIMIT_NOFILE, (1, 1))
        peers[0].send(frame(TEXT, "stop"))
        for peer in peers:
            part_with(peer)
        assert server.wait(5) == 0


def test_client_that_does_not_close_is_cut_in_time(server):
    with crowd(server) as peers:
        silent = peers.pop()
        silent.send(frame(TEXT, "stop"))
        for peer in peers:
            part_with(peer)
        assert silent.read_frame().opcode == CLOSE
        assert server.wait(8) == 1
    server.output.wait(lambda line: line.endswith("connections cut: 1"), 2)
