# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0

"""What a run with very many connections says, for people."""

import datetime
import os
import platform

from bench import commit, processor
from holding.accounting import grown, in_use, kernel_rows, user_row
from holding.machine import GIB


def head(command_line):
    return (f"{datetime.date.today()}, Linux {platform.release()}, {processor()},"
            f" {os.cpu_count()} cores, {os.sysconf('SC_PHYS_PAGES') * 4096 / GIB:.0f} GiB,"
            f" Apus at {commit()}: `{command_line}`")


def latency(figures):
    return (f"p50 {figures['p50'] / 1000:,.1f} ms, p99 {figures['p99'] / 1000:,.1f} ms,"
            f" max {figures['max'] / 1000:,.1f} ms")


def faults(result):
    """What is wrong with a load's result; empty if nothing is."""
    found = [f"{result[key]:,} {key}" for key in ("lost", "duplicated", "reordered", "corrupted")
             if result[key]]
    if result["connections"]["failed"]:
        found.append(f"{result['connections']['failed']:,} connections failed")
    return found + [f"{kind}: {count:,}" for kind, count in result["errors"].items()]


def holding(run):
    """What happened to the connections."""
    idle, echo = run.idle, run.echo
    opened = [worker["connections_open"] for worker in run.workers]
    quieted = sum(worker["connections_quieted"] for worker in run.workers)
    latest = run.held_after
    return "\n".join([
        f"- **{idle['connections']['opened']:,}** of {run.connections:,} connections opened in"
        f" {latest:,.0f} s ({run.connections / latest:,.0f}/s), handshakes"
        f" {latency(idle['handshake_us'])}; {run.overflows:,} found a listener's queue full.",
        f"- The server's own count at the peak: {sum(opened):,} open on {len(opened)} workers,"
        f" {min(opened):,} to {max(opened):,} on each; {quieted:,} times one was silent for a"
        " keepalive interval, was pinged by the server and is polled since;"
        f" {sum(worker['keepalive_timeouts'] for worker in run.workers):,} answered too late.",
        f"- The load pinged each once: {idle['messages']:,} pongs, {latency(idle['latency_us'])};"
        f" faults: {', '.join(faults(idle)) or 'none'}.",
        f"- {echo['connections']['opened']:,} more connections echoed meanwhile,"
        f" {echo['messages_per_second']:,.0f} messages/s: {echo['messages']:,} messages,"
        f" {latency(echo['latency_us'])}; faults: {', '.join(faults(echo)) or 'none'}.",
    ])


def cell(number):
    return f"{number:,.0f}"


def line(what, server, load):
    return f"| {what} | {cell(server)} | {cell(load)} | {cell(server + load)} |"


def sizes(sample, program):
    found = sample.processes[program]
    return f"{found['Pss'] / GIB:.2f} (RSS {found['Rss'] / GIB:.2f})"


def memory(base, peak, connections):
    """The table of bytes for each connection."""
    rows = kernel_rows(base, peak, connections)
    _, listed = grown(base, peak, connections)
    user = user_row(base, peak, connections)
    kernel = [sum(row[column] for row in rows) for column in (1, 2)]
    taken = in_use(peak) - in_use(base)
    foreign = ((peak.sockets["alloc"] - peak.sockets["inuse"])
               - (base.sockets["alloc"] - base.sockets["inuse"]))
    return "\n".join([
        "| bytes for each connection | server | load | both |", "|---|---:|---:|---:|",
        line("**user space** (PSS)", *user),
        *(line(what, server, load) for what, server, load in rows),
        line("**kernel**", *kernel),
        line("**all**", user[0] + kernel[0], user[1] + kernel[1]),
        "",
        f"All times {connections:,}: {(sum(user) + sum(kernel)) * connections / GIB:.2f} GiB."
        f" The whole machine, without what it keeps of files, took {taken / GIB:.2f} GiB more: with"
        f" what others did meanwhile ({foreign:+,} sockets), and with {listed * connections:,.0f}"
        " names that the kernel keeps for whoever lists /proc/PID/fd, and frees when it wants"
        " memory.",
        f"Server: PSS {sizes(base, 'server')} → {sizes(peak, 'server')} GiB; load:"
        f" {sizes(peak, 'load')} GiB.",
    ])


def whole(run, title):
    return "\n\n".join([
        title, holding(run),
        "### Held, pinged, and 1,000 echoing",
        memory(run.base, run.peak, run.connections),
        "### Held, before the pings",
        memory(run.base, run.held, run.connections),
    ]) + "\n"
