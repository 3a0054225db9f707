// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The page of the example: connects to where it came from, prints what comes, sends what is typed.
enum ExamplePage {
    static let html = """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Apus example</title>
        <style>
        :root { color-scheme: light dark; --line: #8884; --accent: #0a7d6c; }
        body { font: 16px/1.5 system-ui, sans-serif; max-width: 42rem; margin: 2rem auto; padding: 0 1rem; }
        header { display: flex; align-items: baseline; gap: .75rem; }
        h1 { font-size: 1.3rem; margin: 0; }
        #state::before { content: "● "; color: #c60; }
        #state[data-state=open]::before { color: var(--accent); }
        #state[data-state=closed]::before { color: #c33; }
        #log { border: 1px solid var(--line); border-radius: .5rem; height: 20rem; overflow-y: auto;
               padding: .5rem .75rem; margin: 1rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
        #log .sent { color: var(--accent); }
        #log .note { opacity: .65; }
        form { display: flex; gap: .5rem; }
        input, button { font: inherit; padding: .4rem .7rem; border: 1px solid var(--line); border-radius: .5rem; }
        input { flex: 1; min-width: 0; }
        </style>
        </head>
        <body>
        <header><h1>Apus example</h1><span id="state" data-state="connecting" role="status">connecting</span></header>
        <div id="log" aria-live="polite"></div>
        <form id="form">
        <input id="text" autocomplete="off" autofocus placeholder="Type a message" aria-label="Message">
        <button id="send">Send</button>
        <button id="close" type="button">Close</button>
        </form>
        <script>
        "use strict";
        const element = id => document.getElementById(id);
        const scheme = location.protocol === "https:" ? "wss" : "ws";
        const socket = new WebSocket(`${scheme}://${location.host}/`, "example");

        function show(text, kind) {
          const line = document.createElement("div");
          line.textContent = text;
          line.className = kind;
          element("log").append(line);
          line.scrollIntoView();
        }
        function enter(state) {
          element("state").textContent = state;
          element("state").dataset.state = state;
          element("send").disabled = element("close").disabled = state !== "open";
        }

        enter("connecting");
        socket.onopen = () => enter("open");
        socket.onmessage = event => show(event.data, "received");
        socket.onclose = event => {
          enter("closed");
          show(`closed with ${event.code}${event.reason ? ": " + event.reason : ""}`, "note");
        };
        element("form").onsubmit = event => {
          event.preventDefault();
          const text = element("text").value;
          if (socket.readyState !== WebSocket.OPEN || text === "") return;
          socket.send(text);
          show(text, "sent");
          element("text").value = "";
        };
        element("close").onclick = () => socket.close(1000);
        </script>
        </body>
        </html>
        """
}
