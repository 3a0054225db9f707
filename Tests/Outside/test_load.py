# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The load generator: does it measure right, and does it say so when something is not right."""

import asyncio
import http
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

import apus
from load import Peer, children, load, run, start
from network import enter_own_network
from wire import wait_until

FIGURES = {"p50", "p90", "p99", "p99_9", "p99_99", "max", "mean"}
FAULTS = ("lost", "duplicated", "reordered", "corrupted")

# Handlers that fail on purpose say so at length.
logging.getLogger("websockets.server").setLevel(logging.CRITICAL)


def faults(result):
    return {name: result[name] for name in FAULTS if result[name]}


@pytest.fixture(scope="module")
def server():
    with apus.Server(app="echo", workers=2) as server:
        yield server


# What is measured


@pytest.mark.parametrize(
    ("mode", "processes"),
    [("echo", "1"), ("echo", "3"), ("pingpong", "2"), ("upload", "2"), ("churn", "2")],
)
def test_every_mode_works_against_the_server(server, mode, processes):
    result = load(
        server.url, "--mode", mode, "--connections", "12", "--processes", processes,
        "--size", "100",
    )  # fmt: skip
    assert result["messages"] > 0
    each = result["messages"] / result["duration_seconds"]
    assert result["messages_per_second"] == pytest.approx(each)
    assert faults(result) == {} and result["errors"] == {}
    assert result["connections"]["failed"] == 0
    assert result["connections"]["opened"] == result["connections"]["asked"] >= 12
    assert result["plan"]["processes"] == int(processes)


def test_idle_connections_are_held(server):
    result = load(
        server.url, "--mode", "idle", "--connections", "30", "--server-pid", str(server.pid)
    )
    assert result["connections"] == {"asked": 30, "opened": 30, "failed": 0}
    assert result["server"]["rss_bytes"] >= result["server"]["pss_bytes"] > 0


def test_fan_out_counts_every_delivery():
    with apus.Server(app="broadcast", workers=2) as server:
        result = load(
            server.url, "--mode", "fanout", "--connections", "20", "--rate", "100",
            "--processes", "2", "--size", "100",
        )  # fmt: skip
        assert faults(result) == {}
        # 100 messages were due, to 19 or, with the sender, 20 connections.
        assert 19 * 50 <= result["messages"] <= 20 * 101
        assert FIGURES <= set(result["latency_us"])


def test_json_has_every_key(server):
    result = load(server.url, "--rate", "200", "--server-pid", str(server.pid), "--inflight", "2")
    for name in ("latency_us", "latency_from_send_us", "handshake_us"):
        assert FIGURES <= set(result[name])
        figures = result[name]
        assert 0 < figures["p50"] <= figures["p90"] <= figures["p99"] <= figures["max"]
    assert set(result) >= {
        "messages", "messages_per_second", "bytes_per_second", "connections", "errors", "server",
        "client_bound", "duration_seconds", "plan", "machine", "version", "date", *FAULTS,
    }  # fmt: skip
    assert result["client_bound"] is False or result["client_bound_reason"]
    assert result["duration_seconds"] == pytest.approx(1, abs=0.05)
    assert result["plan"]["url"] == server.url
    assert result["errors"] == {}


@pytest.mark.parametrize(
    ("size", "kind"),
    [("0", "--binary"), ("1", "--text"), ("20-3000", "--text"), ("1MiB", "--binary")],
)
def test_sizes_and_types_come_back_whole(server, kind, size):
    result = load(server.url, "--size", size, kind, "--connections", "5", "--inflight", "3")
    assert result["messages"] > 0
    assert faults(result) == {} and result["errors"] == {}


def test_rate_is_what_was_asked_for(server):
    for arrivals in ("constant", "poisson"):
        result = load(
            server.url, "--rate", "400", "--arrivals", arrivals, "--connections", "4",
            "--duration", "2s",
        )  # fmt: skip
        # Poisson: 800 with a standard deviation of 28. The last replies may come too late to count.
        assert result["messages"] == pytest.approx(800, abs=170)


