# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""A million messages through `for try await`: all come back in order, and memory stays flat."""

import contextlib
import struct
import time

import pytest

import apus
import wire

CONNECTIONS = 4
BATCH = 10_000
ROUNDS = 25
NUMBER = struct.Struct("!II")
# Masked with zeros, so that the test does not spend its time on masks.
SENT = wire.header(wire.BINARY, NUMBER.size, key=bytes(4))
BACK = wire.header(wire.BINARY, NUMBER.size, masked=False)


def frames(head, connection, start):
    pack = NUMBER.pack
    return b"".join(head + pack(connection, number) for number in range(start, start + BATCH))


@pytest.mark.seconds(120)
def test_million_messages_in_order_with_flat_memory(note):
    with apus.Server(program=apus.example("SignIn")) as server, contextlib.ExitStack() as stack:
        request = wire.request(Cookie="session=1815")
        peers = [stack.enter_context(server.connect(request)) for _ in range(CONNECTIONS)]
        for peer in peers:
            assert peer.read_frame() == (wire.TEXT, b"hello Ada")
        began = time.monotonic()
        resident = []
        for batch in range(ROUNDS):
            # More than the stream of a connection keeps, so that its reading stops and goes on.
            for connection, peer in enumerate(peers):
                peer.send(frames(SENT, connection, batch * BATCH))
            for connection, peer in enumerate(peers):
                wanted = frames(BACK, connection, batch * BATCH)
                assert peer.read_body(len(wanted), 30) == wanted, f"batch {batch}"
            resident.append(server.resident_bytes())
        took = time.monotonic() - began
        for peer in peers:
            peer.close()
    # After a quarter of them, and from the half on.
    early, late = resident[ROUNDS // 4], max(resident[ROUNDS // 2 :])
    count = CONNECTIONS * BATCH * ROUNDS
    note(f"{count} messages in {took:.1f} s, memory grew by {(late - early) >> 10} KiB")
    assert late - early < 2 << 20
