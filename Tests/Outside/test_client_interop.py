# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""A client of ours, with TLS and compression, at servers of other makers.

It is the one for Autobahn, which sends back whatever comes, so each server has the two resources
that it asks for: the number of cases, which is 1, and the case itself.
"""

import asyncio
import contextlib
import json
import ssl
import threading

import aiohttp.web
import pytest
import websockets.sync.server

import examples
from certificates import Authority
from interop import from_json, start_node_ws, to_json, varied


class Case:
    """What is sent, and what came of it."""

    def __init__(self, messages, pair):
        self.messages, self.pair = messages, pair
        self.received = []
        self.extensions = None

    @property
    def context(self):
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.pair.certificate, self.pair.key)
        return made


@contextlib.contextmanager
def at_websockets(case):
    def talk(connection):
        if connection.request.path == "/getCaseCount":
            connection.send("1")
            return
        case.extensions = connection.response.headers["Sec-WebSocket-Extensions"]
        for message in case.messages:
            connection.send(message)
            case.received.append(connection.recv(timeout=20))

    with websockets.sync.server.serve(
        talk, "127.0.0.1", 0, ssl=case.context, compression="deflate", max_size=None
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def at_aiohttp(case):
    async def talk(request):
        connection = aiohttp.web.WebSocketResponse(compress=True, max_msg_size=0)
        await connection.prepare(request)
        if request.path == "/getCaseCount":
            await connection.send_str("1")
        else:
            case.extensions = connection.headers["Sec-WebSocket-Extensions"]
            for message in case.messages:
                is_text = isinstance(message, str)
                await (connection.send_str if is_text else connection.send_bytes)(message)
                case.received.append((await connection.receive(20)).data)
        await connection.close()
        return connection

    async def start():
        application = aiohttp.web.Application()
        application.router.add_get("/{resource}", talk)
        runner = aiohttp.web.AppRunner(application)
        await runner.setup()
        await aiohttp.web.TCPSite(runner, "127.0.0.1", 0, ssl_context=case.context).start()
        return runner

    with asyncio.Runner() as loop:
        runner = loop.run(start())
        thread = threading.Thread(target=loop.get_loop().run_forever)
        thread.start()
        try:
            yield runner.addresses[0][1]
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop.get_loop()).result(20)
            loop.get_loop().call_soon_threadsafe(loop.get_loop().stop)
            thread.join()


@contextlib.contextmanager
def at_node_ws(case):
    task = {
        "certificate": case.pair.certificate.read_text(),
        "key": case.pair.key.read_text(),
        "messages": [to_json(message) for message in case.messages],
    }
    with start_node_ws("node_ws_server.js", task) as process:
        try:
            yield int(process.stdout.readline())
            answer = json.loads(process.stdout.readline())
        finally:
            process.kill()
    case.received = [from_json(message) for message in answer["messages"]]
    case.extensions = answer["extensions"]


@pytest.mark.parametrize("mode", [[], ["shared"]], ids=["dedicated", "shared"])
@pytest.mark.parametrize("serving", [at_websockets, at_aiohttp, at_node_ws])
def test_messages_come_back_whole(tmp_path, monkeypatch, serving, mode):
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    case = Case(varied(0, 1, 125, 126, 65536, 1 << 20), authority.issue("localhost"))
    with serving(case) as port:
        url = f"wss://localhost:{port}"
        assert examples.run("AutobahnClient", url, "apus", *mode) == (0, ["ran 1 cases"])
    assert case.received == case.messages
    assert case.extensions.startswith("permessage-deflate")
    assert ("no_context_takeover" in case.extensions) == bool(mode)
