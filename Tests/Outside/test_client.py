# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""A client without a server of its own, against other people's servers and a proxy."""

import base64
import signal
import socket
import threading

import pytest
import websockets.sync.server

import examples


class Peer:
    """A server of the websockets library that echoes, and what it saw."""

    def __init__(self, serve, *where):
        self.codes = []
        self.changed = threading.Condition()
        self.server = serve(self.talk, *where, subprotocols=["b"], select_subprotocol=self.select)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @staticmethod
    def select(connection, offered):
        return "b" if "b" in offered else None

    def talk(self, connection):
        for message in connection:
            connection.send(message)
        with self.changed:
            self.codes.append(connection.close_code)
            self.changed.notify_all()

    def wait_for_code(self):
        with self.changed:
            assert self.changed.wait_for(lambda: self.codes, 10)
        return self.codes[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()

    @property
    def port(self):
        return self.server.socket.getsockname()[1]


class Proxy:
    """Answers CONNECT, for the one name that it knows, and passes bytes on."""

    def __init__(self, port, refusal=None):
        self.port_behind = port
        self.refusal = refusal
        self.heads = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.threads = [threading.Thread(target=self.serve)]
        self.threads[0].start()

    @property
    def port(self):
        return self.listener.getsockname()[1]

    def serve(self):
        client, _ = self.listener.accept()
        with client:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                piece = client.recv(1)
                if not piece:
                    return
                head += piece
            self.heads.append(head.decode())
            if self.refusal:
                client.sendall(self.refusal)
                return
            with socket.create_connection(("127.0.0.1", self.port_behind)) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=self.pump, args=(server, client))
                back.start()
                self.pump(client, server)
                back.join()

    @staticmethod
    def pump(source, sink):
        try:
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.threads[0].join()


@pytest.fixture
def peer():
    with Peer(websockets.sync.server.serve, "127.0.0.1", 0) as peer:
        yield peer


def test_messages_come_back(peer):
    url = f"ws://127.0.0.1:{peer.port}/path?query"
    options = ["--protocol", "a", "--protocol", "b"]
    code, lines = examples.run("Talk", *options, url, "one", "", "zwölf")
    assert lines == ["connected b", "received one", "received ", "received zwölf", "closed 1000"]
    assert code == 0
    assert peer.wait_for_code() == 1000


def test_localhost_is_reached_by_either_address(peer):
    code, lines = examples.run("Talk", f"ws://localhost:{peer.port}", "hello")
    assert (code, lines) == (0, ["connected ", "received hello", "closed 1000"])


def test_connection_that_is_left_open_is_closed_with_1001(peer):
    code, lines = examples.run("Talk", f"ws://127.0.0.1:{peer.port}")
    assert (code, lines) == (0, ["connected "])
    assert peer.wait_for_code() == 1001


def test_unix_socket(tmp_path):
    path = str(tmp_path / "a socket:1")
    with Peer(websockets.sync.server.unix_serve, path):
        code, lines = examples.run("Talk", "--unix-socket", path, "ws://localhost/", "hello")
    assert (code, lines) == (0, ["connected ", "received hello", "closed 1000"])
    code, lines = examples.run("Talk", "--unix-socket", str(tmp_path / "none"), "ws://a/", "hello")
    assert (code, lines) == (1, ["Connecting failed: No such file or directory."])


def test_proxy_looks_up_the_name(peer):
    with Proxy(peer.port) as proxy:
        url = f"http://me:p%40ss@127.0.0.1:{proxy.port}"
        code, lines = examples.run("Talk", "--proxy", url, "ws://somewhere.invalid/chat", "hello")
    assert (code, lines) == (0, ["connected ", "received hello", "closed 1000"])
    assert proxy.heads == [
        "CONNECT somewhere.invalid:80 HTTP/1.1\r\n"
        "Host: somewhere.invalid:80\r\n"
        f"Proxy-Authorization: Basic {base64.b64encode(b'me:p@ss').decode()}\r\n\r\n"
    ]


def test_proxy_that_refuses_is_told(peer):
    refusal = b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n"
    with Proxy(peer.port, refusal) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        code, lines = examples.run("Talk", "--proxy", url, "ws://somewhere.invalid/", "hello")
    assert (code, lines) == (1, ["The proxy answered with status 407."])


def test_server_that_is_none_is_told():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    code, lines = examples.run("Talk", f"ws://127.0.0.1:{port}/", "hello")
    assert (code, lines) == (1, ["Connecting failed: Connection refused."])


def test_name_that_nobody_has_is_told():
    # Looked up on a thread, and no name server is asked: a label ends at 63 characters.
    name = 64 * "a" + ".invalid"
    code, lines = examples.run("Talk", f"ws://{name}/", "hello")
    assert (code, lines) == (1, [f"The name {name} has no address."])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_mean_what_they_do_elsewhere(number):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        with examples.start("Talk", url, "hello") as process:
            connection, _ = listener.accept()
            with connection:
                # It has a loop: the request comes from there.
                assert connection.recv(4) == b"GET "
                process.send_signal(number)
                assert process.wait(10) == -number


def test_client_and_server_of_our_own(shared_server):
    code, lines = examples.run("Talk", shared_server.url, "hello")
    assert (code, lines) == (0, ["connected ", "received hello", "closed 1000"])
