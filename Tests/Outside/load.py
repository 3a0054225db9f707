# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The load generator as a process, and servers of another maker that behave as a test wants."""

import asyncio
import json
import subprocess
import threading
from pathlib import Path

import websockets.asyncio.server

import apus


def binary():
    """The load generator, beside the server under test."""
    path = Path(apus.binary()).parent / "apus-load"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not built: swift build -c release --product apus-load")
    return str(path)


def start(*arguments, **options):
    return subprocess.Popen(
        [binary(), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def run(*arguments, seconds=40):
    return subprocess.run(
        [binary(), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def load(url, *arguments, code=(0,)):
    """The result of a run of a second without a warm-up, unless the arguments say otherwise."""
    result = run(url, "--duration", "1s", "--warm-up", "0", "--json", *arguments)
    assert result.returncode in code, f"{result}"
    assert result.stderr == ""
    return json.loads(result.stdout)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


class Peer:
    """A server made with PyPI's `websockets`, on a thread of its own.

    `handler(connection, peer)` serves each connection; by default it is an echo. What it counts is
    counted apart from the load generator.
    """

    def __init__(
        self, handler=None, process_request=None, before=None, tls=None, compression=None
    ):
        self.handler = handler or Peer.echo
        self.process_request = process_request
        self.before = before
        self.tls = tls
        self.compression = compression
        self.received = 0
        self.is_ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True)

    async def echo(self, connection):
        async for message in connection:
            self.received += 1
            await connection.send(message)

    async def serve(self):
        self.loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()
        async with websockets.asyncio.server.serve(
            lambda connection: self.handler(self, connection),
            "127.0.0.1",
            0,
            compression=self.compression,
            max_size=None,
            ping_interval=None,
            process_request=self.process_request,
            ssl=self.tls,
        ) as server:
            self.port = server.sockets[0].getsockname()[1]
            task = asyncio.ensure_future(self.before()) if self.before else None
            self.is_ready.set()
            await self.ended.wait()
            if task:
                task.cancel()

    def __enter__(self):
        self.thread.start()
        assert self.is_ready.wait(10), "the server of the test did not start"
        self.url = f"{'wss' if self.tls else 'ws'}://127.0.0.1:{self.port}/"
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.ended.set)
        self.thread.join(10)
