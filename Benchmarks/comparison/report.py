# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0

"""What was measured, for people: the head, the table of targets, a table for each point."""

import datetime
import os
import pathlib
import platform
import statistics

from bench import processor
from comparison import memory
from comparison.figures import BASE, READINGS, median, paired_ratios, quartiles, servers_of
from comparison.targets import NOT_MEASURED, judge

# For each kind of point: its columns before and after those of the ratio; the ratio's reading.
COLUMNS = {
    "echo": ([("CPU µs/message", "cpu", "{:,.3f}")], "cpu", [("messages/s", "rate", "{:,.0f}")]),
    "fanout": ([("CPU µs/delivered message", "cpu", "{:,.3f}")], "cpu",
               [("delivered/s", "rate", "{:,.0f}")]),
    "churn": ([("handshakes/CPU s", "per_cpu_second", "{:,.0f}"),
               ("CPU µs/life", "cpu", "{:,.1f}")], "cpu", [("lives/s", "rate", "{:,.0f}")]),
    "open": ([("p50 µs", "p50", "{:,.0f}"), ("p99 µs", "p99", "{:,.0f}")], "p99",
             [("messages/s", "rate", "{:,.0f}")]),
}
BUSY = [("server busy", "server", "{:.0%}"), ("client busy", "client", "{:.0%}")]


def row_of(cells):
    return "| " + " | ".join(cells) + " |"


def header_of(names):
    return [row_of(["server", *names]), "|---|" + "---:|" * len(names)]


def window_table(point, rows):
    before, reading, after = COLUMNS[point.kind]
    after = after + BUSY
    ratio_names = [f"Apus : it, {reading}", "IQR"]
    names = [name for name, _, _ in before] + ratio_names + [name for name, _, _ in after]
    lines = header_of(names)
    for server in servers_of(rows):
        cells = [form.format(median(rows, server, of)) for _, of, form in before]
        ratios = paired_ratios(rows, BASE, server, reading)
        if ratios:
            low, middle, high = quartiles(ratios)
            cells += [f"{middle:.3f}", f"{low:.3f}–{high:.3f}"]
        else:
            cells += ["", ""]
        cells += [form.format(median(rows, server, of)) for _, of, form in after]
        lines.append(row_of([server, *cells]))
    return lines


def memory_table(rows):
    lines = ["The base is a server that has served one connection before; the last column counts from",
             "a fresh one, so what it does once at its first connection counts as the connections'.",
             "", *header_of(["base, MiB RSS", "RSS B/connection", "PSS B/connection",
                             f"RSS B/connection from {memory.STEPS[0]:,} on",
                             "RSS B/connection from fresh"])]
    for server in servers_of(rows):
        base = next(row["rss"] for row in rows if row["server"] == server and row["served"] == 1)
        figures = [memory.per_connection(rows, server),
                   memory.per_connection(rows, server, "pss"),
                   memory.per_connection(rows, server, first=memory.STEPS[0]),
                   memory.per_connection(rows, server, served=0)]
        cells = [f"{base / (1 << 20):.1f}", *(f"{figure:,.0f}" for figure in figures)]
        lines.append(row_of([server, *cells]))
    return lines


def pace_of(rows):
    """How far the machine's pace changed, by what the bare echo took in the rounds."""
    taken = [READINGS["cpu"](row) for row in rows if row["server"] == "tcp"]
    return f"; tcp took {min(taken):.3g} to {max(taken):.3g} µs" if taken else ""


def table(point, rows, failures):
    """The part on one point."""
    lines = [f"### {point.title}", "", f"`--points {point.key}`"]
    if rows and point.kind != "memory":
        rounds = len({row["round"] for row in rows})
        seconds = statistics.median(row["elapsed_ns"] for row in rows) / 1e9
        lines[-1] += f", {rounds} rounds, windows of {seconds:.2f} s{pace_of(rows)}"
    lines.append("")
    if rows:
        lines += memory_table(rows) if point.kind == "memory" else window_table(point, rows)
    if failures:
        lines += ["", *(f"- {name} is left out here: {why}" for name, why in failures.items())]
    return "\n".join(lines) + "\n"


def target_table(points, with_unmeasured=True):
    lines = ["## Targets", "",
             "Medians of ratios, Apus by the other, with their quartiles; *bare* is the ratio of",
             "the better bare TCP echo by the same other: what is left if WebSocket costs nothing.",
             "",
             "| | at | against | wanted | found | | bare |", "|---|---|---|---:|---:|---|---:|"]
    words = {True: "met", False: "**missed**", None: ""}
    for verdict in judge(points):
        if verdict.found == NOT_MEASURED and not with_unmeasured:
            continue
        lines.append(row_of([verdict.what, verdict.point, verdict.against, verdict.wanted,
                             verdict.found, words[verdict.is_met], verdict.floor]))
    return "\n".join(lines) + "\n"


def conditions(options, versions, cores, command_line):
    """What belongs to the figures of a run: when, where, how and on what they were measured."""
    congestion = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    facts = [
        f"{datetime.date.today()}",
        f"Linux {platform.release().partition('-')[0]}",
        f"{processor()}, {os.cpu_count()} cores",
        f"load {os.getloadavg()[1]:.1f} before the run",
        f"congestion control {congestion}",
        f"windows of {options.window} ms, {options.rounds} rounds",
        "servers and client on one core" if cores[0] is None
        else f"servers on core {cores[0]}, client on core {cores[1]}",
        "real-time priority" if options.realtime else "ordinary priority",
    ]
    return {"facts": ", ".join(facts) + ".", "command": command_line, "versions": versions}


def head(conditions_of):
    """The conditions of the points, by their keys: once for all that were measured in one run."""
    runs = []
    for key, found in conditions_of.items():
        run = next((run for run in runs if run[0] == found), None)
        if run is None:
            runs.append((found, [key]))
        else:
            run[1].append(key)
    lines = []
    for found, keys in runs:
        if len(runs) > 1:
            lines += [f"Of {', '.join(keys)}:", ""]
        lines += [found["facts"], "", f"`{found['command']}`", "",
                  *(f"- {name}: {version}" for name, version in found["versions"].items()), ""]
    return "\n".join(lines)


def whole(head_, points, tables, pictures):
    """The report on a run: `points` are rows by key, `tables` texts in the order of the points."""
    shown = [f"![{title}](comparison/{name})\n" for name, (title, _) in pictures.items()]
    return "\n".join(["# Apus beside its peers\n", head_, target_table(points), *shown,
                      "## Points\n", *tables])
