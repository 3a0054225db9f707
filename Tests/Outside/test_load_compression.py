# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The load generator compresses what it sends, and checks what comes compressed."""

import pytest

import apus
from load import Peer, load, run

FAULTS = ("lost", "duplicated", "reordered", "corrupted", "errors")
AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
COMPRESSED = ("--compression", "shared", "--connections", "4")


def faults(result):
    return {name: result[name] for name in FAULTS if result[name]}


@pytest.fixture(scope="module", params=["ws", "wss"])
def server(request):
    arguments = ("--compression", "shared", "--max-received-message-size", "4MiB")
    secure = ("--tls-self-signed",) if request.param == "wss" else ()
    with apus.Server(*arguments, *secure, workers=1) as server:
        yield server


@pytest.mark.parametrize(
    "arguments",
    [
        ("--size", "1KiB", "--inflight", "4"), ("--size", "64KiB", "--binary"),
        ("--size", "3MiB", "--connections", "2"), ("--size", "2000", "--mode", "churn"),
        ("--size", "1000", "--rate", "500"), ("--size", "1000", "--processes", "2"),
    ],
    ids=["small", "large", "huge", "churn", "rate", "processes"],
)
def test_what_comes_back_compressed_is_checked(server, arguments):
    before = server.counters()
    result = load(server.url, *COMPRESSED, "--insecure", *arguments)
    after = server.counters()
    assert faults(result) == {}
    assert result["messages"] > 0
    figures = result["compression"]
    assert figures["extension"] == AGREED
    assert result["plan"]["compression"] == "shared"
    # All was compressed, either way: counted apart from the load.
    count = after["messages_compressed"] - before["messages_compressed"]
    assert result["messages"] <= count == after["messages_sent"] - before["messages_sent"]
    sent = after["wire_bytes_inflated"] - before["wire_bytes_inflated"]
    assert sent == count * figures["sent_bytes_per_message"]
    wire = after["wire_bytes_compressed"] - before["wire_bytes_compressed"]
    assert 0 < figures["received_wire_bytes"] <= wire
    assert 0 < figures["received_wire_bytes"] < 0.5 * figures["received_message_bytes"]


def test_what_is_not_worth_it_comes_back_as_it_is(server):
    result = load(server.url, *COMPRESSED, "--insecure", "--size", "100")
    assert faults(result) == {}
    figures = result["compression"]
    assert figures["received_wire_bytes"] == figures["received_message_bytes"] > 0


def test_an_upload_is_inflated_by_the_server(server):
    before = server.counters()["bytes_inflated"]
    arguments = ("--mode", "upload", "--size", "1000")
    result = load(server.url, *COMPRESSED, "--insecure", *arguments)
    assert faults(result) == {}
    assert server.counters()["bytes_inflated"] - before >= 1000 * result["messages"] > 0


def test_deliveries_of_a_fan_out_are_checked():
    with apus.Server("--compression", "shared", app="broadcast", workers=2) as server:
        result = load(server.url, *COMPRESSED, "--mode", "fanout", "--size", "1000")
    assert faults(result) == {}
    figures = result["compression"]
    assert result["messages"] > 0
    assert 0 < figures["received_wire_bytes"] < 0.5 * figures["received_message_bytes"]


async def echo_in_fragments(peer, connection):
    async for message in connection:
        peer.received += 1
        await connection.send([message[:1], message[1:17], message[17:]])


@pytest.mark.parametrize("handler", [None, echo_in_fragments])
def test_a_server_of_another_maker_is_understood(handler):
    with Peer(handler, compression="deflate") as peer:
        result = load(peer.url, *COMPRESSED, "--size", "1000", "--inflight", "3")
    assert faults(result) == {}
    assert 0 < result["messages"] <= peer.received
    figures = result["compression"]
    assert figures["extension"].startswith(AGREED)
    assert 0 < figures["received_wire_bytes"] < 0.6 * figures["received_message_bytes"]


@pytest.mark.parametrize(
    "answer",
    [lambda text: text[:500] + "x" + text[501:], lambda text: text + "x", lambda text: text[:-1]],
    ids=["changed", "longer", "shorter"],
)
def test_what_is_not_what_was_sent_is_corrupted(answer):
    async def change(peer, connection):
        async for message in connection:
            peer.received += 1
            await connection.send(answer(message) if peer.received == 3 else message)

    with Peer(change, compression="deflate") as peer:
        result = load(peer.url, *COMPRESSED, "--size", "1000", code=(1,))
    assert faults(result) == {"corrupted": 1}


def test_a_server_that_does_not_compress_is_no_result():
    with Peer() as peer:
        result = load(peer.url, *COMPRESSED, "--size", "1000", code=(1,))
    assert result["connections"] == {"asked": 4, "opened": 0, "failed": 4}
    assert result["errors"] == {"no compression": 4}


def test_without_the_flag_nothing_is_offered():
    offers = []

    async def note(peer, connection):
        offers.append(connection.request.headers.get("Sec-WebSocket-Extensions"))
        await peer.echo(connection)

    with Peer(note, compression="deflate") as peer:
        result = load(peer.url, "--connections", "1")
    assert offers == [None]
    assert "compression" not in result
    assert result["plan"]["compression"] == "off"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--compression", "dedicated"), ("--compression", "shared", "--size", "20-1000"),
        ("--compression", "shared", "--size", "19"),
        ("--compression", "shared", "--mode", "pingpong"),
        ("--compression", "shared", "--mode", "idle"),
    ],
)
def test_flags_that_make_no_sense_are_refused(arguments):
    result = run("ws://127.0.0.1:1/", *arguments)
    assert result.returncode == 64
    assert "--compression" in result.stderr
