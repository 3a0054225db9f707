# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0

"""The servers that are compared: how each is had, started and named.

A function gives a `Peer` or raises `Skip` with the reason. Its name, with - for _, is the server's.
"""

import dataclasses
import os
import pathlib

from bench import Skip, commit, debian_version, output_of, with_package
from comparison import building
from comparison.building import PEERS


@dataclasses.dataclass
class Peer:
    name: str
    version: str
    command: list
    publishing: list | None = None  # the command of a server that sends each message to all
    compressing: list | None = None  # that of one that compresses
    idle_command: list | None = None  # where idle connections are measured; None: `command`
    environment: dict = dataclasses.field(default_factory=dict)
    is_raw: bool = False


def publishing(name, version, command, **options):
    """A peer of ours, whose argument `publish` makes it send each message to all."""
    return Peer(name, version, command, publishing=[*command, "publish"], **options)


# MARK: Apus


def apus(options):
    binary, origin = options.apus, "a given binary"
    if binary is None:
        binary, origin = building.apus(), ", ".join([commit(), *building.TRAITS[1:]])
    return apus_of("apus", binary, origin)


def against(options):
    return apus_of("against", options.against, f"the binary {options.against.name}")


def apus_of(name, binary, origin):
    serve = [binary, "serve", "--port", "0", "--workers", "1", "--log-level", "warning"]
    silent = ["--keepalive-interval", "0"]
    return Peer(
        name, f"{output_of(binary, '--version')}, {origin}",
        command=[*serve, "--app", "echo", *silent],
        publishing=[*serve, "--app", "broadcast", *silent],
        compressing=[*serve, "--app", "echo", "--compression", "shared", *silent],
        idle_command=[*serve, "--app", "echo"],
    )


def tasks(options):
    binary = building.swift(building.HERE, "task-echo")
    return Peer("tasks", "Apus of this commit, each connection read by a task", [binary])


# MARK: Floors


def tcp(options):
    binary = building.compile_c("tcp_echo", [PEERS / "tcp_echo.c"])
    return publishing("tcp", "recv and send over epoll, no WebSocket", [binary], is_raw=True)


def tcp_uring(options):
    binary = with_package("liburing-dev", lambda: building.compile_c(
        "uring_echo", [PEERS / "uring_echo.c"], "-luring"))
    version = f"over io_uring (liburing {debian_version('liburing-dev')}), no WebSocket"
    return Peer("tcp-uring", f"multishot receive and send {version}", [binary], is_raw=True)


# MARK: C and C++


def uwebsockets(options):
    modules = building.python("socketify").parent.parent.glob("lib/python*/site-packages/socketify")
    library = next((path for module in modules
                    for path in module.glob(f"libsocketify_linux_{architecture()}.so")), None)
    if library is None:
        raise Skip("socketify has no library for this processor")
    binary = with_package("libuv1-dev", lambda: building.compile_c(
        "uws_echo", [PEERS / "uws_echo.c"], library, f"-Wl,-rpath,{library.parent}"))
    version = building.pypi_version("socketify")
    return publishing("uwebsockets", f"the library in socketify {version} (PyPI), on libuv "
                      f"{debian_version('libuv1')}", [binary],
                      compressing=[binary, "compress"])


def architecture():
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


def uwebsockets_epoll(options):
    if options.uwebsockets is None:
        raise Skip("no --uwebsockets PATH")
    publisher = options.uwebsockets_publish
    return Peer("uwebsockets-epoll", "a binary built by hand, on epoll", [options.uwebsockets],
                publishing=None if publisher is None else [publisher])


def wslay(options):
    package = "libwslay-dev"
    binary = with_package(package, lambda: building.compile_c(
        "wslay_echo", [PEERS / "wslay_echo.c"], "-lwslay"))
    return Peer("wslay", f"{debian_version(package)} (Debian), over epoll", [binary])


def libwebsockets(options):
    package = "libwebsockets-dev"
    binary = with_package(package, lambda: building.compile_c(
        "lws_echo", [PEERS / "lws_echo.c"], "-lwebsockets"))
    return Peer("libwebsockets", f"{debian_version(package)} (Debian), its libuv loop", [binary])


# MARK: Other languages


def ws(options):
    installed = pathlib.Path("/usr/share/nodejs/ws/package.json")
    with_package("node-ws", lambda: building.run("test", "-e", installed))
    version = f"{debian_version('node-ws')} (Debian), node {output_of('node', '--version')}"
    command = ["node", PEERS / "ws_echo.js"]
    return publishing("ws", version, command, compressing=[*command, "compress"])


def gorilla(options):
    package = "golang-github-gorilla-websocket-dev"
    with_package("golang-go", lambda: building.run("go", "version", capture_output=True))
    binary = with_package(package, lambda: building.go("gorilla_echo"))
    version = f"{debian_version(package)} (Debian), {output_of('go', 'version')}"
    return publishing("gorilla", f"{version}, GOMAXPROCS 1", [binary],
                      environment={"GOMAXPROCS": "1"})


def nio(options):
    binary = building.swift(building.SWIFT_PEERS, "nio-echo")
    version = building.package_version("swift-nio")
    return publishing("nio", f"NIOWebSocket of SwiftNIO {version}, one event loop", [binary])


def flyingfox(options):
    binary = building.swift(building.SWIFT_PEERS, "flyingfox-echo")
    return Peer("flyingfox", f"FlyingFox {building.package_version('flyingfox')}", [binary])


def picows(options):
    return on_uvloop("picows")


def websockets(options):
    return on_uvloop("websockets")


def on_uvloop(name):
    python = building.python(name, "uvloop")
    version = f"{building.pypi_version(name)} on uvloop {building.pypi_version('uvloop')}"
    # picows knows no compression.
    command = [python, PEERS / f"{name}_echo.py"]
    compressing = [*command, "compress"] if name == "websockets" else None
    return publishing(name, f"{version} (PyPI), {output_of(python, '--version')}",
                      command, compressing=compressing)


PEER_FUNCTIONS = [
    apus, against, tasks, tcp, tcp_uring, uwebsockets, uwebsockets_epoll, wslay, libwebsockets, nio,
    gorilla, ws, picows, websockets, flyingfox,
]
QUICK = ["apus", "against", "tcp", "tcp-uring", "uwebsockets", "uwebsockets-epoll", "nio",
         "gorilla", "ws"]


def name_of(function):
    return function.__name__.replace("_", "-")
