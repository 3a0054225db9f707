# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0

"""The arithmetic: what a window says of a server, and what the windows of one round say of two."""

import statistics

BASE = "apus"

# What can be read off one window: server's microseconds per message and so on.
READINGS = {
    "cpu": lambda row: row["server_cpu_ns"] / row["messages"] / 1e3,
    "rate": lambda row: row["messages"] / row["elapsed_ns"] * 1e9,
    "server": lambda row: row["server_cpu_ns"] / row["elapsed_ns"],
    "client": lambda row: row["client_cpu_ns"] / row["elapsed_ns"],
    "per_cpu_second": lambda row: row["messages"] / row["server_cpu_ns"] * 1e9,
    "p50": lambda row: row["p50_ns"] / 1e3,
    "p99": lambda row: row["p99_ns"] / 1e3,
}


def quartiles(samples):
    """Lower quartile, median, upper quartile; of a single sample all three are that."""
    samples = list(samples)
    if len(samples) == 1:
        return samples[0], samples[0], samples[0]
    return tuple(statistics.quantiles(samples, n=4, method="inclusive"))


def median(rows, server, reading):
    values = [READINGS[reading](row) for row in rows if row["server"] == server]
    return statistics.median(values)


def paired_ratios(rows, server, other, reading):
    """The server's reading by the other's, for each round in which both were measured."""
    of = {name: {row["round"]: READINGS[reading](row) for row in rows if row["server"] == name}
          for name in (server, other)}
    return [value / of[other][round_] for round_, value in of[server].items()
            if round_ in of[other]]


def servers_of(rows):
    """The servers in the order of the first round."""
    return list(dict.fromkeys(row["server"] for row in rows))


def best_of(rows, names, reading):
    """Which of these servers has the least median; None where none was measured."""
    present = [name for name in names if name in servers_of(rows)]
    return min(present, key=lambda name: median(rows, name, reading), default=None)