def test_requests_carry_what_was_asked_for():
    seen = []

    def look(connection, request):
        seen.append((connection.request.headers if connection.request else request.headers))

    with Peer(process_request=look) as peer:
        load(
            peer.url, "--connections", "3", "--origin", "https://example.com",
            "--header", "X-First: a b", "--header", "X-Second:c",
            "--source-addresses", "127.0.0.2-127.0.0.4",
        )  # fmt: skip
    assert len(seen) == 3
    for headers in seen:
        assert headers["Origin"] == "https://example.com"
        assert headers["X-First"] == "a b"
        assert headers["X-Second"] == "c"


def test_source_addresses_are_taken_in_turn():
    sources = []

    async def echo(peer, connection):
        sources.append(connection.remote_address[0])
        await Peer.echo(peer, connection)

    with Peer(echo) as peer:
        load(
            peer.url, "--connections", "6", "--processes", "2",
            "--source-addresses", "127.0.0.2-127.0.0.4",
        )  # fmt: skip
    assert sorted(sources) == sorted(["127.0.0.2", "127.0.0.3", "127.0.0.4"] * 2)


def few_ports():
    """A network where a connect has five ports of each address: a listener takes one of the six."""
    enter_own_network()
    with open("/proc/sys/net/ipv4/ip_local_port_range", "w", encoding="ascii") as file:
        file.write("40000 40005")


# Of one address a single port is left, and three connections are to come from it.
CROWDED = """
import socket
from load import Peer, run
IP_BIND_ADDRESS_NO_PORT = 24
with Peer() as peer:
    others = [socket.socket() for _ in range(4)]
    for other in others:
        other.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        other.bind(("127.0.0.2", 0))
        other.connect(("127.0.0.1", peer.port))
    print(run(peer.url, "--connections", "6", "--duration", "300ms", "--warm-up", "0", "--json",
              "--source-addresses", "127.0.0.2,127.0.0.3").stdout)
"""


def test_connections_come_from_another_source_address_where_one_has_no_port_left():
    try:
        result = subprocess.run(
            [sys.executable, "-c", CROWDED], env=os.environ | {"PYTHONPATH": os.path.dirname(__file__)},
            capture_output=True, text=True, timeout=40, check=False, preexec_fn=few_ports,
        )  # fmt: skip
    except subprocess.SubprocessError:
        pytest.skip("this machine gives no network namespaces")
    assert result.returncode == 0, result.stderr
    result = json.loads(result.stdout)
    assert result["connections"] == {"asked": 6, "opened": 6, "failed": 0}
    assert result["errors"] == {}


def test_a_source_address_of_another_machine_is_told():
    with Peer() as peer:
        # One of those that are for documentation, RFC 5737.
        result = load(
            peer.url, "--connections", "4", "--source-addresses", "127.0.0.2,192.0.2.1", code=[1]
        )
    assert result["connections"] == {"asked": 4, "opened": 2, "failed": 2}
    assert result["errors"] == {"source address": 2}


def test_server_sample_covers_the_whole_tree(server):
    """The root is the supervisor, which does nothing: what is counted are its workers."""
    result = load(server.url, "--server-pid", str(server.pid), "--connections", "20")
    figures = result["server"]
    assert figures["cpu_seconds"] > 0.01
    # The looks at the server may be further apart than the measured time, and that is allowed for.
    each = figures["cpu_seconds"] / result["messages"] * 1e6
    assert 0 < figures["cpu_us_per_message"] < 1.1 * each
    assert figures["rss_bytes"] > 1 << 20


# Uses a third of a second of processor time, and then waits.
WORK = """
import time
while time.process_time() < 0.33: pass
time.sleep(60)
"""


def test_server_sample_has_processes_that_start_during_the_run():
    """The server is a thread of this process here, which starts another at the first message."""
    workers = []

    async def work(peer, connection):
        async for message in connection:
            if not workers:
                workers.append(subprocess.Popen([sys.executable, "-c", WORK]))
            await connection.send(message)

    try:
        with Peer(work) as peer:
            result = load(
                peer.url, "--connections", "1", "--rate", "10", "--duration", "4s",
                "--server-pid", str(os.getpid()),
            )  # fmt: skip
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert result["server"]["cpu_seconds"] > 0.33


