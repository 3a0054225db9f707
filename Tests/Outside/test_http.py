# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""Ordinary requests to the example app, as programs and proxies make them."""

import email.utils
import http.client
import signal
import time

import pytest

import apus
import wire
from wire import TEXT, request


@pytest.fixture(scope="module")
def shared_server():
    with apus.Server(app="example", drain="5s") as server:
        yield server


@pytest.fixture
def client(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.connect()
    yield connection
    connection.close()


def ask(client, method="GET", path="/", body=None, **fields):
    """A response with its body; on one connection, or the client's socket would be another."""
    socket = client.sock
    client.request(method, path, body, fields)
    response = client.getresponse()
    body = response.read()
    assert client.sock in (socket, None)
    return response, body


def test_one_connection_serves_one_request_after_the_other(client):
    _, page = ask(client)
    for _ in range(50):
        response, body = ask(client)
        assert response.status == 200 and body == page
        assert "connection" not in response.headers
        date = email.utils.parsedate_to_datetime(response.headers["date"])
        assert abs(date.timestamp() - time.time()) < 60
        assert ask(client, path="/nothing")[0].status == 404


def test_head_is_get_without_the_body(client):
    get, page = ask(client)
    head, nothing = ask(client, "HEAD")
    assert head.status == 200 and nothing == b"" and page
    for name in ("content-length", "content-type"):
        assert head.headers[name] == get.headers[name]
    assert ask(client)[1] == page


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
def test_refused_method_leaves_the_connection_usable(client, method):
    response, _ = ask(client, method)
    assert response.status == 405
    assert response.headers["allow"] == "GET, HEAD"
    assert ask(client)[0].status == 200


def test_unknown_method_is_not_implemented(client):
    assert ask(client, "BREW")[0].status == 501
    assert ask(client)[0].status == 200


def test_refused_body_ends_the_connection(client):
    response, _ = ask(client, "POST", body=b"x" * 100_000)
    assert response.status == 405
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize("chunked", [False, True])
def test_body_of_get_is_read_over(client, chunked):
    body = iter([b"some ", b"words"]) if chunked else b"some words"
    client.request("GET", "/", body, encode_chunked=chunked)
    response = client.getresponse()
    assert response.status == 200
    assert response.read()
    assert ask(client)[0].status == 200


def test_client_that_waits_with_its_body_is_asked_for_it(server):
    with wire.Peer(server.port) as peer:
        head = b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        peer.send(head)
        assert peer.read_response().status == 100
        peer.send(b"ab")
        response = peer.read_response()
        assert response.status == 200
        assert peer.read_body(int(response.headers["content-length"]))


@pytest.mark.parametrize("status, body", [
    (413, b"Content-Length: 1048577\r\nExpect: 100-continue\r\n\r\n"),
    (413, b"Transfer-Encoding: chunked\r\n\r\n100001\r\n"),
    (400, b"Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n"),
    (400, b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n"),
    (400, b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    (417, b"Expect: tea\r\n\r\n"),
    (431, b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 101),
])
def test_bad_body_is_refused_and_hides_no_request(server, status, body):
    with wire.Peer(server.port) as peer:
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + body)
        peer.send(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        response = peer.read_response()
        assert response.status == status
        assert response.headers["connection"] == "close"
        peer.read_body(int(response.headers["content-length"]))
        peer.wait_closed()


def test_pipelined_requests_are_answered_in_order(server):
    with wire.Peer(server.port) as peer:
        peer.send(b"".join(
            f"GET /{'' if number % 3 else number} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
            for number in range(300)
        ))
        for number in range(300):
            response = peer.read_response()
            assert response.status == (200 if number % 3 else 404)
            peer.read_body(int(response.headers["content-length"]))


def test_page_and_its_websocket_may_share_a_connection(server):
    with wire.Peer(server.port) as peer:
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        response = peer.read_response()
        assert b"<html" in peer.read_body(int(response.headers["content-length"]))
        peer.upgrade(request(Sec_WebSocket_Protocol="example"))
        assert peer.read_frame() == (TEXT, b"Connection from none")
        peer.send(wire.frame(TEXT, "hello"))
        assert peer.read_frame() == (TEXT, b"Server accepted: hello")


def test_client_that_asks_and_ends_its_side_gets_its_answer(server):
    with wire.Peer(server.port) as peer:
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        peer.finish_sending()
        for _ in range(3):
            response = peer.read_response()
            assert peer.read_body(int(response.headers["content-length"])).endswith(b"</html>")
        peer.wait_closed()


def test_limits_may_be_set():
    options = ("--max-request-body-size", "1KiB", "--http-keep-alive-timeout", "0")
    with apus.Server(*options, app="example") as server:
        for size, status in ((1024, 200), (1025, 413)):
            with wire.Peer(server.port) as peer:
                head = f"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n"
                peer.send(head.encode() + (bytes(size) if status == 200 else b""))
                response = peer.read_response()
                assert response.status == status
                assert response.headers["connection"] == "close"


def test_idle_connections_do_not_hold_up_the_end():
    with apus.Server(app="example", drain="20s") as server:
        clients = [http.client.HTTPConnection("127.0.0.1", server.port) for _ in range(10)]
        for client in clients:
            client.connect()
            assert ask(client)[0].status == 200
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0
        assert time.monotonic() - start < 10
        for client in clients:
            assert client.sock.recv(1) == b""
            client.close()
