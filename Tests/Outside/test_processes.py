# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""Workers and the supervisor under signals. A.. and K.. name the promise in the table."""

import json
import os
import resource
import selectors
import signal
import socket
import time

import pytest

import kernel
import wire
from apus import Server, is_alive
from crowd import Crowd
from wire import request, wait_until


def split_by_worker(server, crowd, victim):
    """The members that the victim serves, and the others."""
    owner = kernel.owners(server.port, server.workers())
    theirs = [member for member in crowd.members if owner[member.local_port] == victim]
    others = [member for member in crowd.members if owner[member.local_port] != victim]
    assert theirs and others, "one worker has all connections"
    return theirs, others


def wait_respawn(server, before, seconds=5):
    """The worker that is there now and was not before."""

    def successor():
        new = set(server.workers()) - set(before)
        return new if len(server.workers()) == server.worker_count else None

    (pid,) = wait_until(successor, seconds, "no successor")
    return pid


def slots(server):
    return sorted(counters["worker"] for counters in server.worker_counters())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_death_of_a_worker_harms_no_connection_of_another(number, note):
    """A1, K01"""
    # A signal from outside repeats no fault, so after Swift's backtrace the worker would go on.
    environment = {"SWIFT_BACKTRACE": "enable=no"}
    with Server(environment=environment) as server, Crowd(server, 200) as crowd:
        crowd.run_messages(crowd.members, 10)
        before = server.workers()
        slots_before = slots(server)
        victim = before[0]
        theirs, others = split_by_worker(server, crowd, victim)
        killed = time.monotonic()
        os.kill(victim, number)
        crowd.run(lambda: all(member.end for member in theirs), 5, "the dead worker's peers see it")
        note(f"{len(theirs)} peers saw the end after {(time.monotonic() - killed) * 1e3:.0f} ms")
        wait_respawn(server, before)
        note(f"successor after {(time.monotonic() - killed) * 1e3:.0f} ms")
        crowd.run_messages(others, 50)
        crowd.check_unharmed(others)
        assert not any(member.fault for member in theirs)
        assert before[1] in server.workers(), "another worker was replaced"
        assert wait_until(lambda: slots(server) == slots_before, 5, "the slot was not filled")
        with Crowd(server, 50) as newcomers:
            newcomers.run_messages(newcomers.members, 5)
            newcomers.check_unharmed(newcomers.members)
            assert len(set(kernel.owners(server.port, server.workers()).values())) == 2


def test_kills_in_a_row_are_survived(note):
    """K01, A4"""
    with Server() as server:
        times = []
        for _ in range(5):
            before = server.workers()
            start = time.monotonic()
            os.kill(before[0], signal.SIGKILL)
            wait_respawn(server, before)
            times.append((time.monotonic() - start) * 1e3)
        note("successors after " + ", ".join(f"{t:.0f}" for t in times) + " ms")
        with server.connect() as peer:
            peer.echo()


def test_death_of_all_workers_at_once_is_survived():
    """K02"""
    with Server() as server:
        before = server.workers()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        wait_until(
            lambda: len(set(server.workers()) - set(before)) == 2, 5, "both workers are replaced"
        )
        with server.connect() as peer:
            peer.echo()


@pytest.mark.parametrize("workers", [1, 2])
def test_worker_that_cannot_be_started_for_a_while_is_told_of_and_forgotten(workers):
    """What was overcome is in the log, and not why the server ends."""
    with Server(workers=workers) as server:
        before = server.workers()
        limits = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        os.kill(before[0], signal.SIGKILL)
        (line,) = server.errors.wait(lambda line: "Too many open files" in line)
        assert json.loads(line)["level"] == "error"
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
        wait_respawn(server, before)
        assert server.stop() == 0
        assert "apus: " not in server.errors.text


def suspend(pid):
    """Stops a process; from here on it does nothing, whatever was under way when the signal came."""
    os.kill(pid, signal.SIGSTOP)

    def is_stopped():
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "T"

    wait_until(is_stopped, 5, f"process {pid} does not stop")


