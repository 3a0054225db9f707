// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

// An echo server on ws (Debian's node-ws): ws_echo.js [publish|compress]. Only Debian's modules are
// looked at.

'use strict';
const { WebSocketServer } = require('/usr/share/nodejs/ws');

const publishes = process.argv[2] === 'publish';
const server = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    backlog: 4096,
    perMessageDeflate: process.argv[2] === 'compress' && { threshold: 0 },
});

server.on('connection', (socket) => {
    socket.on('error', () => {});
    socket.on('message', (data, isBinary) => {
        if (!publishes) {
            socket.send(data, { binary: isBinary });
            return;
        }
        for (const client of server.clients) {
            client.send(data, { binary: isBinary });
        }
    });
});
server.on('listening', () => {
    console.log(`listening on ws://127.0.0.1:${server.address().port}`);
});
