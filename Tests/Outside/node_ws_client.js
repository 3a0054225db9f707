// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0
//
// A client by Debian's node-ws. Standard input: {url, messages, close, compress}, where a message is
// {text} or {binary: base64}, and close is [code, reason] or null to wait for the server's.
// Standard output: {messages, close}: what came back, and how the connection ended.
"use strict";
const { WebSocket } = require("ws");

const { url, messages, close, compress } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const perMessageDeflate = compress ? { threshold: 0 } : false;
const socket = new WebSocket(url, { maxPayload: 0, perMessageDeflate });
const received = [];

function sendNext() {
  if (received.length < messages.length) {
    const message = messages[received.length];
    socket.send(message.text ?? Buffer.from(message.binary, "base64"));
  } else if (close) {
    socket.close(...close);
  } else {
    process.stderr.write("waiting\n");
  }
}
socket.on("open", sendNext);
socket.on("message", (data, isBinary) => {
  received.push(isBinary ? { binary: data.toString("base64") } : { text: data.toString() });
  sendNext();
});
socket.on("close", (code, reason) => {
  process.stdout.write(JSON.stringify({ messages: received, close: [code, reason.toString()] }));
});
