# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The server under test as a process: start, look inside, signal, stop."""

import ctypes
import json
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import wire
from wire import wait_until

ROOT = Path(__file__).resolve().parents[2]
READY = re.compile(
    r"listening on wss?://127\.0\.0\.1:(\d+) with (\d+) workers? \(supervisor (\d+)\)"
)
CRASH = re.compile(r"Fatal error|Sanitizer|\*\*\* (?:Signal|Program crashed)|Assertion .* failed")
LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


def binary():
    """The built server: $APUS_BINARY, else the release build, else the debug build."""
    given = os.environ.get("APUS_BINARY")
    if given:
        return given
    for configuration in ("release", "debug"):
        path = ROOT / ".build" / configuration / "apus"
        if path.exists():
            return str(path)
    raise FileNotFoundError("no server is built: swift build -c release --product apus")


def example(name):
    """A built program of Sources/Examples."""
    for configuration in ("debug", "release"):
        path = ROOT / ".build" / configuration / name
        if path.exists():
            return str(path)
    raise FileNotFoundError(f"the example is not built: swift build --product {name}")


def run(*arguments, seconds=10, **options):
    """Runs a command of the server to its end."""
    return subprocess.run(
        [binary(), *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=seconds,
        check=False,
        **options,
    )


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Lines:
    """The lines of a stream, collected by a thread of their own as they come."""

    def __init__(self, stream):
        self.lines = []
        self.ended = False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.collect, args=(stream,), daemon=True)
        self.thread.start()

    def collect(self, stream):
        with stream:
            for line in stream:
                with self.changed:
                    self.lines.append(line.decode(errors="replace").rstrip("\n"))
                    self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait(self, matches, seconds=5, start=0, count=1):
        """The first `count` lines from `start` on that `matches` accepts."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while True:
                found = [line for line in self.lines[start:] if matches(line)]
                if len(found) >= count:
                    return found[:count]
                left = deadline - time.monotonic()
                if self.ended or left <= 0:
                    lines = "\n  ".join(self.lines[-20:])
                    raise wire.Timeout(f"{len(found)} of {count} lines came; the last:\n  {lines}")
                self.changed.wait(left)

    @property
    def text(self):
        with self.changed:
            return "\n".join(self.lines)


class Server:
    """`apus serve` on a free port, ready when made; a context manager that stops it.

    With `program`, that one instead, with these arguments; it prints the same ready line.
    """

    def __init__(
        self, *arguments, app="echo", workers=2, drain="2s", environment=None, program=None
    ):
        command = [binary(), "serve", "--port", "0", "--app", app, "--workers", str(workers)]
        command += ["--drain-timeout", drain, "--log-format", "json", *arguments]
        if program:
            command = [program, *arguments]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            # Nothing outlives the tests, even when they are killed.
            preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM),
        )
        self.output = Lines(self.process.stdout)
        self.errors = Lines(self.process.stderr)
        self.seen = set()
        self.is_killed = False
        try:
            (line,) = self.output.wait(READY.search, 20)
        except wire.Timeout as problem:
            self.process.kill()
            self.process.wait()
            raise AssertionError(
                f"no ready line: {problem}\nstandard error: {self.errors.text}"
            ) from None
        self.ready_line = line
        self.scheme = "wss" if " wss:" in line else "ws"
        port, count, supervisor = map(int, READY.search(line).groups())
        self.port, self.worker_count, self.pid = port, count, supervisor

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            if self.process.poll() is None:
                self.stop()
            self.check_gone()
        else:
            self.end()

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}/"

    def workers(self):
        """The process ids of the workers that live now."""
        try:
            with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as children:
                pids = [int(word) for word in children.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            return []
        pids = [pid for pid in pids if is_alive(pid)]
        self.seen.update(pids)
        return pids

    def connect(self, data=None, **options):
        return wire.connect(self.port, data, **options)

    def send_signal(self, number):
        os.kill(self.pid, number)

    def wait(self, seconds):
        """The exit code of the supervisor."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise wire.Timeout(f"the server did not end within {seconds} s") from None

    def stop(self, number=signal.SIGTERM, seconds=10):
        self.workers()
        self.send_signal(number)
        return self.wait(seconds)

    def kill_supervisor(self):
        self.workers()
        self.is_killed = True
        self.process.kill()
        self.process.wait()

    def end(self):
        """Leaves nothing behind, however the test went."""
        self.workers()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in self.seen:
            if is_alive(pid) and is_ours(pid):
                os.kill(pid, signal.SIGKILL)

    def check_gone(self, seconds=5):
        """No worker is left and nobody complained; the exit code is no signal of our making."""
        try:
            wait_until(
                lambda: not any(map(is_alive, self.seen)),
                seconds,
                lambda: f"workers {[pid for pid in self.seen if is_alive(pid)]} are left over",
            )
            self.check_healthy()
            code = self.process.returncode
            assert self.is_killed or code in (0, 1), f"exit code {code}\n{self.errors.text}"
        finally:
            self.end()

    def check_healthy(self):
        crash = [line for line in self.errors.text.splitlines() if CRASH.search(line)]
        assert not crash, "the server crashed:\n" + self.errors.text[-4000:]

    def worker_counters(self, seconds=5):
        """What each worker logs about itself when asked by SIGUSR1."""
        start = len(self.errors.lines)
        self.send_signal(signal.SIGUSR1)
        lines = self.errors.wait(is_counters, seconds, start, count=self.worker_count)
        return [json.loads(line) for line in lines]

    def counters(self):
        """The sum over the workers."""
        total = {}
        for counters in self.worker_counters():
            for name, value in counters.items():
                if name not in ("worker", "time") and str(value).lstrip("-").isdigit():
                    total[name] = total.get(name, 0) + int(value)
        return total

    def wait_idle(self, connections=0, seconds=5):
        """Waits until only so many connections are open and nothing else is in use."""
        wanted = dict.fromkeys(IDLE, 0) | dict.fromkeys(PER_CONNECTION, connections)
        if connections == 0:
            wanted["operations_in_flight"] = 0
        last = {}

        def is_idle():
            last.update(self.counters())
            return all(last[name] == value for name, value in wanted.items())

        wait_until(is_idle, seconds, lambda: f"expected {wanted}, still {last}")
        return last

    def descriptors(self):
        """How many file descriptors each worker has open."""
        return {pid: len(os.listdir(f"/proc/{pid}/fd")) for pid in self.workers()}

    def resident_bytes(self):
        """The memory of all workers."""
        total = 0
        for pid in self.workers():
            with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
                total += int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return total


# What must be zero when nothing happens, and what counts connections.
IDLE = ("buffers_lent", "message_buffers", "output_chunks")
PER_CONNECTION = ("connections_open", "slots_in_use")


def is_counters(line):
    if '"counters"' not in line:
        return False
    try:
        return json.loads(line).get("message") == "counters"
    except ValueError:
        return False


def is_ours(pid):
    """Whether the process still is a server: its id may have been given to another."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
        return "apus" in command or str(ROOT) in command
    except (FileNotFoundError, ProcessLookupError):
        return False
