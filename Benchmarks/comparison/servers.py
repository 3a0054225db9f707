# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0

"""Servers that run, and what they take of the machine."""

import os
import pathlib
import re
import subprocess
import tempfile

from bench import Skip, prepare

LAST_WORDS_SIZE = 1000

def descendants(pid):
    pids = [pid]
    for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            pids += descendants(int(child))
    return pids


class Server:
    """One server, from its ready line to its end."""

    def __init__(self, peer, command, core, realtime):
        self.peer = peer
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=os.environ | peer.environment,
            preexec_fn=prepare(core, realtime),
        )
        line = self.process.stdout.readline()
        port = re.search(r":(\d+)\b", line.replace("://", " "))
        if port is None:
            self.stop()
            said = self.last_words() or line.strip()
            raise Skip(f"it does not start; it says: {said or 'nothing'}")
        self.port = int(port[1])

    def last_words(self):
        """The last lines that it wrote to standard error."""
        # Read from a place of our own: where the file stands is where its processes write.
        size = os.fstat(self.errors.fileno()).st_size
        text = os.pread(self.errors.fileno(), LAST_WORDS_SIZE, max(0, size - LAST_WORDS_SIZE))
        lines = text.decode(errors="replace").strip().splitlines()
        return "; ".join(line.strip() for line in lines[-3:])

    def is_alive(self):
        return self.process.poll() is None

    def pids(self):
        return descendants(self.process.pid)

    def cpu_seconds(self):
        """What its threads have consumed."""
        nanoseconds = 0
        for pid in self.pids():
            for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
                try:
                    nanoseconds += int((thread / "schedstat").read_text().split()[0])
                except FileNotFoundError:
                    pass  # it has just ended
        return nanoseconds / 1e9

    def memory(self):
        """Resident and proportional bytes of all its processes."""
        sums = {"Rss": 0, "Pss": 0}
        for pid in self.pids():
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name in sums:
                    sums[name] += int(rest.split()[0]) * 1024
        return sums["Rss"], sums["Pss"]

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
