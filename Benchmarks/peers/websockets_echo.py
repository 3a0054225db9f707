# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0

"""An echo server on websockets (PyPI) and uvloop; with `publish` each message goes to all."""

import asyncio
import sys

import uvloop
from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosedError


async def echo(connection):
    try:
        async for message in connection:
            await connection.send(message)
    except ConnectionClosedError:
        pass  # the client ends without a closing handshake


async def publish(connection):
    try:
        async for message in connection:
            broadcast(server.connections, message)
    except ConnectionClosedError:
        pass


async def main():
    global server
    handler = publish if sys.argv[1:] == ["publish"] else echo
    compression = "deflate" if sys.argv[1:] == ["compress"] else None
    server = await serve(handler, "127.0.0.1", 0, compression=compression, ping_interval=None)
    print(f"listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Future()


uvloop.run(main())
