# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0

"""What idle connections take of a server's memory: fresh servers, one after the other."""

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
    """A row for each server and number of connections, and who failed, with a sentence."""
    rows, failures = [], {}
    for peer in peers:
        clients, connections, server = [], 0, None
        try:
            server = Server(peer, peer.idle_command or peer.command, cores[0], options.realtime)
            for step in [0, *STEPS]:
                connections += step
                if step > 0:
                    clients.append(Client(binary, server, point, cores[1], options.realtime, step))
                    clients[-1].wait_until_ready()
                rss, pss = settled(server)
                rows.append({"server": peer.name, "connections": connections,
                             "rss": rss, "pss": pss})
        except (Failure, Skip) as failure:
            failures[peer.name] = str(failure)
        finally:
            for client in clients:
                client.stop()
            if server is not None:
                server.stop()
    return [row for row in rows if row["server"] not in failures], failures


def per_connection(rows, server, key="rss", first=0):
    """Bytes for each connection after the first ones; None where it was not measured."""
    of = {row["connections"]: row[key] for row in rows if row["server"] == server}
    if not of:
        return None
    last = max(of)
    return (of[last] - of[first]) / (last - first)
