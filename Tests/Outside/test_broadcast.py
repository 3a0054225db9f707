# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The broadcast app: every message to every connection of all workers."""

import os
import signal
import time

import pytest

import kernel
import wire
from apus import Server, is_alive
from audience import Audience
from wire import BINARY, TEXT, frame, wait_until

WORKERS = 4

# For tests whose peers, all in one process of Python, read slower than the workers send.
PATIENT = ("--max-send-queue", "256MiB")


def by_worker(server, listeners):
    """The listeners of each worker, the most first."""
    owners = kernel.owners(server.port, server.workers())
    parts = {}
    for listener in listeners:
        parts.setdefault(owners[listener.local_port], []).append(listener)
    return dict(sorted(parts.items(), key=lambda part: -len(part[1])))


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


@pytest.mark.parametrize("workers", [1, 2])
def test_message_reaches_everybody_with_its_type(workers):
    with Server(app="broadcast", workers=workers) as server:
        peers = [
            server.connect(wire.request(f"/{number}", Origin="http://elsewhere"))
            for number in range(20)
        ]
        for number, peer in enumerate(peers):
            peer.send(frame(TEXT, f"täxt {number}") + frame(BINARY, b"\0\xff"))
            for each in peers:
                assert each.read_frame() == (TEXT, f"täxt {number}".encode())
                assert each.read_frame() == (BINARY, b"\0\xff")
        for peer in peers:
            peer.close()
        server.wait_idle()


def test_first_offered_subprotocol_is_accepted():
    with Server(app="broadcast") as server, wire.Peer(server.port) as peer:
        response = peer.upgrade(wire.request(Sec_WebSocket_Protocol="b, a"))
        assert response.headers["sec-websocket-protocol"] == "b"


@pytest.mark.seconds(120)
def test_everybody_hears_every_number_once_and_in_order(note):
    """10,000 messages to 2,000 connections over 4 workers."""
    options = {"app": "broadcast", "workers": WORKERS}
    with Server(*PATIENT, **options) as server, Audience(server, 2000) as audience:
        parts = by_worker(server, audience.listeners)
        assert len(parts) == WORKERS
        note("connections per worker: " + ", ".join(str(len(part)) for part in parts.values()))
        before, start = cpu_seconds(server.workers()), time.monotonic()
        audience.publish(audience.listeners[0], 0, range(10_000))
        audience.run_until_heard({0: 10_000}, 90)
        audience.check_exact({0: 10_000})
        took, used = time.monotonic() - start, cpu_seconds(server.workers()) - before
        note(f"{took:.1f} s, {used / 20e6 * 1e9:.0f} ns of CPU per delivered message")
        counters = server.counters()
        assert counters["broadcasts_sent"] == 10_000
        assert counters["broadcasts_received"] == 10_000 * (WORKERS - 1)
        assert counters["broadcasts_refused"] == 0
        assert counters["broadcast_losses"] == 0


def test_order_holds_for_each_of_several_senders():
    options = {"app": "broadcast", "workers": WORKERS}
    with Server(*PATIENT, **options) as server, Audience(server, 100) as audience:
        parts = by_worker(server, audience.listeners)
        # Two of one worker, one of each other.
        senders = [part[0] for part in parts.values()] + [next(iter(parts.values()))[1]]
        for sender, listener in enumerate(senders):
            audience.publish(listener, sender, range(2000))
        totals = dict.fromkeys(range(len(senders)), 2000)
        audience.run_until_heard(totals, 50)
        audience.check_exact(totals)


def test_senders_wait_for_workers_that_are_behind_and_nothing_is_lost():
    """Far more than fits between workers, and than may wait, from several at once."""
    with Server(*PATIENT, app="broadcast", workers=WORKERS) as server:
        with Audience(server, 16, size=20_000) as audience:
            parts = by_worker(server, audience.listeners)
            senders = [part[0] for part in parts.values()]
            for sender, listener in enumerate(senders):
                audience.publish(listener, sender, range(1000))
            totals = dict.fromkeys(range(len(senders)), 1000)
            audience.run_until_heard(totals, 50)
            audience.check_exact(totals)
            assert server.counters()["broadcasts_refused"] == 0


def test_large_messages_are_whole():
    with Server(*PATIENT, app="broadcast", workers=WORKERS) as server:
        with Audience(server, 12, size=1 << 20) as audience:
            parts = by_worker(server, audience.listeners)
            senders = [part[0] for part in parts.values()]
            for sender, listener in enumerate(senders):
                audience.publish(listener, sender, range(5))
            totals = dict.fromkeys(range(len(senders)), 5)
            audience.run_until_heard(totals, 50)
            audience.check_exact(totals)


