# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""Many connections at once, each with a numbered message under way, and what became of them."""

import selectors
import struct
import time

import wire
from wire import BINARY, CLOSE

NUMBER = struct.Struct("!QQ")


class Member:
    """A connection that sends message n+1 when message n has come back."""

    def __init__(self, identity, port):
        self.identity = identity
        self.peer = wire.connect(port)
        self.local_port = self.peer.local_port
        self.peer.socket.setblocking(False)
        self.sent = self.received = 0
        self.end = None  # the close code; 1006 for an end without Close
        self.fault = None

    def send_next(self):
        self.sent += 1
        payload = NUMBER.pack(self.identity, self.sent)
        self.peer.socket.send(wire.frame(BINARY, payload))

    def receive(self, is_answering):
        """Takes what came; True when the connection is over."""
        try:
            data = self.peer.socket.recv(65536)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self.end = self.end or 1006
            return True
        self.peer.data += data
        while self.fault is None and (parsed := wire.parse_frame(self.peer.data)):
            answer, size = parsed
            del self.peer.data[:size]
            if answer.opcode == CLOSE:
                self.end = answer.code
                if is_answering:
                    self.peer.send(wire.close_frame(answer.code))
            elif answer == (BINARY, NUMBER.pack(self.identity, self.received + 1)):
                self.received += 1
                if self.end is None:
                    try:
                        self.send_next()
                    except OSError:
                        self.end = 1006
                        return True
            else:
                self.fault = f"expected message {self.received + 1} back, got {answer}"
        return self.fault is not None


class Crowd:
    """The connections of one test; a context manager that closes them."""

    def __init__(self, server, count, is_answering=True):
        self.is_answering = is_answering
        self.selector = selectors.DefaultSelector()
        self.members = []
        for identity in range(count):
            member = Member(identity, server.port)
            self.members.append(member)
            self.selector.register(member.peer.socket, selectors.EVENT_READ, member)
        for member in self.members:
            member.send_next()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.selector.close()
        for member in self.members:
            member.peer.socket.close()

    def run(self, until, seconds, what):
        """Keeps all of them echoing until a condition holds."""
        deadline = time.monotonic() + seconds
        while not until():
            if time.monotonic() > deadline:
                raise wire.Timeout(f"not within {seconds} s: {what}; {self.summary()}")
            for key, _ in self.selector.select(0.02):
                if key.data.receive(self.is_answering):
                    self.selector.unregister(key.fileobj)
                    key.fileobj.close()

    def run_messages(self, members, count, seconds=10):
        """Each of the members gets so many more answers, or fails to."""
        goals = {member: member.received + count for member in members}
        self.run(
            lambda: all(m.received >= goal or m.end or m.fault for m, goal in goals.items()),
            seconds,
            f"{count} more answers for each of {len(goals)} connections",
        )

    def check_unharmed(self, members):
        for member in members:
            assert member.fault is None, f"connection {member.identity}: {member.fault}"
            assert member.end is None, f"connection {member.identity} ended with {member.end}"

    def summary(self):
        ends = {}
        for member in self.members:
            ends[member.end] = ends.get(member.end, 0) + 1
        faults = [member.fault for member in self.members if member.fault]
        return f"ends {ends}, faults {faults[:3]}"
