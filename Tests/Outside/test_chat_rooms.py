# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The example with rooms: the router and the origin policy, as clients meet them."""

import pytest
from websockets.sync.client import connect

import apus
import wire


@pytest.fixture(scope="module")
def shared_server():
    with apus.Server(program=apus.example("ChatRooms")) as server:
        yield server


def enter(server, path, protocol="chat", origin=None):
    url = f"ws://127.0.0.1:{server.port}{path}"
    protocols = [protocol] if protocol else None
    return connect(url, subprotocols=protocols, origin=origin, compression=None)


def refusal(server, path, **fields):
    """The status and the reason that a client is told."""
    with wire.Peer(server.port) as peer:
        peer.send(wire.request(path, **fields))
        response = peer.read_response()
        body = peer.read_body(int(response.headers.get("content-length", 0)))
        return response.status, body.decode()


def test_room_hears_what_is_said_in_it_and_nothing_else(server):
    with (
        enter(server, "/rooms/blue") as anna,
        enter(server, "/rooms/bl%75e") as bert,
        enter(server, "/rooms/gr%C3%BCn") as carl,
    ):
        assert anna.subprotocol == "chat"
        anna.send("to blue")
        carl.send("to green")
        assert anna.recv(timeout=2) == bert.recv(timeout=2) == "to blue"
        assert carl.recv(timeout=2) == "to green"
        with enter(server, "/rooms", protocol=None) as stranger:
            assert stranger.recv(timeout=2) == "blue\ngrün"


@pytest.mark.parametrize("path", ["/", "/room/x", "/rooms/", "/rooms/a/b", "/Rooms/a"])
def test_path_without_a_route_is_not_found(server, path):
    assert refusal(server, path, Sec_WebSocket_Protocol="chat")[0] == 404


@pytest.mark.parametrize(
    "path", ["/rooms/..", "/rooms/%2e%2e", "/rooms/a%2Fb", "/rooms//a", "/rooms/%zz", "/rooms/%FF"]
)
def test_path_that_proxies_may_read_otherwise_is_refused(server, path):
    assert refusal(server, path, Sec_WebSocket_Protocol="chat")[0] == 400


def test_client_that_offers_nothing_served_is_told_what_is(server):
    assert refusal(server, "/rooms/a") == (400, "the subprotocol has to be chat")
    assert refusal(server, "/rooms", Sec_WebSocket_Protocol="chat") == (
        400, "the subprotocol has to be none",
    )


def test_page_of_another_site_is_refused_and_own_pages_are_not(server):
    status, _ = refusal(
        server, "/rooms/a", Sec_WebSocket_Protocol="chat", Origin="https://evil.example"
    )
    assert status == 403
    with enter(server, "/rooms/a", origin=f"http://127.0.0.1:{server.port}") as page:
        page.send("mine")
        assert page.recv(timeout=2) == "mine"
