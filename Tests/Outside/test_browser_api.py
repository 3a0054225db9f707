# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The example app, as a browser and its user meet it."""

import re

import pytest
from websockets.sync.client import connect

import apus
import wire

ORIGIN = "http://example.test"


@pytest.fixture(scope="module")
def shared_server():
    with apus.Server(app="example") as server:
        yield server


@pytest.fixture
def neighbour_of_example(server):
    with connect(server.url, subprotocols=["example"], origin=ORIGIN) as client:
        client.recv(timeout=2)
        yield client
        client.send("still here")
        assert client.recv(timeout=2) == "Server accepted: still here"


def get(server, path="/", method="GET"):
    data = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    with wire.Peer(server.port) as peer:
        peer.send(data.encode())
        response = peer.read_response()
        assert response is not None, "the connection ended without a response"
        return response, peer.read_body(int(response.headers.get("content-length", 0)))


def test_ready_line_names_port_workers_and_supervisor(server):
    match = apus.READY.fullmatch(server.ready_line)
    assert match, server.ready_line
    assert int(match[1]) > 0
    assert int(match[2]) == 2 == len(server.workers())
    assert int(match[3]) == server.process.pid


def test_server_gives_its_page_to_a_browser(server):
    response, body = get(server)
    assert response.status == 200
    assert response.headers["content-type"].startswith("text/html")
    page = body.decode()
    for name in ("text", "send", "close", "log", "state"):
        assert re.search(rf'id="?{name}\b', page), f"the page has no element {name}"
    assert not re.search(r'(?:src|href)="?(?:https?:)?//', page), "the page is not self-contained"


def test_server_answers_head_without_a_body_or_not_at_all(server):
    with wire.Peer(server.port) as peer:
        peer.send(b"HEAD / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert peer.read_response().status in (200, 405)


def test_server_knows_no_other_path(server):
    assert get(server, "/other")[0].status == 404


def test_server_refuses_other_methods(server):
    response, _ = get(server, method="POST")
    assert response.status == 405
    assert "GET" in response.headers["allow"]


def test_client_is_greeted_answered_and_logged(server):
    start = len(server.output.lines)
    with connect(server.url, subprotocols=["example"], origin=ORIGIN) as client:
        assert client.subprotocol == "example"
        assert client.recv(timeout=2) == f"Connection from {ORIGIN}"
        for text in ("hello", "", "grüße 🐦"):
            client.send(text)
            assert client.recv(timeout=2) == f"Server accepted: {text}"
    (line,) = server.output.wait(lambda line: "connection from origin" in line, 2, start)
    assert re.fullmatch(rf"\S.* connection from origin: {ORIGIN} \.", line), line
    server.output.wait(lambda line: line == "127.0.0.1 disconnected.", 2, start)


def test_client_that_vanishes_is_logged_as_disconnected(server):
    start = len(server.output.lines)
    peer = server.connect(wire.request(Sec_WebSocket_Protocol="example", Origin=ORIGIN))
    peer.reset()
    server.output.wait(lambda line: line == "127.0.0.1 disconnected.", 2, start)


def test_client_cannot_choose_its_address(server):
    start = len(server.output.lines)
    peer = server.connect(
        wire.request(
            Sec_WebSocket_Protocol="example",
            X_Forwarded_For="203.0.113.9",
            Forwarded="for=203.0.113.9",
            X_Real_IP="203.0.113.9",
        )
    )
    peer.reset()
    (line,) = server.output.wait(lambda line: "disconnected" in line, 2, start)
    assert line == "127.0.0.1 disconnected."


def test_origin_cannot_forge_output(server):
    start = len(server.output.lines)
    with wire.Peer(server.port) as peer:
        origin = "http://a\x1b[2J\x85x"
        peer.send(wire.request(Sec_WebSocket_Protocol="example", Origin=origin))
        response = peer.read_response()
        assert response is not None and response.status in (101, 400), response
        if response.status == 101:
            server.output.wait(lambda line: "connection from origin" in line, 2, start)
    assert not any("\x1b" in line for line in server.output.lines[start:])


def test_client_may_offer_other_protocols_too(server):
    with connect(server.url, subprotocols=["chat", "example"], origin=ORIGIN) as client:
        assert client.subprotocol == "example"


@pytest.mark.parametrize("offer", [{}, {"Sec_WebSocket_Protocol": "chat"}])
def test_client_that_does_not_offer_example_is_refused(server, neighbour_of_example, offer):
    with wire.Peer(server.port) as peer:
        peer.send(wire.request(Origin=ORIGIN, **offer))
        assert peer.read_response().status == 400
        peer.wait_ended()
