# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The example page in a real browser, driven over the DevTools protocol."""

import itertools
import json
import shutil
import subprocess
import time

import pytest
from websockets.sync.client import connect

from apus import Server
from wire import wait_until

pytestmark = pytest.mark.chromium
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--remote-debugging-port=0"
).split()


class Page:
    """A tab of the browser."""

    def __init__(self, debugger, session):
        self.debugger, self.session = debugger, session
        self.numbers = itertools.count(1)

    def call(self, method, **parameters):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.debugger.send(json.dumps(message))
        while True:
            answer = json.loads(self.debugger.recv(timeout=20))
            if answer.get("id") == number and answer.get("sessionId") == self.session:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def evaluate(self, script):
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, f"{script}: {result['exceptionDetails']}"
        return result["result"].get("value")

    def state(self):
        return self.evaluate("document.getElementById('state')?.textContent.trim()")

    def log(self):
        return self.evaluate("[...document.getElementById('log').children].map(x => x.textContent)")

    def wait_state(self, state):
        wait_until(lambda: self.state() == state, 10, lambda: f"state is {self.state()!r}")

    def wait_line(self, text):
        wait_until(
            lambda: any(text in line for line in self.log()),
            10,
            lambda: f"no line {text!r}, the page shows {self.log()}",
        )

    def type(self, text):
        self.evaluate("document.getElementById('text').focus()")
        self.call("Input.insertText", text=text)

    def click(self, element):
        box = self.evaluate(
            f"(r => [r.x + r.width / 2, r.y + r.height / 2])"
            f"(document.getElementById('{element}').getBoundingClientRect())"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=box[0],
                y=box[1],
                button="left",
                clickCount=1,
            )

    def press_enter(self):
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if kind == "keyDown" else {}
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key="Enter",
                code="Enter",
                windowsVirtualKeyCode=13,
                **text,
            )


@pytest.fixture
def page(tmp_path):
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if not executable:
        pytest.skip("there is no chromium: apt-get install chromium")
    profile = tmp_path / "profile"
    with open(tmp_path / "chromium.log", "wb") as log:
        browser = subprocess.Popen(
            [executable, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        port_file = profile / "DevToolsActivePort"
        wait_until(
            lambda: port_file.exists() and len(port_file.read_text().splitlines()) == 2,
            30,
            lambda: f"chromium did not start: {(tmp_path / 'chromium.log').read_text()[-2000:]}",
        )
        port, path = port_file.read_text().splitlines()
        url = f"ws://127.0.0.1:{port}{path}"
        with connect(url, max_size=None, compression=None) as debugger:
            whole = Page(debugger, None)
            target = whole.call("Target.createTarget", url="about:blank")["targetId"]
            attached = whole.call("Target.attachToTarget", targetId=target, flatten=True)
            yield Page(debugger, attached["sessionId"])
            whole.call("Browser.close")
        browser.wait(10)
    finally:
        if browser.poll() is None:
            browser.kill()
            browser.wait()


@pytest.mark.seconds(120)
def test_page_talks_to_the_server(page, note):
    with Server(app="example") as server:
        origin = f"http://127.0.0.1:{server.port}"
        start = time.monotonic()
        page.call("Page.navigate", url=origin + "/")
        page.wait_state("open")
        page.wait_line(f"Connection from {origin}")
        server.output.wait(lambda line: f"connection from origin: {origin} ." in line)

        page.type("hello")
        page.click("send")
        page.wait_line("Server accepted: hello")
        page.type("grüße 🐦 <b>")
        page.press_enter()
        page.wait_line("Server accepted: grüße 🐦 <b>")
        assert page.evaluate("document.getElementById('text').value") == ""

        page.click("close")
        page.wait_state("closed")
        server.output.wait(lambda line: line == "127.0.0.1 disconnected.")
        note(f"{time.monotonic() - start:.1f} s from opening the page to the end")


@pytest.mark.seconds(120)
def test_page_sees_the_server_go(page):
    with Server(app="example") as server:
        page.call("Page.navigate", url=f"http://127.0.0.1:{server.port}/")
        page.wait_state("open")
        assert server.stop() == 0
        page.wait_state("closed")


# Echoes messages of these sizes; what came back, or what went wrong, is left in `window.result`.
ECHO = """
window.result = null;
const socket = new WebSocket("URL");
const sent = [0, 10, 300, 1000, 1000, 1000, 70000].map((size) => "größe ".repeat(size / 6));
const received = [];
socket.onopen = () => sent.forEach((text) => socket.send(text));
socket.onmessage = (event) => {
  received.push(event.data);
  if (received.length === sent.length) socket.close();
};
socket.onclose = (event) => {
  const isSame = JSON.stringify(sent) === JSON.stringify(received);
  window.result = [isSame, event.code, socket.extensions];
};
"""


@pytest.mark.seconds(120)
@pytest.mark.parametrize("mode", ["shared", "dedicated"])
@pytest.mark.parametrize("tls", [(), ("--tls-self-signed",)], ids=["ws", "wss"])
def test_page_compresses(page, mode, tls):
    options = ["--compression", mode, "--compression-threshold", "1", *tls]
    with Server(*options, workers=1) as server:
        assert server.scheme == ("wss" if tls else "ws")
        page.call("Security.setIgnoreCertificateErrors", ignore=True)
        page.evaluate(ECHO.replace("URL", server.url))
        wait_until(lambda: page.evaluate("window.result"), 10, "nothing came back")
        is_same, _, extensions = page.evaluate("window.result")
        assert is_same
        assert extensions.startswith("permessage-deflate")
        counters = server.counters()
        # An empty one is not, nor is one of eight bytes, which would not become smaller.
        assert counters["messages_compressed"] == 5
        assert counters["bytes_inflated"] > 70_000


@pytest.mark.seconds(120)
def test_page_talks_over_tls(page):
    with Server("--tls-self-signed", app="example") as server:
        origin = f"https://127.0.0.1:{server.port}"
        page.call("Security.setIgnoreCertificateErrors", ignore=True)
        page.call("Page.navigate", url=origin + "/")
        page.wait_state("open")
        page.wait_line(f"Connection from {origin}")
        page.type("hello")
        page.click("send")
        page.wait_line("Server accepted: hello")
        assert page.evaluate("isSecureContext")
        page.click("close")
        page.wait_state("closed")
        server.output.wait(lambda line: line == "127.0.0.1 disconnected.")
