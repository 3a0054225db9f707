# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""A WebSocket client over TLS whose records a test may hold in its hands, and a server for it."""

import ssl
import time

import apus
import wire


def context(authority=None, *, version=None, ciphers=None, protocols=()):
    """What a client asks for: it trusts `authority` alone, or, without one, everybody."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority:
        made.load_verify_locations(authority.file)
    else:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if version:
        made.minimum_version = made.maximum_version = version
    if ciphers:
        made.set_ciphers(ciphers)
    if protocols:
        made.set_alpn_protocols(protocols)
    return made


class Peer(wire.Peer):
    """A connection with TLS on top; what is sent is sealed, what comes is opened."""

    def __init__(
        self, port, client=None, *, name="localhost", session=None, shake=True, **options
    ):
        super().__init__(port, **options)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.end = None  # "close_notify", or "cut" for an end without it
        self.tls = (client or context()).wrap_bio(
            self.incoming, self.outgoing, server_hostname=name, session=session
        )
        if shake:
            try:
                self.shake_hands()
            except BaseException:
                self.socket.close()
                raise

    def shake_hands(self, seconds=10):
        deadline = time.monotonic() + seconds
        while not self.step():
            self.take(deadline)

    def step(self, is_sending=True):
        """A step of the handshake; true at its end. What it has to say is sent, or left."""
        try:
            self.tls.do_handshake()
            return True
        except ssl.SSLWantReadError:
            return False
        finally:
            if is_sending:
                self.flush()

    def flush(self):
        super().send(self.outgoing.read())

    def seal(self, data):
        """The records that `data` is sent in."""
        view = memoryview(data)
        while view:
            view = view[self.tls.write(view) :]
        return self.outgoing.read()

    def send(self, data):
        super().send(self.seal(data))

    def send_raw(self, data):
        super().send(data)

    def notify(self):
        """Sends close_notify; the other direction stays open."""
        try:
            self.tls.unwrap()
        except (ssl.SSLWantReadError, ssl.SSLSyscallError):
            pass
        self.flush()

    def take(self, deadline):
        """Waits for bytes and puts them where TLS finds them."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise wire.Timeout(f"nothing came in time; so far {bytes(self.data[:200])!r}")
        self.socket.settimeout(left)
        try:
            chunk = self.socket.recv(1 << 20)
        except TimeoutError:
            raise wire.Timeout(f"nothing came; so far {bytes(self.data[:200])!r}") from None
        except ConnectionResetError:
            chunk = b""
        self.incoming.write(chunk) if chunk else self.incoming.write_eof()

    def fill(self, deadline):
        size = len(self.data)
        if not self.ended:
            self.open()
        if not self.ended and len(self.data) == size:
            self.take(deadline)
            self.open()
        # The last bytes may come with the end.
        return not self.ended or len(self.data) > size

    def open(self):
        try:
            while chunk := self.tls.read(1 << 16):
                self.data += chunk
            self.end = "close_notify"
        except ssl.SSLWantReadError:
            return
        except ssl.SSLZeroReturnError:
            self.end = "close_notify"
        except ssl.SSLEOFError:
            self.end = "cut"
        self.ended = True

    def wait_alert(self, seconds=2):
        """The error that the server's alert is to the client."""
        try:
            self.wait_ended(seconds)
        except ssl.SSLError as problem:
            return problem.reason
        raise AssertionError(f"no alert but an end: {self.end}, {bytes(self.data[:80])!r}")


class Server(apus.Server):
    """`apus serve` with TLS."""

    def connect(self, data=None, client=None, **options):
        peer = Peer(self.port, client, **options)
        try:
            peer.upgrade(data)
        except BaseException:
            peer.socket.close()
            raise
        return peer

    @property
    def page(self):
        return f"https://localhost:{self.port}/"