def test_connections_stay_until_the_server_was_looked_at():
    """The process that looks at it is held up; those that make the load wait for it."""
    open_now = set()

    async def echo(peer, connection):
        open_now.add(connection)
        await Peer.echo(peer, connection)
        open_now.remove(connection)

    with Peer(echo) as peer:
        process = start(
            peer.url, "--connections", "6", "--processes", "3", "--duration", "500ms",
            "--warm-up", "0", "--server-pid", str(os.getpid()), "--json",
        )  # fmt: skip
        try:
            wait_until(lambda: peer.received > 100, 10, lambda: "nothing is sent")
            process.send_signal(signal.SIGSTOP)
            # Once nothing has come for a while the measured time is over.
            before = -1
            while peer.received > before:
                before = peer.received
                time.sleep(0.3)
            held = len(open_now)
            process.send_signal(signal.SIGCONT)
            output, errors = process.communicate(timeout=20)
        finally:
            process.kill()
            process.wait()
    assert (held, errors, process.returncode) == (6, "", 0)
    assert json.loads(output)["server"]["rss_bytes"] > 0


def test_connections_are_opened_at_the_rate_that_was_asked_for():
    times = []

    async def echo(peer, connection):
        times.append(time.monotonic())
        await Peer.echo(peer, connection)

    with Peer(echo) as peer:
        load(peer.url, "--connections", "20", "--connect-rate", "20", "--processes", "2")
    # Without a rate all of them are there within milliseconds.
    assert max(times) - min(times) > 0.3


# That it measures right


def test_messages_are_those_that_the_server_counted():
    with Peer() as peer:
        result = load(peer.url, "--connections", "4", "--inflight", "2", "--processes", "2")
        # Replies that came after the measured time are not counted.
        assert 0 <= peer.received - result["messages"] <= 4 * 2
        assert result["messages"] > 0


async def stall():
    """Nothing of the server runs for 100 ms of every second."""
    while True:
        await asyncio.sleep(0.9)
        time.sleep(0.1)


def test_a_stall_of_the_server_shows_in_the_open_model():
    """No coordinated omission: messages that were due while nothing was answered count."""
    with Peer(before=stall) as peer:
        arguments = ["--connections", "10", "--duration", "3s"]
        open_model = load(peer.url, *arguments, "--rate", "300")
        closed = load(peer.url, *arguments, "--inflight", "1")
    # A tenth of all messages was due in a stall, evenly: the last hundredth waited for 90 ms.
    assert open_model["latency_us"]["p99"] >= 50_000
    # In the closed model each stall is one slow message of each connection among thousands.
    assert closed["latency_us"]["max"] >= 50_000
    assert closed["latency_us"]["p99"] < open_model["latency_us"]["p99"]


# That it sees what goes wrong


def nth(numbers, change):
    """A server that treats these of its messages otherwise, counted over all connections."""

    async def serve(peer, connection):
        async for message in connection:
            number = peer.received
            peer.received += 1
            if number in numbers:
                await change(connection, message)
            else:
                await connection.send(message)

    return serve


async def drop(connection, message):
    pass


async def double(connection, message):
    await connection.send(message)
    await connection.send(message)


async def spoil(connection, message):
    last = "#" if isinstance(message, str) else b"#"
    await connection.send(message[:-1] + last)


OPEN = ["--connections", "2", "--rate", "200", "--size", "64", "--timeout", "2s"]


@pytest.mark.parametrize(
    ("change", "fault"), [(drop, "lost"), (double, "duplicated"), (spoil, "corrupted")]
)
def test_faults_are_counted_exactly(change, fault):
    with Peer(nth(range(10, 17), change)) as peer:
        result = load(peer.url, *OPEN, code=[1])
    assert result[fault] == 7
    assert faults(result) == {fault: 7}


def test_swapped_replies_are_counted():
    held = {}

    async def serve(peer, connection):
        async for message in connection:
            number = peer.received
            peer.received += 1
            if number in (10, 30):
                held[connection] = message
                continue
            await connection.send(message)
            if connection in held:
                await connection.send(held.pop(connection))

    with Peer(serve) as peer:
        result = load(peer.url, *OPEN, code=[1])
    assert faults(result) == {"reordered": 2}


