# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0

"""Windows: all servers are alive and connected, one at a time is measured, the order rotates."""

import csv
import statistics
import subprocess
import time

from bench import prepare
from comparison.figures import READINGS

FIELDS = ["messages", "elapsed_ns", "server_cpu_ns", "client_cpu_ns", "p50_ns", "p99_ns"]


QUIET_SECONDS, QUIET_ATTEMPTS, RESTLESS = 0.25, 6, 0.05


class Failure(Exception):
    """What a server did wrong at a point."""


class Client:
    """A client process, connected to one server. It does nothing until it is told a window."""

    def __init__(self, binary, server, point, core, realtime, connections=None):
        traffic = (
            point.connections if connections is None else connections,
            max(point.active, 1), point.inflight,
            "json" if point.is_compressed else "text" if point.is_text else "binary", point.size,
        )
        pids = "+".join(str(pid) for pid in server.pids())
        kind = "raw" if server.peer.is_raw else "ws"
        self.process = subprocess.Popen(
            [str(part) for part in (binary, kind, server.port, pids, *traffic)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=prepare(core, realtime),
        )

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            said = self.process.stderr.read().strip() or "the client ended"
            raise Failure(said.splitlines()[0])
        return line

    def wait_until_ready(self):
        self.answer()

    def window(self, *words):
        try:
            self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer says why
        return dict(zip(FIELDS, map(int, self.answer().split(","))))

    def stop(self):
        self.process.kill()
        self.process.communicate()


def words_of(point, rate, milliseconds):
    if point.kind == "open":
        return ["open", milliseconds, rate]
    return [point.kind, milliseconds]


def half_of_saturation(client, milliseconds):
    """The rate of the open model, from what the closed one reaches."""
    client.window("echo", milliseconds)  # warms up
    rates = [READINGS["rate"](client.window("echo", milliseconds)) for _ in range(3)]
    return max(1, round(statistics.median(rates) / 2))


def stop_restless(servers):
    """Ends who consumes CPU while nobody asks, since the others would pay for it; says who.

    What follows from the handshakes may take a server a while.
    """
    for _ in range(QUIET_ATTEMPTS):
        before = [server.cpu_seconds() for server in servers]
        time.sleep(QUIET_SECONDS)
        shares = [(server.cpu_seconds() - start) / QUIET_SECONDS
                  for server, start in zip(servers, before)]
        if max(shares, default=0) <= RESTLESS:
            return {}
    failures = {}
    for server, share in zip(servers, shares):
        if share > RESTLESS:
            server.stop()
            failures[server.peer.name] = f"it is busy for {share:.0%} of the time for nothing"
    return failures


def measure(point, servers, binary, core, options):
    """The rows of all rounds but the first, which warms up, and who failed, with a sentence."""
    rows, failures, clients, rates = [], {}, {}, {}

    def attempt(name, act):
        try:
            return act()
        except Failure as failure:
            failures[name] = str(failure)
            clients.pop(name).stop()

    try:
        for server in servers:
            name = server.peer.name
            clients[name] = Client(binary, server, point, core, options.realtime)
            attempt(name, clients[name].wait_until_ready)
        failures |= stop_restless([server for server in servers
                                   if server.peer.name in clients and server.is_alive()])
        for name in failures.keys() & clients.keys():
            clients.pop(name).stop()
        if point.kind == "open":
            for name in list(clients):
                client = clients[name]
                rates[name] = attempt(name, lambda: half_of_saturation(client, options.window))
        for round_ in range(options.rounds + 1):
            names = list(clients)
            for step in range(len(names)):
                name = names[(round_ + step) % len(names)]
                words = words_of(point, rates.get(name), options.window)
                row = attempt(name, lambda: clients[name].window(*words))
                if row is not None and round_ > 0:
                    rows.append({"round": round_, "server": name, **row})
                time.sleep(options.pause / 1e3)
    finally:
        for client in clients.values():
            client.stop()
    order = [server.peer.name for server in servers]
    rows.sort(key=lambda row: (row["round"], order.index(row["server"])))
    return [row for row in rows if row["server"] not in failures], failures


def write_csv(path, rows):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0] if rows else ["server"])
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path):
    with open(path, newline="") as file:
        return [{key: value if key == "server" else int(value) for key, value in row.items()}
                for row in csv.DictReader(file)]
