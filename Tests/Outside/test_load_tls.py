# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The load generator over TLS: against the server itself, and one of another maker."""

import asyncio
import socket
import ssl
import threading

import pytest

import apus
import secure
from certificates import Authority
from load import Peer, load
from test_load import faults
from test_load_peers import echo_slowly


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue("localhost", "127.0.0.1")


@pytest.fixture(scope="module")
def server():
    with secure.Server("--tls-self-signed", workers=2) as server:
        yield server


def server_context(pair, version=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pair.certificate, pair.key)
    if version:
        made.minimum_version = made.maximum_version = version
    return made


@pytest.mark.parametrize(
    ("mode", "processes"),
    [("echo", "1"), ("echo", "3"), ("pingpong", "2"), ("upload", "2"), ("churn", "2")],
)
def test_every_mode_works_against_the_server(server, mode, processes):
    before = server.counters()
    result = load(
        server.url, "--insecure", "--mode", mode, "--connections", "12",
        "--processes", processes, "--size", "100",
    )  # fmt: skip
    assert result["messages"] > 0
    assert faults(result) == {} and result["errors"] == {}
    opened = result["connections"]["opened"]
    assert opened == result["connections"]["asked"] >= 12
    after = server.counters()
    name = "tls_handshakes_completed"
    assert after[name] - before[name] == opened
    assert 0 < result["handshake_us"]["p50"] <= result["handshake_us"]["max"]


def test_idle_connections_are_held(server):
    result = load(server.url, "--insecure", "--mode", "idle", "--connections", "30")
    assert result["connections"] == {"asked": 30, "opened": 30, "failed": 0}
    assert result["messages"] == 30


def test_fan_out_counts_every_delivery():
    with secure.Server("--tls-self-signed", app="broadcast", workers=2) as server:
        result = load(
            server.url, "--insecure", "--mode", "fanout", "--connections", "20", "--rate", "100",
            "--processes", "2", "--size", "100",
        )  # fmt: skip
    assert faults(result) == {} and result["errors"] == {}
    assert 19 * 50 <= result["messages"] <= 20 * 101


@pytest.mark.parametrize(
    "arguments",
    [
        ("--size", "0"), ("--size", "20-3000", "--inflight", "30"), ("--size", "1MiB", "--binary"),
        ("--rate", "500", "--size", "16KiB"),
    ],
    ids=lambda arguments: " ".join(arguments),
)  # fmt: skip
def test_sizes_and_rates_come_back_whole(server, arguments):
    result = load(server.url, "--insecure", "--connections", "5", *arguments)
    assert result["messages"] > 0
    assert faults(result) == {} and result["errors"] == {}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    "arguments",
    [("--inflight", "4000", "--size", "0-3000"), ("--inflight", "4", "--size", "1000000-3000000")],
    ids=["small", "large"],
)
def test_a_slow_reader_gets_everything_whole(pair, version, arguments):
    with Peer(echo_slowly, tls=server_context(pair, version)) as peer:
        result = load(
            peer.url, "--insecure", "--connections", "3", "--timeout", "30s", *arguments
        )
    assert faults(result) == {} and result["errors"] == {}
    assert 0 < result["messages"] <= peer.received


def test_certificate_is_checked(authority, pair, monkeypatch):
    with Peer(tls=server_context(pair)) as peer:
        result = load(peer.url, "--connections", "3", code=(1,))
        ((kind, count),) = result["errors"].items()
        assert kind.startswith("tls: certificate") and count == 3
        assert result["connections"] == {"asked": 3, "opened": 0, "failed": 3}

        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        result = load(peer.url, "--connections", "3")
        assert result["connections"]["opened"] == 3 and result["errors"] == {}


@pytest.mark.parametrize("fault", ["name", "expired"])
def test_certificate_has_to_be_valid_and_for_the_host(authority, monkeypatch, fault):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    bad = {
        "name": lambda: authority.issue("other.example"),
        "expired": lambda: authority.issue("127.0.0.1", is_expired=True),
    }[fault]()
    with Peer(tls=server_context(bad)) as peer:
        result = load(peer.url, "--connections", "2", code=(1,))
        (kind,) = result["errors"]
        assert kind.startswith("tls: certificate")
        words = {"name": "address mismatch", "expired": "expired"}[fault]
        assert words in kind.lower()
        assert load(peer.url, "--connections", "2", "--insecure")["errors"] == {}


def test_the_wrong_door_is_told(server):
    with apus.Server() as plain:
        result = load(plain.url.replace("ws:", "wss:"), "--connections", "2", code=(1,))
        assert result["errors"] == {"tls: refused, handshake failure": 2}
    result = load(server.url.replace("wss:", "ws:"), "--connections", "2", code=(1,))
    assert result["errors"] == {"HTTP 400": 2}


def test_handshake_that_does_not_go_on_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = load(
            f"wss://127.0.0.1:{port}/", "--connections", "2", "--timeout", "500ms", code=(1,)
        )
    assert result["errors"] == {"timeout": 2}


def test_connection_that_is_cut_within_a_record_is_an_error(pair):
    """The end comes amid a record: no byte of the message counts."""

    def serve(listener):
        raw, _ = listener.accept()
        tls = server_context(pair).wrap_bio(
            incoming := ssl.MemoryBIO(), outgoing := ssl.MemoryBIO(), server_side=True
        )
        with raw:
            for step in (tls.do_handshake, tls.read):
                while True:
                    try:
                        step()
                        break
                    except ssl.SSLWantReadError:
                        raw.sendall(outgoing.read())
                        incoming.write(raw.recv(65536))
            tls.write(b"HTTP/1.1 101 Switching")
            raw.sendall(outgoing.read()[:-3])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        url = f"wss://127.0.0.1:{listener.getsockname()[1]}/"
        result = load(url, "--insecure", "--connections", "1", code=(1,))
        thread.join()
    assert result["errors"] == {"closed": 1}


def test_server_that_closes_is_reported(pair):
    async def close_early(peer, connection):
        await connection.recv()
        await asyncio.sleep(0)
        await connection.close(1011)

    with Peer(close_early, tls=server_context(pair)) as peer:
        result = load(peer.url, "--insecure", "--connections", "2", code=(1,))
    assert result["errors"]["close 1011"] == 2