def test_connections_queued_on_a_dead_worker_are_served_by_its_successor(note):
    """A2, A3"""
    with Server() as server:
        before = server.workers()
        victim = before[0]
        suspend(victim)
        peers = {}
        selector = selectors.DefaultSelector()

        def take_answers(timeout=0):
            for key, _ in selector.select(timeout):
                peer = key.data
                try:
                    response = peer.read_response()
                except OSError as problem:
                    raise AssertionError(f"a connection was lost: {problem}") from None
                assert response is not None, "a connection was reset instead of answered"
                assert response.status == 101, response
                selector.unregister(peer.socket)
                del peers[peer.local_port]
                answered.append(peer)

        def open_more(count):
            for _ in range(count):
                peer = wire.Peer(server.port)
                peer.send(request())
                peers[peer.local_port] = peer
                selector.register(peer.socket, selectors.EVENT_READ, peer)

        def is_settled():
            take_answers()
            entries = kernel.connections(server.port)
            queued = {entry.peer_port for entry in entries if entry.is_unaccepted}
            return all(port in queued for port in peers)

        answered = []
        try:
            while len(peers) < 200:
                assert len(answered) < 2000, "the kernel gives the stopped worker no connection"
                open_more(50)
                wait_until(is_settled, 5, lambda: f"{len(peers)} neither answered nor queued")
            queued = len(peers)
            killed = time.monotonic()
            os.kill(victim, signal.SIGKILL)
            while len(peers) == queued and time.monotonic() < killed + 5:
                take_answers(0.05)
            first = time.monotonic() - killed
            while peers and time.monotonic() < killed + 10:
                take_answers(0.05)
            last = time.monotonic() - killed
            assert not peers, f"{len(peers)} of {queued} queued connections got no answer"
            note(f"{queued} queued: first 101 after {first * 1e3:.0f} ms, last {last * 1e3:.0f} ms")
            wait_respawn(server, before)
            answered[-1].echo()
        finally:
            for peer in [*peers.values(), *answered]:
                peer.socket.close()


