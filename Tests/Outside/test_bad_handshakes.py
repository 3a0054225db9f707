# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""Opening handshakes that are wrong, or odd but right. H.. names the fault in the table."""

import base64
import random
import select
import time

import pytest

import wire
from wire import KEY, TEXT, frame, request

SERVER = ("--handshake-timeout", "500ms")
BAD = {400}


def key(size):
    return base64.b64encode(bytes(range(size))).decode()


def raw(*lines, end="\r\n"):
    return end.join([*lines, "", ""]).encode("latin-1")


def get(*lines):
    return raw("GET / HTTP/1.1", *lines)


UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    f"Sec-WebSocket-Key: {KEY}",
    "Sec-WebSocket-Version: 13",
)
GOOD = ("Host: 127.0.0.1", *UPGRADE)


def many(count, name="X-{}"):
    return [name.format(number) + ": a" for number in range(count)]


# What is sent, and the statuses that are right; None is a connection that ends without one.
WRONG = {
    "H01 POST": (request(method="POST"), {405}),
    "H01 HEAD": (request(method="HEAD"), {405}),
    "H01 OPTIONS": (request(method="OPTIONS"), {405}),
    "H01 CONNECT": (request("127.0.0.1:80", method="CONNECT"), {400, 405}),
    "H01 lower-case method": (request(method="get"), {400, 405, 501}),
    "H01 HTTP/1.0": (request(version="HTTP/1.0"), {400, 505}),
    "H01 HTTP/2.0": (request(version="HTTP/2.0"), {400, 505}),
    "H01 HTTP/0.9": (b"GET /\r\n\r\n", {400, 505}),
    "H01 HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 405, 505}),
    "H03 no Upgrade": (request(without=["Upgrade"]), {400, 404, 426}),
    "H03 Upgrade h2c": (request(Upgrade="h2c"), {400, 426}),
    "H03 Upgrade empty": (request(Upgrade=""), {400, 426}),
    "H03 Upgrade websockets": (request(Upgrade="websockets"), {400, 426}),
    "H04 no Connection": (request(without=["Connection"]), {400, 426}),
    "H04 Connection keep-alive": (request(Connection="keep-alive"), {400, 426}),
    "H04 Connection close": (request(Connection="close, Upgrade"), BAD | {101}),
    "H05 version 12": (request(Sec_WebSocket_Version="12"), {426}),
    "H05 version 8": (request(Sec_WebSocket_Version="8"), {426}),
    "H05 version 013": (request(Sec_WebSocket_Version="013"), {400, 426}),
    "H05 version 13, 8": (request(Sec_WebSocket_Version="13, 8"), {400, 426}),
    "H05 version 2^64+13": (request(Sec_WebSocket_Version="18446744073709551629"), {400, 426}),
    "H05 version absent": (request(without=["Sec-WebSocket-Version"]), {400, 426}),
    "H05 version twice": (request(Sec_WebSocket_Version=["13", "13"]), BAD),
    "H05 version 12 then frames": (
        request(Sec_WebSocket_Version="12") + frame(TEXT, "ignored") * 10,
        {426},
    ),
    "H06 key absent": (request(without=["Sec-WebSocket-Key"]), BAD),
    "H06 key empty": (request(Sec_WebSocket_Key=""), BAD),
    "H06 key of 15 bytes": (request(Sec_WebSocket_Key=key(15)), BAD),
    "H06 key of 17 bytes": (request(Sec_WebSocket_Key=key(17)), BAD),
    "H06 key no base64": (request(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25j*Q=="), BAD),
    "H06 key not canonical": (request(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZR=="), BAD),
    "H06 key with spaces": (request(Sec_WebSocket_Key="dGhlIHNhbXBs ZSBub25jZQ="), BAD),
    "H06 key twice": (request(Sec_WebSocket_Key=[KEY, KEY]), BAD),
    "H07 no Host": (request(without=["Host"]), BAD),
    "H07 empty Host": (request(Host=""), BAD),
    "H07 two Hosts": (request(Host=["127.0.0.1", "127.0.0.1"]), BAD),
    "H07 Host with NUL": (request(Host="a\0b"), BAD),
    "H07 Host with space": (request(Host="a b"), BAD),
    "H07 Host with comma": (request(Host="a,b"), BAD),
    "H07 Host with userinfo": (request(Host="user@a"), BAD),
    "H08 line over the limit": (request(X="a" * 8190), {431}),
    "H08 head over the limit": (get(*GOOD, *["X: " + "a" * 6000] * 3), {431}),
    "H08 head over the limit in many lines": (get(*GOOD, *many(90, "X-{}" + "y" * 200)), {431}),
    "H08 target over the limit": (request("/" + "a" * 8200), {414}),
    "H08 endless head": (get(*GOOD, "X: a")[:-2] + b"X: a\r\n" * 20000, {431}),
    "H08 endless line": (b"GET / HTTP/1.1\r\nX: " + b"a" * 200000, {431}),
    "H08 endless target": (b"GET /" + b"a" * 200000, {414, 431}),
    "H09 101 fields": (get(*GOOD, *many(96)), {431}),
    "H09 1000 fields of one name": (get(*GOOD, *["X: a"] * 1000), {431}),
    "H09 empty name": (get(*GOOD, ": a"), BAD),
    "H09 space before colon": (get(*GOOD, "X : a"), BAD),
    "H09 no colon": (get(*GOOD, "X"), BAD),
    "H09 folded line": (get(*GOOD, "X: a", " b"), BAD),
    "H09 folded first line": (get(" X: a", *GOOD), BAD),
    "H09 bare CR": (get(*GOOD, "X: a\rb"), BAD),
    "H09 bare LF": (raw("GET / HTTP/1.1", *GOOD, end="\n"), BAD),
    "H09 bare LF once": (get(*GOOD, "X: a\nY: b"), BAD),
    "H09 NUL in a value": (get(*GOOD, "X: a\0b"), BAD),
    "H09 control in a value": (get(*GOOD, "X: a\x01b"), BAD),
    "H09 no token as name": (get(*GOOD, "X(: a"), BAD),
    "H09 8-bit name": (get(*GOOD, "X\xff: a"), BAD),
    "H10 Upgrade behind the limit": (get("Host: a", *many(200, "X: {}"), *UPGRADE), {431}),
    "H11 Content-Length and body": (request(Content_Length="5") + b"hello", BAD),
    "H11 Content-Length twice, equal": (request(Content_Length=["5", "5"]) + b"hello", BAD),
    "H11 Content-Length twice": (request(Content_Length=["5", "6"]) + b"hello", BAD),
    "H11 Content-Length +5": (request(Content_Length="+5") + b"hello", BAD),
    "H11 Content-Length 2^64": (request(Content_Length="18446744073709551616"), BAD),
    "H11 Content-Length 0": (request(Content_Length="0"), BAD),
    "H11 body that looks like frames": (
        request(Content_Length="9") + frame(TEXT, "abc") * 3,
        BAD,
    ),
    "H11 chunked": (request(Transfer_Encoding="chunked") + b"0\r\n\r\n", BAD),
    "H11 chunked and length": (
        request(Transfer_Encoding="chunked", Content_Length="5") + b"0\r\n\r\n",
        BAD,
    ),
    "H11 misspelt chunked": (request(Transfer_Encoding="\tchunked\t") + b"0\r\n\r\n", BAD),
    "H18 SSH banner": (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", {400, None}),
    "H18 PROXY line": (b"PROXY TCP4 203.0.113.9 127.0.0.1 1 2\r\n" + request(), {400, None}),
    "H18 PROXY block": (
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([203, 0, 113, 9] * 3) + request(),
        {400, None},
    ),
    "H18 random": (random.Random(18).randbytes(65536), {400, 414, 431, None}),
    "H18 zeros": (bytes(65536), {400, 414, 431, None}),
    "H18 UTF-16": ("GET / HTTP/1.1\r\n\r\n".encode("utf-16-le"), {400, None}),
    "H18 only line ends": (b"\r\n" * 1000, {400, None}),
    "H19 empty target": (request(""), BAD),
    "H19 target with fragment": (request("/a#b"), BAD),
    "H19 asterisk": (request("*"), BAD),
    "H19 target with space": (request("/a b"), BAD),
    "H19 target with ESC": (request("/\x1b[31m"), BAD),
    "H19 target with NUL": (request("/\0"), BAD),
    "H19 target with 8 bits": (request("/\xff"), BAD | {101}),
    "H20 empty token": (request(Sec_WebSocket_Protocol="a,,b"), BAD | {101}),
    "H20 token twice": (request(Sec_WebSocket_Protocol="a, a"), BAD | {101}),
    "H20 no token": (request(Sec_WebSocket_Protocol='"a,b"'), BAD | {101}),
    "H20 separator": (request(Sec_WebSocket_Protocol="a/b"), BAD),
    "H20 control": (request(Sec_WebSocket_Protocol="a\x07"), BAD),
}

# Odd, but to be accepted.
RIGHT = {
    "H03 Upgrade list": request(Upgrade="h2c, websocket"),
    "H03 Upgrade case": request(Upgrade="WebSocket"),
    "H04 Connection list": request(Connection="keep-alive, Upgrade"),
    "H04 Connection case": request(Connection="uPGRADE"),
    "H04 second Connection line": request(Connection=["keep-alive", "upgrade"]),
    "H07 Host with port": request(Host="example.test:3001"),
    "H07 Host IPv6": request(Host="[::1]:3001"),
    "H08 line just below the limit": request(X="a" * 8180),
    "H08 head just below the limit": request(X=["a" * 8000] * 2),
    "H08 target just below the limit": request("/" + "a" * 8000),
    "H09 100 fields": get(*GOOD, *many(95)),
    "H09 names in any case": request().lower().replace(b"get / http", b"GET / HTTP").replace(
        KEY.lower().encode(), KEY.encode()
    ),
    "H09 blanks around a value": get(*GOOD, "X: \t a \t "),
    "H09 no blank before a value": request().replace(b": ", b":"),
    "H19 escapes": request("/%00/%2e%2e//x"),
    "H19 absolute form": request("http://127.0.0.1/x"),
    "H19 query": request("/?a=b&c=%0d%0aX:%20y"),
    "H20 100 protocols": request(Sec_WebSocket_Protocol=", ".join(f"p{n}" for n in range(100))),
    "H20 protocols in two lines": request(Sec_WebSocket_Protocol=["p0", "p1"]),
    "H21 compression": request(Sec_WebSocket_Extensions="permessage-deflate"),
    "H21 unknown": request(Sec_WebSocket_Extensions="__proto__; constructor=1"),
    "H22 null origin": request(Origin="null"),
    "H23 cookies of others": request(Cookie="bad=%E0%A4%A; a=1,b=2; =; ;x; \xff=\xff"),
}

# To be declined or refused, but not agreed to.
EXTENSIONS = {
    "unterminated quote": 'permessage-deflate; client_max_window_bits="15',
    "10 KiB of semicolons": ";" * 10240,
    "1000 parameters": "permessage-deflate" + "; a" * 1000,
    "50 offers": ", ".join(["permessage-deflate; server_max_window_bits=99"] * 50),
    "empty": "",
    "commas": ",,,,",
}


def refuse(peer, statuses):
    """Reads the answer and checks that the connection ends soon after."""
    response = peer.read_response()
    status = response and response.status
    assert status in statuses, f"expected {statuses}, got {response}"
    if status == 101:
        return None
    peer.wait_ended(1)
    return response


@pytest.mark.parametrize("name", WRONG)
def test_server_refuses(server, neighbour, name):
    data, statuses = WRONG[name]
    with wire.Peer(server.port) as peer:
        peer.send(data)
        response = refuse(peer, statuses)
    if response is None:
        return
    if response.status == 405:
        assert "GET" in response.headers["allow"], response
    if response.status == 426 and "H05" in name:
        assert response.headers["sec-websocket-version"] == "13", response
    assert "\x1b" not in server.errors.text


def test_client_of_tls_gets_an_alert(server, neighbour):
    """H18: it shows handshake_failure better than a response that it cannot read."""
    with wire.Peer(server.port) as peer:
        peer.send(bytes.fromhex("16030100c8010000c40303") + bytes(range(189)))
        data = b""
        while chunk := peer.socket.recv(4096):
            data += chunk
    assert data == bytes.fromhex("15030100020228")


@pytest.mark.parametrize("name", RIGHT)
def test_server_accepts(server, neighbour, name):
    with server.connect(RIGHT[name]) as peer:
        peer.echo()


def test_first_of_100_protocols_is_chosen(server):
    with wire.Peer(server.port) as peer:
        response = peer.upgrade(RIGHT["H20 100 protocols"])
        assert response.headers["sec-websocket-protocol"] == "p0"


@pytest.mark.parametrize("name", EXTENSIONS)
def test_server_agrees_to_no_extension(server, neighbour, name):
    with wire.Peer(server.port) as peer:
        peer.send(request(Sec_WebSocket_Extensions=EXTENSIONS[name]))
        response = peer.read_response()
        assert response.status in (101, 400, 431), response
        assert "sec-websocket-extensions" not in response.headers


def test_protocol_of_4_kib_is_chosen_or_refused(server, neighbour):
    with wire.Peer(server.port) as peer:
        peer.send(request(Sec_WebSocket_Protocol="p" * 4096))
        response = peer.read_response()
        assert response.status in (101, 400), response
        if response.status == 101:
            assert response.headers["sec-websocket-protocol"] == "p" * 4096


def test_frames_in_the_segment_of_the_request_are_answered(server, neighbour):
    """H12"""
    with wire.Peer(server.port) as peer:
        peer.upgrade(request() + frame(TEXT, "one") + frame(TEXT, "two") + frame(TEXT, "3")[:5])
        assert peer.read_frame() == (TEXT, b"one")
        assert peer.read_frame() == (TEXT, b"two")
        peer.send(frame(TEXT, "3")[5:])
        assert peer.read_frame() == (TEXT, b"3")


def test_request_may_come_in_any_two_pieces(server):
    data = request(Sec_WebSocket_Protocol="a")
    for split in range(1, len(data)):
        with wire.Peer(server.port) as peer:
            peer.send_apart(data[:split], data[split:])
            assert peer.read_response().status == 101, f"split at {split}"


def test_request_may_come_byte_by_byte(server):
    with wire.Peer(server.port) as peer:
        data = request()
        peer.send_apart(*(data[n : n + 1] for n in range(len(data))))
        assert peer.read_response().status == 101
        peer.echo()


@pytest.mark.parametrize(
    "sent",
    [b"", b"G", request()[:60], request()[:-1]],
    ids=["nothing", "a byte", "some lines", "all but the last byte"],
)
def test_unfinished_request_is_answered_408_at_the_deadline(server, neighbour, sent):
    """H15"""
    with wire.Peer(server.port) as peer:
        start = time.monotonic()
        peer.send(sent)
        refuse(peer, {408} if sent else {408, None})
        assert 0.4 < time.monotonic() - start < 1.5


def test_trickling_does_not_move_the_deadline(server, neighbour):
    """H15"""
    with wire.Peer(server.port) as peer:
        start = time.monotonic()
        for byte in request(X="a" * 1000):
            if select.select([peer.socket], [], [], 0.05)[0]:
                break
            peer.send(bytes([byte]))
        refuse(peer, {408})
        assert 0.4 < time.monotonic() - start < 1.5


def test_crowd_of_unfinished_requests_is_cleared(server, neighbour):
    """H15"""
    peers = [wire.Peer(server.port) for _ in range(300)]
    for number, peer in enumerate(peers):
        peer.send(request()[: number % len(request())])
    for peer in peers:
        with peer:
            peer.wait_ended(3)


def test_half_close_after_the_request_ends_the_connection(server, neighbour):
    """H24"""
    with wire.Peer(server.port) as peer:
        peer.send(request())
        peer.finish_sending()
        response = peer.read_response()
        assert response is None or response.status in (101, 400), response
        peer.wait_ended(1)


def test_half_close_inside_the_request_ends_the_connection(server, neighbour):
    """H24"""
    with wire.Peer(server.port) as peer:
        peer.send(request()[:-2])
        peer.finish_sending()
        response = peer.read_response()
        assert response is None or response.status == 400, response
        peer.wait_ended(1)


def test_reset_between_request_and_answer_harms_nobody(server, neighbour):
    """WebSocket-Node's crash, number 1 of our list of its defects."""
    errors = server.counters()["handler_errors"]
    for number in range(300):
        peer = wire.Peer(server.port)
        # With a frame that is answered, into the void, in every second case.
        peer.send(request() + frame(TEXT, b"lost") * (number % 2))
        peer.reset()
    server.wait_idle(connections=1)
    assert server.counters()["handler_errors"] == errors


def test_refusals_leave_nothing_behind(server):
    server.wait_idle()
