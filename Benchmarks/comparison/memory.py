# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0

"""What idle connections take of a server's memory: fresh servers, one after the other.

The base is a server that has served one connection: its code for handshakes and messages, and pools
that it makes once, are in memory by then and are not counted as the connections'.
"""

import itertools
import time

from bench import Skip
from comparison.servers import Server
from comparison.windows import Client, Failure

STEPS = [5000, 10000]  # more connections each time


def settled(server):
    """Its memory once it has not changed for a third of a second."""
    last, same = None, 0
    for _ in range(50):
        now = server.memory()
        same = same + 1 if now == last else 0
        if same == 3:
            break
        last = now
        time.sleep(0.1)
    return now


def measure(point, peers, binary, cores, options):
    """Rows for each server: fresh, with one connection served, and with more and more of them open;
    and who failed, with a sentence."""
    rows, failures = [], {}
    for peer in peers:
        clients, server = [], None

        def connect(count):
            clients.append(Client(binary, server, point, cores[1], options.realtime, count))
            clients[-1].wait_until_ready()

        def look(served, connections):
            rss, pss = settled(server)
            rows.append({"server": peer.name, "served": served, "connections": connections,
                         "rss": rss, "pss": pss})

        try:
            server = Server(peer, peer.idle_command or peer.command, cores[0], options.realtime)
            look(0, 0)
            connect(1)
            clients[0].window("echo", 1)
            clients.pop().stop()
            look(1, 0)
            for connections, step in zip(itertools.accumulate(STEPS), STEPS):
                connect(step)
                look(1, connections)
        except (Failure, Skip) as failure:
            failures[peer.name] = str(failure)
        finally:
            for client in clients:
                client.stop()
            if server is not None:
                server.stop()
    return [row for row in rows if row["server"] not in failures], failures


def per_connection(rows, server, key="rss", first=0, served=1):
    """Bytes for each connection after the first ones, over a server that had served so many before
    them; None where it was not measured."""
    of = {(row["served"], row["connections"]): row[key] for row in rows if row["server"] == server}
    if not of:
        return None
    last = max(of)
    return (of[last] - of[served, first]) / (last[1] - first)