def can_bind(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
            return True
        except OSError:
            return False


def test_workers_drain_and_exit_when_the_supervisor_is_killed():
    """A9, K03"""
    with Server(drain="10s") as server, Crowd(server, 50) as crowd:
        crowd.run_messages(crowd.members, 5)
        workers = server.workers()
        server.kill_supervisor()
        crowd.run(lambda: not any(map(is_alive, workers)), 3, "the orphans exit")
        crowd.run(lambda: all(member.end for member in crowd.members), 1, "all peers are told")
        assert {member.end for member in crowd.members} == {1001}, crowd.summary()
        wait_until(lambda: can_bind(server.port), 1, "the port is still taken")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_drains_with_1001_and_exits_0(number):
    """A10"""
    with Server(drain="10s") as server, Crowd(server, 100) as crowd:
        crowd.run_messages(crowd.members, 5)
        server.workers()
        start = time.monotonic()
        server.send_signal(number)
        crowd.run(lambda: all(member.end for member in crowd.members), 5, "all peers are told")
        assert {member.end for member in crowd.members} == {1001}, crowd.summary()
        assert not any(member.fault for member in crowd.members)
        crowd.run(lambda: server.process.poll() is not None, 5, "the server exits")
        assert server.wait(1) == 0
        assert time.monotonic() - start < 5, "the drain waited although everybody had answered"
        wait_until(lambda: can_bind(server.port), 1, "the port is still taken")


def test_idle_server_exits_at_once():
    with Server(drain="10s") as server:
        start = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - start < 2


def test_half_open_handshakes_do_not_hold_up_the_drain():
    with Server("--close-timeout", "500ms", drain="10s") as server:
        with wire.Peer(server.port) as silent, wire.Peer(server.port) as half:
            half.send_apart(request()[:50])
            start = time.monotonic()
            assert server.stop() in (0, 1)
            assert time.monotonic() - start < 2, "a request that never came was waited for"
            silent.wait_ended()
            half.wait_ended()


def test_listener_is_closed_while_draining():
    with Server("--close-timeout", "20s", drain="3s") as server, server.connect() as peer:
        server.workers()
        server.send_signal(signal.SIGTERM)
        assert peer.read_close().code == 1001

        def is_refused():
            try:
                wire.Peer(server.port).socket.close()
            except ConnectionError:
                return True
            return False

        wait_until(is_refused, 2, "the draining server takes connections")
        peer.send(wire.close_frame(1001))
        peer.wait_closed()
        assert server.wait(3) == 0


def test_peer_that_never_answers_is_cut_at_the_drain_deadline():
    """A10, A11"""
    with Server("--close-timeout", "30s", drain="1s") as server, server.connect() as peer:
        server.workers()
        start = time.monotonic()
        server.send_signal(signal.SIGTERM)
        assert peer.read_close().code == 1001
        assert server.wait(5) == 1, "the deadline cut a connection"
        assert 0.8 < time.monotonic() - start < 2.5
        peer.wait_ended()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_ends_at_once(number):
    with Server("--close-timeout", "30s", drain="30s") as server, server.connect() as peer:
        server.workers()
        server.send_signal(number)
        assert peer.read_close().code == 1001
        start = time.monotonic()
        server.send_signal(number)
        assert server.wait(2) == 1
        assert time.monotonic() - start < 1.5


def test_stopped_worker_does_not_hold_up_the_end():
    """A11"""
    with Server(drain="1s") as server:
        suspend(server.workers()[0])
        start = time.monotonic()
        assert server.stop() in (0, 1)
        assert time.monotonic() - start < 5


def test_stopped_supervisor_kills_nobody():
    """K07"""
    with Server() as server, Crowd(server, 20) as crowd:
        before = server.workers()
        server.send_signal(signal.SIGSTOP)
        crowd.run_messages(crowd.members, 200)
        server.send_signal(signal.SIGCONT)
        crowd.run_messages(crowd.members, 50)
        crowd.check_unharmed(crowd.members)
        assert server.workers() == before


def test_worker_death_during_the_drain_does_not_hang_it():
    with Server("--close-timeout", "30s", drain="3s") as server:
        with server.connect() as peer, server.connect() as other:
            # Not any worker: one without connections has ended by then.
            victim = kernel.owners(server.port, server.workers())[peer.local_port]
            server.send_signal(signal.SIGTERM)
            assert peer.read_close().code == 1001
            assert other.read_close().code == 1001
            os.kill(victim, signal.SIGKILL)
            assert server.wait(6) == 1


def test_worker_has_one_thread_and_no_inherited_descriptor():
    """A19, C11"""
    with Server() as server:
        # A worker that answers has let go of its end of the ready pipe.
        server.wait_idle()
        before = server.descriptors()
        with Crowd(server, 50) as crowd:
            crowd.run_messages(crowd.members, 5)
            os.kill(server.workers()[0], signal.SIGKILL)
            wait_respawn(server, before)
            for pid in server.workers():
                assert len(os.listdir(f"/proc/{pid}/task")) == 1
        server.wait_idle()
        counts = set(server.descriptors().values())
        assert counts == set(before.values()), f"{before} before, {counts} after"


def test_other_signals_change_nothing():
    """A16: what a later version acts on is ignored until then."""
    with Server() as server, Crowd(server, 10) as crowd:
        before = server.workers()
        for name in ("SIGHUP", "SIGUSR2", "SIGTTIN", "SIGTTOU", "SIGWINCH", "SIGCHLD", "SIGPIPE"):
            server.send_signal(getattr(signal, name))
        server.worker_counters()
        crowd.run_messages(crowd.members, 20)
        crowd.check_unharmed(crowd.members)
        assert server.workers() == before