def closed_port():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        return other.getsockname()[1]


def test_refused_connections_are_told():
    result = load(f"ws://127.0.0.1:{closed_port()}/", "--connections", "7", code=[1])
    assert result["errors"] == {"refused": 7}
    assert result["connections"] == {"asked": 7, "opened": 0, "failed": 7}


def test_http_refusals_are_told_by_their_status():
    def refuse(connection, request):
        return connection.respond(http.HTTPStatus.FORBIDDEN, "no\n")

    with Peer(process_request=refuse) as peer:
        result = load(peer.url, "--connections", "3", code=[1])
    assert result["errors"] == {"HTTP 403": 3}
    assert result["connections"]["failed"] == 3


def test_silent_servers_are_told_as_timeouts():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ws://127.0.0.1:{silent.getsockname()[1]}/"
        result = load(url, "--connections", "2", "--timeout", "300ms", code=[1])
    assert result["errors"] == {"timeout": 2}


def test_close_codes_are_told():
    async def fail(peer, connection):
        await connection.recv()
        await connection.close(1011)

    with Peer(fail) as peer:
        result = load(peer.url, "--connections", "3", "--duration", "10s", code=[1])
    assert result["errors"]["close 1011"] == 3
    assert result["lost"] == 3


def test_connections_that_break_are_told():
    async def break_off(peer, connection):
        await connection.recv()
        connection.transport.abort()

    with Peer(break_off) as peer:
        result = load(peer.url, "--connections", "3", "--duration", "10s", code=[1])
    assert sum(result["errors"].get(kind, 0) for kind in ("closed", "reset")) == 3
    assert result["lost"] == 3


# When the load is the limit


def test_an_impossible_rate_is_no_result(server):
    result = load(server.url, "--rate", "100000000", "--timeout", "2s", code=[0, 1])
    assert result["client_bound"] is True
    assert "processors" in result["client_bound_reason"]
    table = run(
        server.url, "--rate", "100000000", "--duration", "300ms", "--warm-up", "0",
        "--timeout", "2s",
    )  # fmt: skip
    assert "NOT a result" in table.stdout
    assert "messages/s," not in table.stdout.split("\n\n", 1)[1]


# Files and comparison


def test_hdr_log_is_read_by_another_implementation(server, tmp_path):
    path = tmp_path / "latencies.hdr"
    result = load(server.url, "--rate", "500", "--connections", "10", "--hdr", str(path))
    reader = HistogramLogReader(str(path), HdrHistogram(1, 600_000_000_000, 3))
    found = {}
    while (histogram := reader.get_next_interval_histogram()) is not None:
        found[histogram.get_tag()] = histogram
    assert set(found) == {"handshake", "latency", "intended"}
    assert found["handshake"].total_count == 10
    for tag, key in (("intended", "latency_us"), ("latency", "latency_from_send_us")):
        assert found[tag].total_count == result[key]["count"]
        for percentile, name in ((50, "p50"), (99, "p99")):
            # The other one rounds to the nearest message, and so may mean that beside it.
            step = 100 / found[tag].total_count
            least, most = (
                found[tag].get_value_at_percentile(percentile + change) / 1000
                for change in (-step, step)
            )
            assert 0.998 * least <= result[key][name] <= 1.002 * most


def test_plot_is_well_formed(server, tmp_path):
    path = tmp_path / "latencies.svg"
    load(server.url, "--rate", "500", "--connections", "10", "--svg", str(path))
    root = xml.etree.ElementTree.parse(path).getroot()
    assert root.tag.endswith("svg")
    text = " ".join(root.itertext())
    assert "from when it was due" in text and "99" in text
    assert "prefers-color-scheme: dark" in text


