# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""Clients that do TLS wrongly, slowly or only in part; beside each, one that must not notice."""

import os
import ssl
import time

import pytest

import secure
import wire
from certificates import Authority
from wire import BINARY, frame, wait_until

TLS1_2, TLS1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = [TLS1_2, TLS1_3]
RECORD_MAX = 1 << 14


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates")).issue("localhost")


@pytest.fixture(scope="module")
def shared_server(pair):
    with secure.Server(*pair.flags) as server:
        yield server


@pytest.fixture(params=VERSIONS, ids=["1.2", "1.3"])
def client(request):
    return secure.context(version=request.param)


# The handshake


def first_flight(server, client):
    """A connection and the ClientHello that it has not sent."""
    peer = secure.Peer(server.port, client, shake=False)
    assert not peer.step(is_sending=False)
    return peer, peer.outgoing.read()


def second_flight(server, client):
    """A connection and what it has not sent of its handshake, after the server's answer."""
    peer, hello = first_flight(server, client)
    peer.send_raw(hello)
    deadline = time.monotonic() + 5
    while not peer.outgoing.pending:
        peer.take(deadline)
        peer.step(is_sending=False)
    return peer, peer.outgoing.read()


@pytest.mark.seconds(180)
@pytest.mark.parametrize("flight", [first_flight, second_flight])
def test_handshake_that_is_cut_at_any_byte_ends_at_once(server, neighbour, client, flight, note):
    peer, data = flight(server, client)
    peer.socket.close()
    for size in range(len(data)):
        peer, data = flight(server, client)
        with peer:
            peer.send_raw(data[:size])
            peer.finish_sending()
            while chunk := peer.socket.recv(1 << 16):
                assert b"HTTP" not in chunk
        if size % 50 == 0:
            neighbour.echo()
    note(f"{len(data)} bytes")
    server.wait_idle(connections=1)


@pytest.mark.seconds(120)
def test_handshake_goes_on_after_a_pause_at_any_byte(server, neighbour, client):
    _, hello = first_flight(server, client)
    for size in range(1, len(hello), 7):
        peer, hello = first_flight(server, client)
        with peer:
            peer.send_apart(hello[:size], hello[size:])
            peer.shake_hands()
            peer.upgrade()
            peer.echo()


def test_half_open_handshakes_end_at_their_deadline(pair, client, note):
    count = 1000
    with secure.Server(*pair.flags, "--handshake-timeout", "6s") as server:
        with server.connect() as neighbour:
            neighbour.echo()
            before = server.resident_bytes()
            first, hello = first_flight(server, client)
            first.socket.close()
            peers = []
            start = time.monotonic()
            for index in range(count):
                peer = wire.Peer(server.port)
                # A part of the hello, or all of it: then the server has answered and waits.
                peer.send(hello[: len(hello) if index % 2 else 1 + index % len(hello)])
                peers.append(peer)
            wait_until(
                lambda: server.counters()["connections_open"] == count + 1, 10, "not accepted"
            )
            each = (server.resident_bytes() - before) / count
            note(f"{each / 1024:.1f} KiB each")
            assert each < 96 * 1024
            neighbour.echo()
            for peer in peers:
                with peer:
                    peer.socket.settimeout(15)
                    while True:
                        try:
                            if not peer.socket.recv(1 << 16):
                                break
                        except ConnectionResetError:
                            break
            seconds = time.monotonic() - start
            note(f"all over {seconds:.1f} s after the first began")
            assert seconds >= 5.9
            neighbour.echo()
            assert server.counters()["handshakes_timed_out"] == count
            server.wait_idle(connections=1)
            # What they took serves those who come next.
            after = server.resident_bytes()
            neighbour.close()
        assert after - before < count * 96 * 1024


