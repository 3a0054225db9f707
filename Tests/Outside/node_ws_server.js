// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0
//
// A server of one case by Debian's node-ws, with TLS and compression. Standard input: {certificate,
// key, messages}, where a message is {text} or {binary: base64}. Standard output: the port, and once
// the case has ended {messages, extensions}: what came back, and what was agreed upon.
"use strict";
const https = require("https");
const { WebSocketServer } = require("ws");

const { certificate, key, messages } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const server = https.createServer({ cert: certificate, key });
const perMessageDeflate = { threshold: 0 };
const sockets = new WebSocketServer({ server, maxPayload: 0, perMessageDeflate });

let extensions;
sockets.on("headers", (lines) => {
  const name = "Sec-WebSocket-Extensions: ";
  extensions = lines.find((line) => line.startsWith(name)).slice(name.length);
});

sockets.on("connection", (socket, request) => {
  if (request.url === "/getCaseCount") {
    socket.send("1");
    socket.close(1000);
    return;
  }
  const received = [];
  const sendNext = () => {
    if (received.length === messages.length) return socket.close(1000);
    const message = messages[received.length];
    socket.send(message.text ?? Buffer.from(message.binary, "base64"));
  };
  socket.on("message", (data, isBinary) => {
    received.push(isBinary ? { binary: data.toString("base64") } : { text: data.toString() });
    sendNext();
  });
  socket.on("close", () => {
    process.stdout.write(`${JSON.stringify({ messages: received, extensions })}\n`);
  });
  sendNext();
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
