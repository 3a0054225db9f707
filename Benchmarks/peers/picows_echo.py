# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0

"""An echo server on picows (PyPI, Cython) and uvloop; with `publish` each message goes to all."""

import asyncio
import sys

import picows
import uvloop


is_publishing = sys.argv[1:] == ["publish"]
transports = set()


class Echo(picows.WSListener):
    def on_ws_connected(self, transport):
        transports.add(transport)

    def on_ws_disconnected(self, transport):
        transports.discard(transport)

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
            return
        payload = frame.get_payload_as_bytes()
        for each in transports if is_publishing else (transport,):
            each.send(frame.msg_type, payload)


async def main():
    server = await picows.ws_create_server(lambda request: Echo(), "127.0.0.1", 0)
    print(f"listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Future()


uvloop.run(main())