@pytest.mark.parametrize(
    "garbage",
    [
        os.urandom(4096),
        bytes(4096),
        b"\x16\x03\x01\xff\xff" + bytes(100),
        b"\x16\x03\x01\x40\x01" + bytes(100),
        b"\x17\x03\x03\x00\x20" + bytes(32),
        b"\x14\x03\x03\x00\x01\x01" * 200,
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff" + bytes(100),
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
    ids=[
        "random", "zeros", "length", "long record", "data", "cipher changes", "alert",
        "long hello", "ssh",
    ],
)  # fmt: skip
def test_garbage_in_place_of_a_hello_ends_before_the_deadline(server, neighbour, garbage):
    with wire.Peer(server.port) as raw:
        raw.send(garbage)
        raw.finish_sending()
        raw.wait_ended(3)
        assert len(raw.data) < 1024
    server.wait_idle(connections=1)


def test_endless_hello_is_cut(server, neighbour):
    """A handshake message of 16 MiB in whole records: it is not waited for, let alone kept."""
    before = server.resident_bytes()
    with wire.Peer(server.port) as raw:
        part = b"\x16\x03\x01\x40\x00" + b"\x01\xff\xff\xfb" + bytes(RECORD_MAX - 4)
        rest = b"\x16\x03\x01\x40\x00" + bytes(RECORD_MAX)
        raw.send(part + rest * 63)
        raw.wait_ended(3)
    assert server.resident_bytes() - before < 4 << 20


# Records


def test_records_of_any_size_are_taken(server, neighbour, client):
    with server.connect(client=client) as peer:
        payload = os.urandom(300_000)
        # As large as may be, and each a read of its own.
        peer.echo(payload)
        # As small as may be.
        data = frame(BINARY, payload[:400])
        peer.send_raw(b"".join(peer.seal(bytes([byte])) for byte in data))
        assert peer.read_frame() == (BINARY, payload[:400])
        # And in segments of one byte each.
        records = peer.seal(frame(BINARY, b"slowly"))
        peer.send_apart(*(bytes([byte]) for byte in records))
        assert peer.read_frame() == (BINARY, b"slowly")
        peer.close()


def test_record_that_was_tampered_with_is_refused_by_alert(server, neighbour, client):
    for place in (5, 12, -1):
        with server.connect(client=client) as peer:
            records = bytearray(peer.seal(frame(BINARY, b"x" * 100)))
            records[place] ^= 1
            peer.send_raw(records)
            assert peer.wait_alert() == "SSLV3_ALERT_BAD_RECORD_MAC"
    server.wait_idle(connections=1)


def test_record_that_is_repeated_is_refused_by_alert(server, neighbour, client):
    with server.connect(client=client) as peer:
        records = peer.seal(frame(BINARY, b"once"))
        peer.send_raw(records)
        assert peer.read_frame() == (BINARY, b"once")
        peer.send_raw(records)
        assert peer.wait_alert() == "SSLV3_ALERT_BAD_RECORD_MAC"


def test_record_that_is_too_long_is_refused_by_alert(server, neighbour, client):
    with server.connect(client=client) as peer:
        peer.send_raw(b"\x17\x03\x03\x48\x01" + bytes(0x4801))
        assert peer.wait_alert() in ("TLSV1_ALERT_RECORD_OVERFLOW", "SSLV3_ALERT_BAD_RECORD_MAC")


def test_flood_of_empty_records_does_not_go_on(server, neighbour, client):
    with server.connect(client=client) as peer:
        version = b"\x03\x03"
        # Plain ones, where only sealed ones may be.
        peer.send_raw((b"\x17" + version + b"\x00\x00") * 5000)
        peer.wait_alert()


# Ends


def test_end_of_a_connection_is_announced(server, neighbour, client):
    with server.connect(client=client) as peer:
        peer.echo()
        peer.close()
        assert peer.end == "close_notify"


def test_close_notify_of_the_client_is_an_end(server, neighbour, client):
    with server.connect(client=client) as peer:
        peer.echo()
        peer.notify()
        peer.wait_ended(2)
        assert peer.end == "close_notify"
    server.wait_idle(connections=1)


def test_what_was_sent_before_close_notify_is_answered_or_not_but_ends(server, client):
    with server.connect(client=client) as peer:
        records = peer.seal(frame(BINARY, b"last words"))
        peer.tls.write(b"")
        try:
            peer.tls.unwrap()
        except (ssl.SSLWantReadError, ssl.SSLSyscallError):
            pass
        peer.send_raw(records + peer.outgoing.read())
        peer.wait_ended(2)
    server.wait_idle()


@pytest.mark.parametrize("is_reset", [False, True])
def test_end_without_close_notify_is_an_end(server, neighbour, client, is_reset):
    with server.connect(client=client) as peer:
        peer.echo()
        if is_reset:
            peer.reset()
        else:
            peer.finish_sending()
            peer.wait_ended(2)
    server.wait_idle(connections=1)


def test_end_without_close_notify_is_told_as_1006(pair):
    with secure.Server(*pair.flags, app="example") as server:
        with server.connect(
            wire.request(Sec_WebSocket_Protocol="example", Origin="https://127.0.0.1")
        ) as peer:
            peer.read_frame()
            peer.finish_sending()
            peer.wait_ended(2)
        server.output.wait(lambda line: line == "127.0.0.1 disconnected.")


def test_stop_of_the_server_closes_in_order(pair, client):
    with secure.Server(*pair.flags) as server, server.connect(client=client) as peer:
        peer.echo()
        server.send_signal(15)
        assert peer.read_close().code == 1001
        peer.send(wire.close_frame(1001))
        peer.wait_closed(2)
        assert peer.end == "close_notify"
        assert server.wait(5) == 0


def test_client_that_does_not_read_is_closed_and_others_served(pair, client):
    """A queue of plaintext and ciphertext together keeps to the limit."""
    with secure.Server(*pair.flags, "--max-send-queue", "1MiB", workers=1) as server:
        with server.connect(client=client) as neighbour:
            before = server.resident_bytes()
            with server.connect(client=client, receive_buffer=65536) as peer:
                message = peer.seal(frame(BINARY, bytes(60_000)))
                peer.socket.settimeout(1)
                try:
                    for _ in range(400):
                        peer.socket.sendall(message)
                        message = peer.seal(frame(BINARY, bytes(60_000)))
                except (TimeoutError, OSError):
                    pass
                neighbour.echo()
                assert server.resident_bytes() - before < 8 << 20
        server.wait_idle()