def test_death_of_a_worker_disturbs_no_other():
    # A signal from outside repeats no fault, so after Swift's backtrace the worker would go on.
    environment = {"SWIFT_BACKTRACE": "enable=no"}
    options = {"app": "broadcast", "workers": WORKERS, "environment": environment}
    with Server(*PATIENT, **options) as server:
        with Audience(server, 80, size=500) as audience:
            parts = by_worker(server, audience.listeners)
            (speaker, mine), (victim, theirs), *_ = parts.items()
            others = [each for each in audience.listeners if each not in theirs]
            # The victim broadcasts as well, until it dies at whatever it is doing then.
            audience.publish(mine[0], 0, range(20_000))
            audience.publish(theirs[0], 1, range(100_000))
            audience.run(lambda: others[-1].received.get(1, 0) > 500, 20, "they broadcast")
            before = server.workers()
            os.kill(victim, signal.SIGKILL)
            audience.run(lambda: all(each.end for each in theirs), 5, "the dead one's peers see it")
            audience.run_until_heard({0: 20_000}, 50, others)
            for listener in others:
                assert listener.end is None
                assert listener.received[0] == 20_000
            wait_until(
                lambda: len(server.workers()) == WORKERS and victim not in server.workers(),
                5,
                "no successor",
            )
            (successor,) = set(server.workers()) - set(before)
            # What the dead one had said before its end is the same for all of them.
            audience.run(
                lambda: len({listener.received[1] for listener in others}) == 1,
                5,
                "all have heard the same of the dead one",
            )
            said = others[0].received[1]
            newcomers = audience.join(40)
            assert by_worker(server, newcomers).get(successor), "the successor has no connection"
            for listener in newcomers:
                listener.expect(0, 20_000)
                listener.expect(1, said)
            audience.publish(mine[0], 0, range(20_000, 21_000))
            speakers = by_worker(server, newcomers)[successor]
            audience.publish(speakers[0], 2, range(1000))
            totals = {0: 21_000, 1: said, 2: 1000}
            audience.run_until_heard(totals, 20, others + newcomers)
            audience.check_exact(totals, others + newcomers)
            assert speaker in server.workers()


def test_stopped_worker_holds_nobody_up_for_long(note):
    with Server(*PATIENT, app="broadcast", workers=WORKERS) as server:
        with Audience(server, 80, size=1000) as audience:
            (_, mine), (victim, theirs), *_ = by_worker(server, audience.listeners).items()
            others = [each for each in audience.listeners if each not in theirs]
            audience.publish(mine[0], 0, range(100))
            audience.run_until_heard({0: 100}, 10)
            os.kill(victim, signal.SIGSTOP)
            try:
                start = time.monotonic()
                # What a worker keeps for the others is full after about a thousand of these.
                audience.publish(mine[0], 0, range(100, 10_000))
                audience.run_until_heard({0: 10_000}, 30, others)
                note(f"a stopped worker held the others up for {time.monotonic() - start:.1f} s")
                audience.check_exact({0: 10_000}, others)
            finally:
                os.kill(victim, signal.SIGCONT)
            audience.run(lambda: all(each.end for each in theirs), 10, "its peers are told")
            assert {each.end for each in theirs} == {1008}
            assert is_alive(victim)
            server.errors.wait(lambda line: "broadcasts were lost" in line)
            # It hears what comes from now on, and is heard.
            newcomers = audience.join(40)
            for listener in newcomers:
                listener.expect(0, 10_000)
            speaker = by_worker(server, newcomers)[victim][0]
            audience.publish(mine[0], 0, range(10_000, 11_000))
            audience.publish(speaker, 1, range(1000))
            audience.run_until_heard({0: 11_000, 1: 1000}, 20, others + newcomers)
            audience.check_exact({0: 11_000, 1: 1000}, others + newcomers)


def test_broadcasts_wait_for_a_stopped_worker_as_long_as_they_are_told():
    options = ("--broadcast-grace-period", "10min", "--max-broadcast-backlog", "64KiB")
    with Server(*PATIENT, *options, app="broadcast", workers=WORKERS) as server:
        with Audience(server, 20, size=1000) as audience:
            (_, mine), (victim, _), *_ = by_worker(server, audience.listeners).items()
            os.kill(victim, signal.SIGSTOP)
            try:
                audience.publish(mine[0], 0, range(5000))
                # Longer than the two seconds that they wait by default.
                end = time.monotonic() + 3
                audience.run(lambda: time.monotonic() > end, 10, "it is stopped for 3 s")
            finally:
                os.kill(victim, signal.SIGCONT)
            audience.run_until_heard({0: 5000}, 30)
            audience.check_exact({0: 5000})
            assert server.counters()["broadcasts_refused"] == 0
