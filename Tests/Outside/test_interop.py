# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""Clients of other makers talk to the echo app."""

import signal

import pytest

import apus
from interop import CLIENTS, varied

SIZES = [0, 1, 125, 126, 65535, 65536, 1 << 20]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("size", SIZES)
def test_client_gets_back_what_it_sent_and_closes(server, client, size):
    messages = varied(size, size)
    assert {len(message if isinstance(message, bytes) else message.encode())
            for message in messages} == {size}
    received, (code, _) = client(server.url, messages, close=(4001, "that was all"))
    assert received == messages
    # The server repeats the code, as RFC 6455 §5.5.1 has it.
    assert code == 4001


@pytest.mark.parametrize("client", CLIENTS)
def test_client_is_told_why_the_server_closes(client):
    with apus.Server(workers=1) as server:
        received, end = client(
            server.url, ["before"], opened=lambda: server.send_signal(signal.SIGTERM)
        )
        assert received == ["before"]
        assert end == (1001, "server is going away")
        assert server.wait(5) == 0
