# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0

"""The server and the loads: how they are started, asked and ended."""

import contextlib
import ctypes
import json
import os
import re
import resource
import signal
import subprocess
import tempfile
import time

from bench import Skip
from comparison.servers import descendants

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def prepare():
    """Done by a program's process before it becomes the program."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # Whatever ends us ends it.
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Program:
    """A program with processes of its own, from here to the end of a `with`."""

    def __init__(self, *command):
        # Appended to, since we read it while it is written.
        self.errors = tempfile.TemporaryFile("a+")
        self.process = subprocess.Popen(
            [str(word) for word in command], stdout=subprocess.PIPE, stderr=self.errors, text=True,
            preexec_fn=prepare)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
        self.process.stdout.close()

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
            self.__exit__()
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