def test_two_results_are_compared(server, tmp_path):
    paths = []
    for number, inflight in enumerate(("1", "4")):
        result = run(
            server.url, "--duration", "300ms", "--warm-up", "0", "--inflight", inflight,
            "--connections", "4", "--json", "--server-pid", str(server.pid),
        )  # fmt: skip
        paths.append(tmp_path / f"{number}.json")
        paths[-1].write_text(result.stdout)
    comparison = run("compare", *map(str, paths))
    assert comparison.returncode == 0
    assert "the two differ in --inflight" in comparison.stdout
    assert "p99 latency" in comparison.stdout
    assert "verdict" in comparison.stdout or "B has" in comparison.stdout


@pytest.mark.parametrize(("text", "code"), [(None, 66), ("", 65), ('{"messages": 1}', 65)])
def test_what_is_no_result_is_not_compared(tmp_path, text, code):
    path = tmp_path / "a.json"
    if text is not None:
        path.write_text(text)
    result = run("compare", str(path), str(path))
    assert result.returncode == code
    assert len(result.stderr.splitlines()) == 1 and str(path) in result.stderr


# Refusals


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 64, ["url"]),
        (["http://127.0.0.1/"], 64, ["ws://"]),
        (["ws://127.0.0.1/", "--mode", "guess"], 64, ["--mode"]),
        (["ws://127.0.0.1/", "--size", "9-3"], 64, ["--size"]),
        (["ws://127.0.0.1/", "--connections", "0"], 64, ["--connections"]),
        (["ws://127.0.0.1/", "--rate", "-1"], 64, ["--rate"]),
        (["ws://127.0.0.1/", "--mode", "fanout", "--size", "19"], 64, ["20 bytes"]),
        (["ws://127.0.0.1/", "--source-addresses", "here"], 64, ["--source-addresses"]),
        (["ws://127.0.0.1/", "--no-such-flag"], 64, ["no-such-flag"]),
        (["ws://127.0.0.1/", "--server-pid", "2147483647"], 69, ["--server-pid"]),
        (["ws://127.0.0.1/", "--connections", "9999999"], 71, ["--processes"]),
        (["compare"], 64, ["a.json"]),
    ],
)
def test_refusals_are_one_line_that_names_the_cause(arguments, code, words):
    result = run(*arguments)
    assert result.returncode == code, f"{result}"
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("apus-load: ")
    for word in words:
        assert word in line


def test_help_names_every_flag():
    result = run("--help")
    assert result.returncode == 0
    for flag in (
        "mode", "connections", "inflight", "size", "text", "binary", "duration", "warm-up", "rate",
        "arrivals", "connect-rate", "source-addresses", "processes", "subprotocol", "origin",
        "header", "server-pid", "json", "hdr", "svg", "timeout", "insecure",
    ):  # fmt: skip
        assert f"--{flag}" in result.stdout
    assert "compare" in result.stdout


# Its processes


@pytest.fixture
def running():
    """A run of two processes that has begun to send."""
    with Peer() as peer:
        process = start(
            peer.url, "--connections", "4", "--duration", "60s", "--warm-up", "0",
            "--processes", "2", "--json",
        )  # fmt: skip
        try:
            wait_until(lambda: peer.received > 100, 10, lambda: "nothing is sent")
            yield process, peer
        finally:
            process.kill()
            process.wait()


def test_an_interrupt_ends_the_run_with_what_was_measured(running):
    process, _ = running
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors == ""
    result = json.loads(output)
    assert result["interrupted"] is True
    assert result["messages"] > 0
    assert 0 < result["duration_seconds"] < 60
    assert result["messages_per_second"] == pytest.approx(
        result["messages"] / result["duration_seconds"], rel=0.01
    )
    assert faults(result) == {}


def test_a_process_that_dies_is_told(running):
    process, _ = running
    first, second = children(process.pid)
    os.kill(second, signal.SIGKILL)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 70
    assert output == ""
    assert "signal 9" in errors and len(errors.splitlines()) == 1
    wait_until(lambda: not apus.is_alive(first), 5, lambda: "the other process lives on")


def test_processes_do_not_outlive_the_one_that_started_them(running):
    process, _ = running
    pids = children(process.pid)
    process.kill()
    process.wait()
    wait_until(
        lambda: not any(map(apus.is_alive, pids)), 5, lambda: "processes of the load live on"
    )
