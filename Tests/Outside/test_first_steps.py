# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""What README shows: it is the source of examples, and they do what it says."""

import contextlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import apus
import wire
from network import enter_network_of, enter_own_network

BLOCKS = re.findall(r"^```swift\n(.*?)^```$", (apus.ROOT / "README.md").read_text(), re.M | re.S)

CLIENT = """
from websockets.sync.client import connect
options = {"subprotocols": ["example"], "origin": "http://here", "compression": None}
with connect("ws://127.0.0.1:3001/", **options) as connection:
    print(connection.subprotocol)
    connection.send("hi")
    connection.send("there")
    for _ in range(3):
        print(connection.recv(timeout=5))
"""


def source(name):
    """A program without its header."""
    text = (apus.ROOT / "Sources/Examples" / name / "main.swift").read_text()
    return text.partition("\n\n")[2]


def test_code_of_the_readme_is_compiled():
    first, by_task, client, *others = BLOCKS
    assert first == source("FirstServer")
    assert by_task in source("FirstAsyncServer")
    assert client == source("FirstClient")
    # What a manifest says is no program.
    assert all(block.startswith(".package(") for block in others)


@contextlib.contextmanager
def started(name):
    """The server of an example, at its port in a network of its own."""
    try:
        process = subprocess.Popen(
            [apus.example(name)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=enter_own_network,
        )
    except subprocess.SubprocessError:
        pytest.skip("this machine gives no network namespaces")
    with process:
        try:
            table = Path(f"/proc/{process.pid}/net/tcp")
            listening = "0100007F:0BB9 00000000:0000 0A"
            wire.wait_until(lambda: listening in table.read_text(), 10, "nobody listens on 3001")
            yield process
        finally:
            process.terminate()


def output(command, server):
    """What a program prints that runs in the network of a server."""
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=20,
        check=True,
        preexec_fn=lambda: enter_network_of(server.pid),
    ).stdout.splitlines()


@pytest.mark.parametrize("name", ["FirstServer", "FirstAsyncServer"])
def test_first_programs_talk(name):
    with started(name) as server:
        lines = output([apus.example("FirstClient")], server)
        assert lines == ["Connection from none", "Server accepted: hello"]
        answers = [f"Server accepted: {text}" for text in ("hi", "there")]
        lines = output([sys.executable, "-c", CLIENT], server)
        assert lines == ["example", "Connection from http://here", *answers]
        server.terminate()
        log = server.stdout.read().decode()
        assert server.wait(10) == 0
    assert log.count("127.0.0.1 disconnected.") == 2
    if name == "FirstServer":
        assert "connection from origin: none\n" in log
        assert "connection from origin: http://here\n" in log
