# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""Options of `apus serve` that change what a peer sees."""

import json
import socket
import time

import pytest

import wire
from apus import Server
from wire import BINARY, CONTINUATION, PING, PONG, TEXT, frame, header, request, wait_until


def test_connection_beyond_the_limit_is_answered_503():
    """O01"""
    with Server("--max-connections", "5", workers=1) as server:
        peers = [server.connect() for _ in range(5)]
        for _ in range(20):
            with wire.Peer(server.port) as extra:
                extra.send(request())
                response = extra.read_response()
                assert response.status == 503, response
                assert int(response.headers["retry-after"]) > 0
                extra.wait_ended(1)
        for peer in peers:
            peer.echo()
        peers.pop().close()
        wait_until(lambda: server.counters()["connections_open"] == 4, 2, "a place is free")
        with server.connect() as peer:
            peer.echo()
        for peer in peers:
            peer.close()


def test_silent_peer_is_pinged_and_then_dropped():
    """T04"""
    options = ("--keepalive-interval", "300ms", "--keepalive-grace-period", "1s")
    with Server(*options) as server, server.connect() as silent, server.connect() as lively:
        start = time.monotonic()
        while (beat := lively.read_frame(2)).opcode == PING and time.monotonic() - start < 1.5:
            lively.send(frame(PONG, beat.payload))
        assert time.monotonic() - start >= 1.5, f"the answering peer got {beat}"
        lively.echo()
        assert silent.read_frame().opcode == PING
        silent.wait_ended()


def test_limits_may_be_set():
    options = ("--max-received-frame-size", "1KiB", "--max-received-message-size", "2KiB")
    options += ("--max-fragments", "3")
    with Server(*options) as server:
        with server.connect() as peer:
            peer.echo(bytes(1024))
            peer.send(frame(BINARY, bytes(1024), fin=False) + frame(CONTINUATION, bytes(1024)))
            assert peer.read_frame() == (BINARY, bytes(2048))
            peer.send(header(BINARY, 1025))
            assert peer.read_close().code == 1009
        with server.connect() as peer:
            peer.send(frame(BINARY, bytes(1024), fin=False))
            peer.send(frame(CONTINUATION, bytes(1024), fin=False) + header(CONTINUATION, 1))
            assert peer.read_close().code == 1009
        with server.connect() as peer:
            peer.send(frame(TEXT, "a", fin=False) + frame(CONTINUATION, "b", fin=False) * 3)
            assert peer.read_close().code == 1008


@pytest.mark.parametrize(
    "origins, origin, status",
    [
        ("any", "https://evil.example", 101),
        ("same-origin", "https://evil.example", 403),
        ("same-origin", "http://localhost:{port}", 101),
        ("same-origin", None, 101),
        ("same-origin,https://*.example.com", "https://a.example.com", 101),
        ("same-origin,https://*.example.com", "http://localhost:{port}", 101),
        ("https://*.example.com", "http://localhost:{port}", 403),
        ("https://*.example.com", "https://example.com.evil.example", 403),
    ],
)
def test_pages_of_other_origins_are_refused(origins, origin, status):
    with Server("--origins", origins, app="example") as server, wire.Peer(server.port) as peer:
        fields = {"Host": f"localhost:{server.port}", "Sec_WebSocket_Protocol": "example"}
        if origin is not None:
            fields["Origin"] = origin.format(port=server.port)
        peer.send(request(**fields))
        assert peer.read_response().status == status


def test_unix_socket_is_served_too(tmp_path):
    path = tmp_path / "apus.sock"
    with Server("--unix", str(path)) as server:
        lines = server.output.wait(lambda line: line.startswith("listening on"), 2, count=2)
        assert any(str(path) in line for line in lines), lines
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(path))
            client.sendall(request() + frame(TEXT, "over a file"))
            data = b""
            while not data.endswith(b"\x81\x0bover a file"):
                chunk = client.recv(4096)
                assert chunk, data
                data += chunk
        with server.connect() as peer:
            peer.echo()
        assert server.stop() == 0
        assert not path.exists(), "the file of the socket is left behind"


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_are_as_many_as_asked_for(workers):
    with Server(workers=workers) as server:
        assert len(server.workers()) == workers == server.worker_count
        assert {c["worker"] for c in server.worker_counters()} == {str(n) for n in range(workers)}


def test_log_is_json_line_by_line():
    with Server("--log-level", "debug") as server:
        with server.connect() as peer:
            peer.send(frame(TEXT, "no mask", masked=False))
            peer.read_close()
        server.worker_counters()
        assert server.stop() == 0
    for line in server.errors.text.splitlines():
        entry = json.loads(line)
        assert {"time", "level", "message"} <= entry.keys(), line
