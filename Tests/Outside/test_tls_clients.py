# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""Clients of other makers over TLS; they check the certificate as they do by default."""

import os
import signal

import pytest

import secure
from certificates import Authority
from interop import CLIENTS, COMPRESSING_CLIENTS, varied


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue("localhost", "127.0.0.1")


@pytest.fixture
def trust(authority, monkeypatch):
    """Clients that ask the system for its roots get this one; node has it in addition."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(authority.file))


@pytest.fixture(scope="module")
def shared_server(pair):
    with secure.Server(*pair.flags) as server:
        yield server


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("size", [0, 125, 16384, 65536, 1 << 20])
def test_client_gets_back_what_it_sent_and_closes(server, trust, client, size):
    messages = ["x" * size, os.urandom(size), "é" * (size // 2)]
    received, (code, _) = client(server.url, messages, close=(4001, "that was all"))
    assert received == messages
    assert code == 4001


@pytest.mark.parametrize("client", COMPRESSING_CLIENTS)
@pytest.mark.parametrize("mode", ["shared", "dedicated"])
def test_client_compresses_what_is_encrypted(pair, trust, mode, client):
    flags = ["--compression", mode, "--compression-threshold", "1"]
    # What cannot be compressed becomes a little larger.
    flags += ["--max-received-frame-size", "2MiB", "--max-received-message-size", "2MiB"]
    messages = varied(0, 1, 125, 126, 65536, 1 << 20)
    with secure.Server(*pair.flags, *flags, workers=1) as server:
        received, (code, _) = client(
            server.url, messages, close=(4001, "that was all"), compress=True
        )
        assert received == messages
        assert code == 4001
        counters = server.counters()
        assert counters["tls_handshakes_completed"] == 1
        assert counters["messages_compressed"] == sum(len(text) > 1 for text in messages[::2])
        assert counters["bytes_inflated"] >= sum(map(len, messages[1:])) - 100
        server.wait_idle()


@pytest.mark.parametrize("client", CLIENTS)
def test_client_is_told_why_the_server_closes(pair, trust, client):
    with secure.Server(*pair.flags, workers=1) as server:
        received, end = client(
            server.url, ["before"], opened=lambda: server.send_signal(signal.SIGTERM)
        )
        assert received == ["before"]
        assert end == (1001, "server is going away")
        assert server.wait(5) == 0


@pytest.mark.parametrize("client", CLIENTS)
def test_client_without_the_root_does_not_connect(server, neighbour, client):
    before = server.counters()["handshakes_completed"]
    # Each has an error of its own.
    with pytest.raises(Exception):
        client(server.url, ["never"], close=(1000, ""))
    assert server.counters()["handshakes_completed"] == before
