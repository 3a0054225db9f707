# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0

"""The server and the loads: how they are started, asked and ended."""

import contextlib
import ctypes
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import tempfile
import time

from bench import Skip
from comparison.servers import descendants

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LIBC = ctypes.CDLL(None)
ENDS = signal.SIGTERM, signal.SIGINT
# How long connections may take to close.
ENDING_SECONDS = 60


def prepare():
    """Done by a program's process before it becomes the program."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # Whatever ends us ends it.
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    for number in ENDS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)


def adopt():
    """Makes processes whose parents are gone our children."""
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)


def end_all():
    """Ends all that was started, also what was being started when we were told to end."""
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in descendants(os.getpid())[1:] if number == signal.SIGKILL else children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + ENDING_SECONDS
        while children() and time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    time.sleep(0.05)


def children():
    pid = os.getpid()
    return list(map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


class Program:
    """A program with processes of its own."""

    def __init__(self, *command):
        # Appended to, since we read it while it is written.
        self.errors = tempfile.TemporaryFile("a+")
        # A signal that comes before it is the program would be lost on it.
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
        self.process = subprocess.Popen(
            [str(word) for word in command], stdout=subprocess.PIPE, stderr=self.errors, text=True,
            preexec_fn=prepare)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)

    def is_alive(self):
        return self.process.poll() is None

    def pids(self):
        return descendants(self.process.pid)

    def said(self):
        self.errors.seek(0)
        return self.errors.read()

    def last_words(self):
        return (self.said().strip().splitlines() or ["nothing"])[-1]


class Server(Program):
    def __init__(self, binary, workers, flags):
        super().__init__(
            binary, "serve", "--app", "echo", "--port", 0, "--workers", workers, *flags)
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            self.process.wait()
            raise Skip(f"the server does not start; it says: {self.last_words()}")
        self.url = line.split()[2] + "/"

    def counters(self):
        """What each worker logs of itself when it is asked."""
        workers = len(self.pids()) - 1
        before = len(self.said())
        self.process.send_signal(signal.SIGUSR1)
        for _ in range(300):
            time.sleep(0.1)
            lines = [line for line in self.said()[before:].splitlines()
                     if "connections_open" in line]
            if len(lines) >= workers:
                break
        pairs = [re.findall(r"\b([a-z_]+)=(\d+)", line) for line in lines]
        return [{name: int(value) for name, value in found} for found in pairs]


class Load(Program):
    def __init__(self, binary, url, *flags):
        super().__init__(binary, *flags, "--json", url)

    def result(self):
        """What it measured; Skip if it has nothing to say."""
        text, _ = self.process.communicate()
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            raise Skip(f"the load fails; it says: {self.last_words()}") from None
