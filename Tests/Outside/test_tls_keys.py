# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""Where the keys of session tickets lie in the memory of a worker."""

import signal

import pytest

import secure
from certificates import Authority
from wire import wait_until

KEY_SIZE = 80


def mappings(pid):
    """The writable memory of a process: where it begins, how much it is, whether it is shared."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as lines:
        for line in lines:
            span, flags, *_ = line.split(maxsplit=2)
            if flags.startswith("rw"):
                start, end = (int(word, 16) for word in span.split("-"))
                yield start, end - start, flags.endswith("s")


def read(pid):
    """The contents of all of them."""
    contents = []
    try:
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            for start, size, is_shared in mappings(pid):
                try:
                    memory.seek(start)
                    contents.append((memory.read(size), is_shared))
                except OSError:
                    continue  # the ring's, which the kernel shows nobody else
    except PermissionError:
        pytest.skip("no process may read another's memory here")
    return contents


def current_key(contents):
    """What TicketKeys.swift keeps in the memory that all workers share."""
    for bytes_, is_shared in contents:
        number = int.from_bytes(bytes_[:8], "little")
        if is_shared and len(bytes_) == 4096 and 2 <= number < 100 and not any(bytes_[8:64]):
            start = 64 + number % 3 * KEY_SIZE
            return bytes_[start : start + KEY_SIZE]
    raise AssertionError("there are no keys in shared memory")


def test_keys_lie_in_shared_memory_and_in_each_listener_once(tmp_path):
    pair = Authority(tmp_path).issue("localhost")
    with secure.Server(*pair.flags, workers=1) as server:
        for count in range(5):
            with server.connect(client=secure.context()) as peer:
                peer.echo()
                assert peer.tls.version() == "TLSv1.3"
                peer.close()
            server.send_signal(signal.SIGHUP)
            wait_until(
                lambda: server.errors.text.count("certificates were read again") > count,
                5,
                "not reloaded",
            )
        (pid,) = server.workers()
        contents = read(pid)
        secret = current_key(contents)[16:]
        assert len(set(secret)) > 16
        places = [is_shared for bytes_, is_shared in contents for _ in range(bytes_.count(secret))]
        assert sorted(places) == [False, True]
