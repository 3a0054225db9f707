# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""A WebSocket client that sends exactly the bytes it is told to, right or wrong."""

import base64
import hashlib
import select
import socket
import struct
import time

import kernel

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\x37\xfa\x21\x3d"


class Timeout(AssertionError):
    """Something expected did not come in time."""


def wait_until(condition, seconds, what, every=0.005):
    """Asks until `condition()` is true, for what the kernel shows and no descriptor announces."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Timeout(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(every)


def request(path="/", *, method="GET", version="HTTP/1.1", without=(), **changes):
    """The bytes of an opening handshake; `changes` replace or add header lines by name.

    An underscore in a name stands for a hyphen; a list gives a header several lines.
    """
    headers = {
        "Host": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
    }
    for name in without:
        del headers[name]
    for name, value in changes.items():
        headers[name.replace("_", "-")] = value
    lines = [f"{method} {path} {version}"]
    for name, values in headers.items():
        for value in values if isinstance(values, list) else [values]:
            lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def mask(payload, key=MASK):
    if not payload:
        return b""
    pattern = key * (len(payload) // 4 + 1)
    size = len(payload)
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(pattern[:size], "big")
    return mixed.to_bytes(size, "big")


def header(opcode, size, *, fin=True, rsv=0, masked=True, width=None, key=MASK):
    """A frame header; `width` (7, 16 or 64) forces an encoding of the length."""
    first = (0x80 if fin else 0) | rsv | opcode
    flag = 0x80 if masked else 0
    if width is None:
        width = 7 if size < 126 else 16 if size < 65536 else 64
    if width == 7:
        head = struct.pack("!BB", first, flag | size)
    elif width == 16:
        head = struct.pack("!BBH", first, flag | 126, size)
    else:
        head = struct.pack("!BBQ", first, flag | 127, size)
    return head + (key if masked else b"")


def frame(opcode, payload=b"", **options):
    if isinstance(payload, str):
        payload = payload.encode()
    key = options.get("key", MASK)
    body = mask(payload, key) if options.get("masked", True) else payload
    return header(opcode, len(payload), **options) + body


def close_frame(code=None, reason=b"", **options):
    payload = b"" if code is None else struct.pack("!H", code) + reason
    return frame(CLOSE, payload, **options)


class Response:
    def __init__(self, head):
        status_line, *lines = head.decode("latin-1").split("\r\n")
        self.line = status_line
        self.status = int(status_line.split(" ")[1])
        self.headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            self.headers.setdefault(name.strip().lower(), value.strip())

    def __repr__(self):
        return f"{self.line!r} {self.headers}"


class Frame:
    def __init__(self, first, payload):
        self.fin, self.rsv, self.opcode = bool(first & 0x80), first & 0x70, first & 0x0F
        self.payload = payload

    @property
    def code(self):
        """The close code; 1005 where there is none, as RFC 6455 §7.1.5 has it."""
        return struct.unpack("!H", self.payload[:2])[0] if self.payload else 1005

    def __eq__(self, other):
        return (self.opcode, self.payload) == other

    def __repr__(self):
        shown = self.payload[:40]
        return f"<frame opcode {self.opcode}, {len(self.payload)} bytes {shown!r}>"


def parse_frame(data):
    """The first frame of what a server sent and its size on the wire, or None if incomplete."""
    if len(data) < 2:
        return None
    first, second = data[0], data[1]
    assert not second & 0x80, "the server sent a masked frame"
    size, offset = second & 0x7F, 2
    if size == 126:
        if len(data) < 4:
            return None
        (size,), offset = struct.unpack_from("!H", data, 2), 4
    elif size == 127:
        if len(data) < 10:
            return None
        (size,), offset = struct.unpack_from("!Q", data, 2), 10
    if len(data) < offset + size:
        return None
    return Frame(first, bytes(data[offset : offset + size])), offset + size


class Peer:
    """One TCP connection and what came over it. Every wait has a deadline."""

    def __init__(self, port, *, receive_buffer=None, host="127.0.0.1"):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(10)
        self.socket.connect((host, port))
        self.local_port = self.socket.getsockname()[1]
        self.server_port = port
        self.data = bytearray()
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """Sends, and takes it as an answer when the server has already hung up."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def send_apart(self, *pieces):
        """Sends each piece only when the server has taken the one before out of its socket."""
        for piece in pieces:
            self.socket.sendall(piece)
            wait_until(self.is_taken, 2, "the server did not read what was sent", every=0.0002)

    def is_taken(self):
        """Whether no byte that was sent still waits in the server's socket."""
        entry = kernel.connection(self.server_port, self.local_port)
        return entry is None or entry.unread == 0

    def finish_sending(self):
        """Sends FIN; the other direction stays open."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def reset(self):
        """Closes with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def fill(self, deadline):
        """Waits for more bytes; False when the connection has ended."""
        if self.ended:
            return False
        left = deadline - time.monotonic()
        # Not select: it knows no descriptor beyond 1023.
        ready = select.poll()
        ready.register(self.socket, select.POLLIN)
        if left <= 0 or not ready.poll(left * 1000):
            raise Timeout(f"nothing came in time; so far {bytes(self.data[:200])!r}")
        try:
            chunk = self.socket.recv(1 << 20)
        except ConnectionResetError:
            chunk = b""
        self.ended = not chunk
        self.data += chunk
        return not self.ended

    def read_response(self, seconds=2):
        """The head of an HTTP response, or None if the connection ended without one."""
        deadline = time.monotonic() + seconds
        while (end := self.data.find(b"\r\n\r\n")) < 0:
            if not self.fill(deadline):
                assert not self.data, f"the response is incomplete: {bytes(self.data)!r}"
                return None
        response = Response(bytes(self.data[:end]))
        del self.data[: end + 4]
        return response

    def read_body(self, size, seconds=2):
        deadline = time.monotonic() + seconds
        while len(self.data) < size:
            assert self.fill(deadline), f"the body ended after {len(self.data)} of {size} bytes"
        body = bytes(self.data[:size])
        del self.data[:size]
        return body

    def read_frame(self, seconds=2):
        """The next frame, or None if the connection ended between frames."""
        deadline = time.monotonic() + seconds
        while (parsed := parse_frame(self.data)) is None:
            if not self.fill(deadline):
                assert not self.data, f"the frame is incomplete: {bytes(self.data[:40])!r}"
                return None
        result, size = parsed
        assert result.rsv == 0, f"{result} has reserved bits"
        del self.data[:size]
        return result

    def read_close(self, seconds=2):
        """The Close frame, the next frame that comes, and then the end of the connection."""
        result = self.read_frame(seconds)
        assert result is not None, "the connection ended without a Close frame"
        assert result.opcode == CLOSE, f"expected a Close frame, not {result}"
        return result

    def wait_ended(self, seconds=1):
        """Reads on until the server ends the connection; what came is left in `data`."""
        deadline = time.monotonic() + seconds
        while self.fill(deadline):
            pass

    def wait_closed(self, seconds=1):
        """The server ends the connection and sends nothing more before."""
        self.wait_ended(seconds)
        assert not self.data, f"unexpected bytes before the end: {bytes(self.data[:80])!r}"

    def upgrade(self, data=None, seconds=5):
        """Does the opening handshake and checks the answer."""
        self.send(data or request())
        response = self.read_response(seconds)
        assert response is not None, "the connection ended instead of an answer"
        assert response.status == 101, f"{response}"
        assert response.headers["sec-websocket-accept"] == accept_key(KEY)
        return response

    def echo(self, payload=b"are you well?", opcode=BINARY, seconds=5):
        self.send(frame(opcode, payload))
        answer = self.read_frame(seconds)
        assert answer == (opcode, payload), f"sent {payload[:40]!r}, got {answer}"

    def close(self, code=1000, seconds=2):
        """The whole closing handshake, started here."""
        self.send(close_frame(code))
        assert self.read_close(seconds).code == code
        self.wait_closed()
        self.socket.close()


def connect(port, data=None, **options):
    """A peer after its opening handshake."""
    peer = Peer(port, **options)
    try:
        peer.upgrade(data)
    except BaseException:
        peer.socket.close()
        raise
    return peer


def accept_key(key):
    digest = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    return base64.b64encode(digest).decode()
