# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""Many connections that hear what a few of them broadcast, and check every byte of it."""

import resource
import selectors
import struct
import time

import wire
from wire import BINARY, CLOSE

NUMBER = struct.Struct("!II")


def payload(sender, number, size):
    """A message that says whose it is and which."""
    return NUMBER.pack(sender, number) + bytes([number % 251]) * (size - NUMBER.size)


class Listener:
    """A connection that takes the messages of each sender once, in order, or has a fault."""

    def __init__(self, port, size):
        self.peer = wire.connect(port)
        self.local_port = self.peer.local_port
        self.socket = self.peer.socket
        self.socket.setblocking(False)
        self.size = size
        self.head = wire.header(BINARY, size, masked=False)
        self.data = self.peer.data
        self.received = {}  # by sender: how many of its messages, in order from the first
        self.end = self.fault = None
        self.outgoing = memoryview(b"")

    def expect(self, sender, first):
        """Hears a sender from this number on, since it was not there before."""
        self.received[sender] = first

    def fill(self):
        """Takes what came; False when there is nothing more for now."""
        try:
            chunk = self.socket.recv(1 << 18)
        except BlockingIOError:
            return False
        except OSError:
            chunk = b""
        if not chunk:
            self.end = self.end or 1006
            return False
        self.data += chunk
        self.check()
        return True

    def check(self):
        """Takes whole messages off the data."""
        stride = len(self.head) + self.size
        position = 0
        while self.fault is None and len(self.data) - position >= stride:
            if not self.data.startswith(self.head, position):
                break
            sender, number = NUMBER.unpack_from(self.data, position + len(self.head))
            # As many in a row as there may be are compared at once.
            count = min(64, (len(self.data) - position) // stride)
            while not self.is_next(position, sender, count):
                if count == 1:
                    wanted = self.received.get(sender, 0)
                    self.fault = f"expected {wanted} of sender {sender}, got {number}"
                    return
                count = max(1, count // 4)
            self.received[sender] = self.received.get(sender, 0) + count
            position += count * stride
        del self.data[:position]
        other = wire.parse_frame(self.data)
        if other and other[0].opcode == CLOSE:
            self.end = other[0].code
        elif other:
            self.fault = self.fault or f"unexpected {other[0]}"

    cache = {}

    def is_next(self, position, sender, count):
        first = self.received.get(sender, 0)
        key = (sender, first, count, self.size)
        wanted = self.cache.get(key)
        if wanted is None:
            wanted = b"".join(
                self.head + payload(sender, number, self.size)
                for number in range(first, first + count)
            )
            if len(wanted) < 65536:
                self.cache[key] = wanted
        return self.data.startswith(wanted, position)


class Audience:
    """The connections of one test; a context manager that closes them."""

    def __init__(self, server, count, size=8):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self.server = server
        self.size = size
        self.selector = selectors.DefaultSelector()
        self.listeners = []
        Listener.cache.clear()
        self.join(count)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.selector.close()
        for listener in self.listeners:
            listener.socket.close()

    def join(self, count):
        """Further listeners, which are returned."""
        joined = [Listener(self.server.port, self.size) for _ in range(count)]
        for listener in joined:
            self.selector.register(listener.socket, selectors.EVENT_READ, listener)
        self.listeners += joined
        return joined

    def publish(self, listener, sender, numbers):
        """Has a connection send these messages, as fast as the server takes them."""
        frames = b"".join(
            wire.frame(BINARY, payload(sender, number, self.size)) for number in numbers
        )
        listener.outgoing = memoryview(bytes(listener.outgoing) + frames)
        events = selectors.EVENT_READ | selectors.EVENT_WRITE
        self.selector.modify(listener.socket, events, listener)

    def write(self, listener):
        try:
            sent = listener.socket.send(listener.outgoing[: 1 << 20])
        except BlockingIOError:
            return
        except OSError:
            sent = len(listener.outgoing)  # that it is over is for reading to say
        listener.outgoing = listener.outgoing[sent:]
        if not listener.outgoing:
            self.selector.modify(listener.socket, selectors.EVENT_READ, listener)

    def run(self, until, seconds, what):
        """Listens until a condition holds."""
        deadline = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}; {self.summary()}"
            for key, events in self.selector.select(0.02):
                listener = key.data
                if events & selectors.EVENT_WRITE:
                    self.write(listener)
                if events & selectors.EVENT_READ:
                    listener.fill()
                    assert listener.fault is None, listener.fault
                    if listener.end:
                        self.selector.unregister(listener.socket)
                        listener.socket.close()

    def run_until_heard(self, totals, seconds, listeners=None):
        """Listens until each of the listeners has so many messages of each sender, or has ended."""
        waiting = set(self.listeners if listeners is None else listeners)

        def heard():
            for listener in list(waiting):
                if listener.end or all(
                    listener.received.get(sender, 0) >= total for sender, total in totals.items()
                ):
                    waiting.discard(listener)
            return not waiting

        self.run(heard, seconds, f"everybody has heard {totals}")

    def check_exact(self, totals, listeners=None):
        """Everybody is still there and has heard exactly so much."""
        for listener in self.listeners if listeners is None else listeners:
            assert listener.end is None, f"a connection ended with {listener.end}"
            assert listener.received == totals, f"heard {listener.received}, not {totals}"
            assert not listener.data, f"something else came: {bytes(listener.data[:40])!r}"

    def summary(self):
        counts = {}
        for listener in self.listeners:
            key = (listener.end, tuple(sorted(listener.received.items())))
            counts[key] = counts.get(key, 0) + 1
        return f"{len(counts)} states: {list(counts.items())[:6]}"
