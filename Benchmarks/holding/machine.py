# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0

"""What very many connections need of the machine, and a network of its own for them."""

import ctypes
import os
import pathlib
import resource
import subprocess

from bench import Skip

# Both ends of a connection with their share of user space: measured, and a tenth more.
BYTES_PER_CONNECTION = 11 << 10
# A worker or a process of the load: its program, ring, receive buffers and descriptor table.
BYTES_PER_PROCESS = 8 << 20
# What the rest of the machine may come to want meanwhile.
BYTES_RESERVED = 2 << 30
GIB = 1 << 30

# The kernel chooses a worker by a hash, so some get more than others: of 20,000 descriptors these.
PART_OF_DESCRIPTORS = 0.92
CONNECTIONS_PER_ADDRESS = 10000

CLONE_NEWNET = 0x40000000


def descriptors_max():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def process_count(connections):
    """Workers, and as many processes of the load, for their descriptors."""
    return max(2, -(-connections // int(descriptors_max() * PART_OF_DESCRIPTORS)))


def source_addresses(connections):
    """So many of 127.0.0.0/8 that ports are found at once."""
    number = (127 << 24) + 1 + max(1, -(-connections // CONNECTIONS_PER_ADDRESS))
    last = ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))
    return f"127.0.0.2-{last}"


def memory_needed(connections):
    return (connections * BYTES_PER_CONNECTION + 2 * process_count(connections) * BYTES_PER_PROCESS
            + BYTES_RESERVED)


def meminfo():
    """Of /proc/meminfo, in bytes."""
    lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}


def shortage(connections, files_open, files_max, available):
    """What there is too little of, and what to change; None if there is enough of all."""
    processes = 2 * process_count(connections)
    files = files_open + 2 * connections + 64 * processes
    if files > files_max:
        return (f"the system may have {files_max:,} files open and {files:,} would be needed;"
                f" sysctl fs.file-max={files + files // 10}")
    needed = memory_needed(connections)
    if needed > available:
        kept = processes * BYTES_PER_PROCESS + BYTES_RESERVED
        room = max(0, available - kept) // BYTES_PER_CONNECTION
        return (f"{available / GIB:.1f} GiB of memory are available and {needed / GIB:.1f} would be"
                f" needed: {connections:,} times {BYTES_PER_CONNECTION / 1024:.0f} KiB for both"
                f" ends, and {kept / GIB:.1f} for processes and the rest of the machine;"
                f" there is room for {room:,}")
    return None


def check(connections):
    if os.geteuid() != 0:
        raise Skip("only root may make a network namespace and read /proc/slabinfo; run it as root")
    opened, _, most = map(int, pathlib.Path("/proc/sys/fs/file-nr").read_text().split())
    if found := shortage(connections, opened, most, meminfo()["MemAvailable"]):
        raise Skip(found)


def enter_network():
    """Moves this process, and all that it starts, into a new network.

    Its ports, settings and waiting sockets are its own and go with it, no packet filter follows the
    connections, and its counters tell of nobody else.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise Skip(f"no network namespace can be made: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def socket_counts():
    """TCP sockets of this network, those in TIME_WAIT, and those of all networks."""
    for line in pathlib.Path("/proc/net/sockstat").read_text().splitlines():
        if line.startswith("TCP:"):
            words = line.split()[1:]
            return dict(zip(words[::2], map(int, words[1::2])))
    raise Skip("/proc/net/sockstat has no line on TCP")


def listen_overflows():
    """Connections that found a listener's queue full, in this network."""
    lines = [line.split() for line in pathlib.Path("/proc/net/netstat").read_text().splitlines()]
    for names, values in zip(lines[::2], lines[1::2]):
        if "ListenOverflows" in names:
            return int(values[names.index("ListenOverflows")])
    return 0
