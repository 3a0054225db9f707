# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The example that stores messages in files: receiving by parts, with the memory of a few."""

import os
import random
import subprocess
import zlib

import pytest
from websockets.sync.client import connect

import apus
import wire


@pytest.fixture
def server(tmp_path):
    with apus.Server(str(tmp_path), program=apus.example("UploadToFile")) as server:
        yield server


def check(receipt, folder, content):
    """The file that an answer names holds what was sent."""
    name, size, checksum = receipt.split()
    assert (int(size), int(checksum)) == (len(content), zlib.adler32(content))
    path = folder / name
    assert path.read_bytes() == content
    return path


def test_every_message_is_a_file(server, tmp_path):
    source = random.Random(1)
    contents = [b"", b"x", source.randbytes(70_000), source.randbytes(3 << 20), b"last"]
    with connect(server.url, compression=None) as one, connect(server.url, compression=None) as two:
        paths = set()
        for content in contents:
            one.send(content)
            # In frames of 100 bytes to 10 KB.
            cuts = sorted(source.sample(range(len(content) + 1), min(300, len(content) + 1)))
            bounds = zip([0, *cuts], [*cuts, len(content)])
            two.send([content[start:end] for start, end in bounds])
            for peer in (one, two):
                paths.add(check(peer.recv(timeout=10), tmp_path, content))
        two.send("täxt")
        paths.add(check(two.recv(timeout=5), tmp_path, "täxt".encode()))
    assert set(tmp_path.iterdir()) == paths
    assert len(paths) == 2 * len(contents) + 1


def test_memory_does_not_grow_with_a_message(server, tmp_path, note):
    piece = random.Random(2).randbytes(1 << 20)
    content = piece * 16
    with server.connect() as peer:
        # Masked with zeros, so that the test does not spend its time on masks.
        peer.send(wire.header(wire.BINARY, len(content), key=bytes(4)))
        resident = []
        for _ in range(16):
            peer.send(piece)
            resident.append(server.resident_bytes())
        check(peer.read_frame(10).payload.decode(), tmp_path, content)
    # By the fourth every buffer of the worker has been used.
    growth = max(resident[4:]) - resident[3]
    note(f"of 16 MiB the last 12 took {growth >> 10} KiB")
    assert growth < 2 << 20


@pytest.mark.parametrize("leave", [wire.Peer.reset, wire.Peer.finish_sending])
def test_nothing_stays_of_a_message_that_breaks_off(server, tmp_path, leave):
    with server.connect() as peer:
        peer.send(wire.frame(wire.BINARY, b"begun", fin=False))
        wire.wait_until(
            lambda: [path.stat().st_size for path in tmp_path.glob("*.part")] == [5],
            5,
            "no partial file",
        )
        leave(peer)
        wire.wait_until(lambda: not os.listdir(tmp_path), 5, lambda: f"{os.listdir(tmp_path)}")


def test_file_that_cannot_be_written_closes_the_connection(server, tmp_path):
    tmp_path.rename(tmp_path.with_name("elsewhere"))
    with server.connect() as peer:
        peer.send(wire.frame(wire.BINARY, b"x"))
        assert peer.read_close().code == 1011


def test_worker_that_cannot_start_ends_the_server(tmp_path):
    """What `onWorkerStart` throws is one sentence with a code."""
    command = [apus.example("UploadToFile"), str(tmp_path / "missing")]
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=10, check=False, stdin=subprocess.DEVNULL
    )
    assert result.returncode == 69
    line = "cannot start: No such file or directory"
    assert result.stdout.strip() in (f"worker 0 {line}", f"worker 1 {line}")
