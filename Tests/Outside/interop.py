# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""Clients of other makers, all driven alike: by `talk`.

Each opens a connection, calls `opened`, sends the messages (str or bytes) one after the other, each
after the answer to the one before, and closes with a code and a reason, or waits for the server to.
It returns what came back, and the code and reason that ended the connection. With `compress` it
offers permessage-deflate, and compresses whatever it sends.
"""

import asyncio
import base64
import functools
import json
import os
import shutil
import ssl
import subprocess
from pathlib import Path

import aiohttp
import picows
import pytest
import websockets.asyncio.client
from websockets.exceptions import ConnectionClosed

SECONDS = 20


def in_loop(client):
    """Runs an asynchronous client to its end."""

    @functools.wraps(client)
    def talk(url, messages=(), close=None, opened=lambda: None, **options):
        async def limited():
            async with asyncio.timeout(SECONDS):
                return await client(url, messages, close, opened, **options)

        return asyncio.run(limited())

    return talk


@in_loop
async def by_websockets(url, messages, close, opened, compress=False):
    received = []
    compression = "deflate" if compress else None
    connecting = websockets.asyncio.client.connect(url, max_size=None, compression=compression)
    async with connecting as connection:
        for message in messages:
            await connection.send(message)
            received.append(await connection.recv())
        opened()
        if close:
            await connection.close(*close)
        else:
            with pytest.raises(ConnectionClosed):
                await connection.recv()
    return received, (connection.close_code, connection.close_reason)


@in_loop
async def by_aiohttp(url, messages, close, opened, compress=False):
    received, reason = [], ""
    options = {"max_msg_size": 0, "compress": 15 if compress else 0}
    # Its own context it makes only once, whatever roots are meant later.
    options["ssl"] = ssl.create_default_context()
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, **options) as connection,
    ):
        for message in messages:
            if isinstance(message, str):
                await connection.send_str(message)
                received.append(await connection.receive_str())
            else:
                await connection.send_bytes(message)
                received.append(await connection.receive_bytes())
        opened()
        if close:
            assert await connection.close(code=close[0], message=close[1].encode())
        else:
            end = await connection.receive()
            assert end.type is aiohttp.WSMsgType.CLOSE
            reason = end.extra
        return received, (connection.close_code, reason)


@in_loop
async def by_picows(url, messages, close, opened):
    arrived = asyncio.Queue()

    class Listener(picows.WSListener):
        def on_ws_frame(self, transport, frame):
            assert frame.fin, "the server sent a fragment"
            if frame.msg_type is picows.WSMsgType.TEXT:
                arrived.put_nowait(frame.get_payload_as_utf8_text())
            elif frame.msg_type is picows.WSMsgType.BINARY:
                arrived.put_nowait(frame.get_payload_as_bytes())
            elif frame.msg_type is picows.WSMsgType.CLOSE:
                reason = bytes(frame.get_close_message() or b"").decode()
                arrived.put_nowait((frame.get_close_code(), reason))
                if not close:
                    transport.send_close(frame.get_close_code())
                transport.disconnect()

    transport, _ = await picows.ws_connect(Listener, url)
    received = []
    for message in messages:
        if isinstance(message, str):
            transport.send(picows.WSMsgType.TEXT, message.encode())
        else:
            transport.send(picows.WSMsgType.BINARY, message)
        received.append(await arrived.get())
    opened()
    if close:
        transport.send_close(close[0], close[1].encode())
    end = await arrived.get()
    await transport.wait_disconnected()
    return received, end


def varied(*sizes):
    """Of each size in bytes a text, which can be compressed, and a binary message, which cannot."""
    messages = []
    for size in sizes:
        messages += ["x" * (size % 10) + "aé€🐦" * (size // 10), os.urandom(size)]
    return messages


def start_node_ws(script, task):
    """A program over Debian's node-ws, with what it reads as JSON."""
    node = shutil.which("node")
    # Debian's own node looks there by itself.
    environment = {**os.environ, "NODE_PATH": "/usr/share/nodejs:/usr/lib/nodejs"}
    if not node or subprocess.run(
        [node, "-e", "require('ws')"], env=environment, capture_output=True, check=False
    ).returncode:
        pytest.skip("there is no ws for node: apt-get install node-ws")
    process = subprocess.Popen(
        [node, Path(__file__).with_name(script)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdin.write(json.dumps(task))
    process.stdin.close()
    return process


def by_node_ws(url, messages=(), close=None, opened=lambda: None, compress=False):
    task = {"url": url, "messages": [to_json(message) for message in messages], "close": close}
    with start_node_ws("node_ws_client.js", {**task, "compress": compress}) as process:
        try:
            if not close:
                assert process.stderr.readline() == "waiting\n"
            opened()
            answer = json.loads(process.stdout.read())
            assert process.wait(SECONDS) == 0
        finally:
            process.kill()
    return [from_json(message) for message in answer["messages"]], tuple(answer["close"])


def to_json(message):
    if isinstance(message, str):
        return {"text": message}
    return {"binary": base64.b64encode(message).decode()}


def from_json(message):
    return message["text"] if "text" in message else base64.b64decode(message["binary"])


CLIENTS = [by_websockets, by_aiohttp, by_picows, by_node_ws]
COMPRESSING_CLIENTS = [by_websockets, by_aiohttp, by_node_ws]
