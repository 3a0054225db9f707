# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The echo app with clients that do nothing wrong."""

import os

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

import wire
from wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame

SIZES = [0, 1, 125, 126, 127, 65535, 65536, 65537, 131072, 262144 + 3, 1 << 20]
CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999]


@pytest.fixture
def peer(server):
    with server.connect() as peer:
        yield peer


@pytest.mark.parametrize("size", SIZES)
def test_server_echoes_binary_and_text_of_every_length_class(server, size):
    data, text = os.urandom(size), ("aé€🐦" * (size // 10 + 1)).encode()[:size]
    text = text.decode(errors="ignore")
    with connect(server.url, max_size=None, compression=None) as client:
        for message in (data, text):
            client.send(message)
            assert client.recv(timeout=10) == message


def test_server_echoes_the_type(peer):
    peer.echo(b"text", TEXT)
    peer.echo(b"\xff\xfe", BINARY)


def test_server_echoes_fragments_as_one_message(server):
    parts = ["", "one ", "", "two", " drei " * 9000, ""]
    with connect(server.url, compression=None) as client:
        client.send(parts)
        assert client.recv(timeout=5) == "".join(parts)
        client.send(part.encode() for part in parts)
        assert client.recv(timeout=5) == "".join(parts).encode()


def test_server_answers_many_messages_in_one_segment_in_order(peer):
    messages = [b"%d" % number * (number % 50) for number in range(2000)]
    peer.send(b"".join(frame(BINARY, message) for message in messages))
    for message in messages:
        assert peer.read_frame(5) == (BINARY, message)


@pytest.mark.parametrize("payload", [b"", b"p", bytes(range(125))])
def test_server_answers_a_ping_with_its_payload(peer, payload):
    peer.send(frame(PING, payload))
    assert peer.read_frame() == (PONG, payload)


@pytest.mark.parametrize("payload", [b"", bytes(125)])
def test_server_ignores_an_unasked_pong(peer, payload):
    peer.send(frame(PONG, payload))
    peer.echo()


def test_server_answers_pings_between_fragments_at_once(peer):
    peer.send(frame(TEXT, "be", fin=False) + frame(PING, b"?"))
    assert peer.read_frame() == (PONG, b"?")
    peer.send(frame(CONTINUATION, "fore"))
    assert peer.read_frame() == (TEXT, b"before")


def test_every_masking_key_is_undone(peer):
    for key in (bytes(4), b"\xff\xff\xff\xff", b"\x00\x00\x00\x01", b"\x80\x00\x00\x00"):
        peer.send(frame(TEXT, "the same text", key=key))
        assert peer.read_frame() == (TEXT, b"the same text")


def test_first_offered_subprotocol_is_chosen(server):
    with connect(server.url, subprotocols=["b", "a", "c"]) as client:
        assert client.subprotocol == "b"
    with connect(server.url) as client:
        assert client.subprotocol is None


def test_compression_is_declined_by_default(server):
    with connect(server.url, compression="deflate") as client:
        assert "Sec-WebSocket-Extensions" not in client.response.headers
        client.send("plain")
        assert client.recv(timeout=2) == "plain"


def test_any_path_and_origin_is_served(server):
    data = wire.request("/any/path?x=1&y=%20", Origin="null")
    with server.connect(data) as peer:
        peer.echo()


def test_message_over_the_limit_is_refused(server):
    with connect(server.url, compression=None) as client:
        with pytest.raises(ConnectionClosed) as closed:
            client.send(bytes((1 << 20) + 1))
            client.recv(timeout=5)
        assert closed.value.rcvd.code == 1009


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("reason", [b"", b"r" * 123])
def test_server_echoes_the_close_code(peer, code, reason):
    peer.send(wire.close_frame(code, reason))
    assert peer.read_close().code == code
    peer.wait_closed()


def test_server_answers_a_close_without_code_by_one_without_code(peer):
    peer.send(wire.close_frame())
    assert peer.read_frame() == (CLOSE, b"")
    peer.wait_closed()


def test_messages_before_a_close_are_answered_before_it(peer):
    peer.send(frame(TEXT, "1") + frame(TEXT, "2") + wire.close_frame(1000))
    assert peer.read_frame() == (TEXT, b"1")
    assert peer.read_frame() == (TEXT, b"2")
    assert peer.read_close().code == 1000
    peer.wait_closed()


def test_end_of_a_connection_without_close_ends_it_on_the_server(peer):
    peer.echo()
    peer.finish_sending()
    peer.wait_ended()
