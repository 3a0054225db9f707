# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The command line: exit codes and the one line that goes with each failure."""

import ctypes
import errno
import json
import os
import resource
import socket
import struct
import subprocess
import time

import pytest

import apus
import wire
from apus import LIBC, Server, run

USAGE, UNAVAILABLE, REFUSED = 64, 69, 71
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
IO_URING_SETUP = 425


def refuse_system_call(number, error):
    """Makes a system call of this process and its children fail, as a container's profile does."""
    load, jump_if_equal, give = 0x20, 0x15, 0x06
    program = struct.pack("HBBI", load, 0, 0, 0)
    program += struct.pack("HBBI", jump_if_equal, 0, 1, number)
    program += struct.pack("HBBI", give, 0, 0, 0x00050000 | error)
    program += struct.pack("HBBI", give, 0, 0, 0x7FFF0000)
    filters = ctypes.create_string_buffer(program)

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    description = Program(len(program) // 8, ctypes.addressof(filters))
    zero = ctypes.c_ulong(0)
    if LIBC.prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero):
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    if LIBC.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.byref(description)):
        raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")


def fails(result, code, *words):
    """One line on standard error that names the cause, and nothing on standard output."""
    assert result.returncode == code, f"{result}"
    lines = result.stderr.splitlines()
    assert len(lines) == 1, f"expected one line:\n{result.stderr}"
    for word in words:
        assert word.lower() in lines[0].lower(), f"{word!r} is not in: {lines[0]}"
    assert "listening" not in result.stdout
    assert not apus.CRASH.search(result.stderr)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-such-flag"],
        ["--port"],
        ["--port", "many"],
        ["--port", "65536"],
        ["--port", "-1"],
        ["--workers", "0"],
        ["--workers", "-2"],
        ["--workers", "99999999999999999999"],
        ["--app", "nothing"],
        ["--backend", "kqueue"],
        ["--compression", "brotli"],
        ["--max-received-message-size", "lots"],
        ["--max-received-message-size", "99999999999TiB"],
        ["--handshake-timeout", "10 parsecs"],
        ["--max-broadcast-backlog", "0"],
        ["--broadcast-grace-period", "0"],
        ["--max-request-body-size", "-1"],
        ["--tls-ticket-rotation", "1min"],
        ["--tls-self-signed", "--tls-ticket-rotation", "0"],
        ["--origins", ""],
        ["--origins", "example.com"],
        ["--origins", "any,https://example.com"],
        ["--log-format", "xml"],
        ["--log-level", "loud"],
        ["unexpected"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_refused(arguments):
    fails(run("serve", *arguments), USAGE)


def test_unknown_app_is_named():
    fails(run("serve", "--app", "nothing"), USAGE, "nothing")


@pytest.mark.parametrize("arguments", [["no-such-command"], ["check", "--no-such-flag"]])
def test_wrong_command_is_refused(arguments):
    fails(run(*arguments), USAGE)


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["check", "--help"]])
def test_help_is_given(arguments):
    result = run(*arguments)
    assert result.returncode == 0
    assert "USAGE" in result.stdout and not result.stderr


def test_help_names_every_flag():
    text = run("serve", "--help").stdout
    for flag in (
        "--host --port --unix --workers --backend --app --max-received-frame-size "
        "--origins --max-received-message-size --max-fragments --max-send-queue --max-connections "
        "--handshake-timeout --keepalive-interval --keepalive-grace-period --close-timeout "
        "--max-request-body-size --http-keep-alive-timeout --max-broadcast-backlog "
        "--broadcast-grace-period --log-level --log-format --drain-timeout "
        "--tls-certificate --tls-key --tls-self-signed --tls-client-ca --tls-client-certificates "
        "--tls-ticket-rotation --compression --compression-level --compression-threshold"
    ).split():
        assert flag in text, f"{flag} is not in the help"


def test_version_is_given():
    result = run("--version")
    assert result.returncode == 0
    assert result.stdout.strip()[:1].isdigit() or "apus" in result.stdout.lower()


def test_port_in_use_is_reported():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        fails(run("serve", "--port", port), UNAVAILABLE, port)


def test_port_of_another_server_is_reported():
    """SO_REUSEPORT must not let a second server share it by accident."""
    with Server() as server:
        fails(run("serve", "--port", str(server.port)), UNAVAILABLE, str(server.port))
        with server.connect() as peer:
            peer.echo()


def test_address_that_is_not_here_is_reported():
    result = run("serve", "--host", "192.0.2.1", "--port", "0")
    fails(result, UNAVAILABLE, "192.0.2.1")


@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOSYS], ids=["EPERM", "ENOSYS"])
@pytest.mark.parametrize("backend", [[], ["--backend", "io_uring"]], ids=["auto", "io_uring"])
def test_refused_io_uring_is_reported_at_once(error, backend):
    """A6, C9"""
    start = time.monotonic()
    result = run(
        "serve",
        "--port",
        "0",
        *backend,
        preexec_fn=lambda: refuse_system_call(IO_URING_SETUP, error),
    )
    elapsed = time.monotonic() - start
    fails(result, REFUSED, "io_uring")
    assert elapsed < 1.5, f"it took {elapsed:.1f} s: a restart loop?"


def test_too_few_descriptors_are_reported():
    result = run(
        "serve",
        "--port",
        "0",
        "--workers",
        "16",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16)),
    )
    assert result.returncode in (UNAVAILABLE, REFUSED), f"{result}"
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert not apus.CRASH.search(result.stderr)


def test_check_reports_what_the_machine_offers():
    result = run("check")
    assert result.returncode == 0, result.stderr
    assert "io_uring" in result.stdout


def test_check_speaks_json():
    result = run("check", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)


def test_check_fails_where_io_uring_is_refused_and_says_so():
    result = run(
        "check", preexec_fn=lambda: refuse_system_call(IO_URING_SETUP, errno.EPERM)
    )
    assert result.returncode != 0, f"{result}"
    assert "io_uring" in result.stdout + result.stderr


def test_closed_standard_streams_do_no_harm():
    def close_streams():
        os.close(0)
        os.close(2)

    process = run("serve", "--app", "nothing", preexec_fn=close_streams)
    assert process.returncode == USAGE


def test_server_survives_a_reader_of_its_output_that_goes_away():
    """SIGPIPE is not for servers."""
    command = [apus.binary(), "serve", "--port", "0", "--app", "example", "--workers", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            port = int(apus.READY.search(process.stdout.readline().decode())[1])
            process.stdout.close()
            for _ in range(3):
                data = wire.request(Sec_WebSocket_Protocol="example", Origin="http://a.test")
                with wire.connect(port, data) as peer:
                    assert peer.read_frame() == (wire.TEXT, b"Connection from http://a.test")
                    peer.close()
        finally:
            process.terminate()
            assert process.wait(10) in (0, 1)
