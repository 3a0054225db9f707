# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0

"""Where the memory of very many connections is: user space and kernel, the server's and the load's.

The kernel does not say whose an object is. But each end of a connection has one of each kind that
it has at all: so of a cache that grew by two objects for each connection, either end has one, and
of one that grew by one, the load has it, which always waits in a receive. What a cache takes beyond
the load's objects is the server's, and so are the holes that it leaves when it frees some.
"""

import dataclasses
import pathlib

from holding.machine import meminfo, socket_counts

PAGE = 4096
# A cache that grew by fewer objects for each connection is not about connections.
OBJECTS_MIN = 0.5
# What the kernel keeps for whoever lists /proc/PID/fd, and frees when it wants the memory; each has
# one object of the others as well.
LISTED, WITH_LISTED = "proc_inode_cache", ("dentry", "lsm_inode_cache")
# No end here has an object of these, whoever else on the machine does.
OF_OTHERS = "eventpoll_epi", "eventpoll_pwq", "tw_sock_TCP", "buffer_head", "ext4_inode_cache"


@dataclasses.dataclass
class Cache:
    objects: int
    size: int
    bytes: int
    # What an object takes in pages that are full of them.
    full: float


@dataclasses.dataclass
class Sample:
    """The machine at one moment, and the processes of each program."""

    processes: dict
    meminfo: dict
    caches: dict
    sockets: dict


def caches(text):
    """Of /proc/slabinfo: objects in use, their size, and the bytes of the cache's pages."""
    found = {}
    for line in text.splitlines()[2:]:
        words = line.split()
        slab, slabs = int(words[5]) * PAGE, int(words[-2])
        found[words[0]] = Cache(
            int(words[1]), int(words[3]), slabs * slab, slab / int(words[4]))
    return found


def process_memory(pids):
    """Bytes of processes: resident and proportional ones, and the kernel's two tables for them."""
    sums = dict.fromkeys(("Rss", "Pss", "page tables", "descriptor tables"), 0)
    for pid in pids:
        rollup, status = (
            dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/{name}").read_text()
                 .splitlines()[skipped:])
            for name, skipped in (("smaps_rollup", 1), ("status", 0)))
        for key in ("Rss", "Pss"):
            sums[key] += int(rollup[key].split()[0]) * 1024
        sums["page tables"] += int(status["VmPTE"].split()[0]) * 1024
        # A pointer and two bits for each.
        sums["descriptor tables"] += int(status["FDSize"]) * 33 // 4
    return sums


def sample(**programs):
    return Sample(
        processes={name: process_memory(program.pids()) for name, program in programs.items()},
        meminfo=meminfo(),
        caches=caches(pathlib.Path("/proc/slabinfo").read_text()),
        sockets=socket_counts(),
    )


def in_use(sample):
    """Bytes of the whole machine, without what it keeps of files."""
    return sample.meminfo["MemTotal"] - sum(
        sample.meminfo[key] for key in ("MemFree", "Buffers", "Cached"))


def grown(base, peak, connections):
    """Of each cache that is about connections: objects and bytes for each, without the listed."""
    listed = (peak.caches[LISTED].objects - base.caches[LISTED].objects) / connections
    found = {}
    for name, cache in peak.caches.items():
        if name == LISTED or name in OF_OTHERS:
            continue
        before = base.caches.get(name, Cache(0, cache.size, 0, cache.full))
        objects = (cache.objects - before.objects) / connections
        kept = objects - listed if name in WITH_LISTED else objects
        if kept >= OBJECTS_MIN:
            found[name] = kept, (cache.bytes - before.bytes) / connections * kept / objects
    return found, listed


def kernel_rows(base, peak, connections):
    """(what, the server's bytes, the load's bytes) for each connection."""
    rows = []
    for name, (objects, size) in grown(base, peak, connections)[0].items():
        cache = peak.caches[name]
        load = min(1, objects) * cache.full
        rows.append((f"{name}, {objects:.2f} objects of {cache.size} B", size - load, load))
    rows.sort(key=lambda row: -row[2])
    for name in ("page tables", "descriptor tables"):
        server = peak.processes["server"][name] - base.processes["server"][name]
        rows.append((name, server / connections, peak.processes["load"][name] / connections))
    buffers = (peak.sockets["mem"] - base.sockets["mem"]) * PAGE / connections
    return [*rows, ("bytes in sockets", buffers / 2, buffers / 2)]


def user_row(base, peak, connections):
    """The server's bytes over its base, and all of the load's, for each connection."""
    server = peak.processes["server"]["Pss"] - base.processes["server"]["Pss"]
    return server / connections, peak.processes["load"]["Pss"] / connections
