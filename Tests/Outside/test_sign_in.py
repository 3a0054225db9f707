# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The example that decides after a lookup: handlers that wait, as clients meet them."""

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import apus
import wire


@pytest.fixture(scope="module")
def shared_server():
    with apus.Server(program=apus.example("SignIn")) as server:
        yield server


def enter(server, cookie=None):
    headers = {"Cookie": cookie} if cookie else None
    return connect(server.url, additional_headers=headers, compression=None)


@pytest.mark.parametrize(
    "cookie, status, reason",
    [
        (None, 401, b"sign in first"),
        ("theme=dark", 401, b"sign in first"),
        ("session=1", 403, b"this session is over"),
    ],
)
def test_strangers_are_told_why(server, cookie, status, reason):
    with pytest.raises(InvalidStatus) as refusal:
        enter(server, cookie)
    assert refusal.value.response.status_code == status
    assert reason in refusal.value.response.body


def test_users_are_greeted_and_heard(server):
    start = len(server.output.lines)
    with enter(server, "theme=dark; session=1815") as ada, enter(server, "session=1906") as grace:
        assert ada.recv(timeout=5) == "hello Ada"
        assert grace.recv(timeout=5) == "hello Grace"
        for number in range(100):
            ada.send(f"{number}")
        grace.send(b"\0\xff")
        assert [ada.recv(timeout=5) for _ in range(100)] == [f"{n}" for n in range(100)]
        assert grace.recv(timeout=5) == b"\0\xff"
    server.output.wait(lambda line: line.endswith(" has left"), start=start, count=2)


def test_message_before_the_decision_waits_for_it(server):
    with wire.Peer(server.port) as peer:
        peer.send(wire.request(Cookie="session=1815") + wire.frame(wire.TEXT, "early"))
        assert peer.read_response().status == 101
        assert peer.read_frame() == (wire.TEXT, b"hello Ada")
        assert peer.read_frame() == (wire.TEXT, b"early")
        peer.close()


@pytest.mark.parametrize("leave", [wire.Peer.reset, wire.Peer.finish_sending])
def test_client_that_goes_away_cancels_the_lookup(server, leave):
    start = len(server.output.lines)
    with wire.Peer(server.port) as peer:
        peer.send(wire.request(Cookie="session=slow"))
        server.output.wait(lambda line: line.endswith("looking up slow"), start=start)
        leave(peer)
        server.output.wait(lambda line: line.endswith("gave up on slow"), start=start)


def test_end_of_the_server_cancels_lookups():
    with apus.Server(program=apus.example("SignIn")) as server, wire.Peer(server.port) as peer:
        peer.send(wire.request(Cookie="session=slow"))
        server.output.wait(lambda line: line.endswith("looking up slow"))
        assert server.stop(seconds=5) == 0
        assert peer.read_response().status == 503
        server.output.wait(lambda line: line.endswith("gave up on slow"))
