# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks/million: its preflight, its arithmetic, and a run with a few connections."""

import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

import apus
import load

BENCHMARKS = pathlib.Path(__file__).resolve().parents[2] / "Benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from bench import Skip  # noqa: E402
from holding import accounting, machine  # noqa: E402
from holding.accounting import Cache, Sample  # noqa: E402


def command(*flags):
    return [BENCHMARKS / "million", "--apus", apus.binary(), "--apus-load", load.binary(),
            "--hold", "10", *flags]


def can_make_networks():
    return os.geteuid() == 0 and subprocess.run(
        ["unshare", "--net", "ip", "link", "set", "lo", "up"], capture_output=True).returncode == 0


needs_networks = pytest.mark.skipif(
    not can_make_networks(), reason="network namespaces need root")


def processes(pss):
    return {"Pss": pss, "Rss": pss, "page tables": 0, "descriptor tables": 0}


def cache(objects, size):
    return Cache(objects, size, objects * size, size)


def sample(caches, **pss):
    return Sample({name: processes(size) for name, size in pss.items()}, {},
                  {"proc_inode_cache": cache(0, 696)} | caches, {"mem": 0})


def test_either_end_has_one_of_two_objects_and_the_load_the_only_one():
    base = sample({"TCP": cache(10, 2368), "kmalloc-512": cache(50, 512)}, server=1000)
    peak = sample({"TCP": cache(210, 2368), "kmalloc-512": cache(150, 512),
                   "ext4_inode_cache": cache(9, 1128)}, server=25000, load=60000)
    rows = {what.split(",")[0]: ends for what, *ends in accounting.kernel_rows(base, peak, 100)}
    assert rows["TCP"] == [2368, 2368]
    assert rows["kmalloc-512"] == [0, 512]
    assert "ext4_inode_cache" not in rows
    assert accounting.user_row(base, peak, 100) == (240, 600)


def test_holes_are_the_servers():
    base = sample({"kmalloc-512": cache(0, 512)}, server=0)
    peak = sample({"kmalloc-512": Cache(150, 512, 200 * 512, 512)}, server=0, load=0)
    assert accounting.kernel_rows(base, peak, 100)[0][1:] == (512, 512)


def test_names_that_somebody_listed_are_not_the_connections():
    base = sample({"dentry": cache(0, 192)}, server=0)
    peak = sample({"dentry": cache(400, 192), "proc_inode_cache": cache(200, 696)},
                  server=0, load=0)
    found, listed = accounting.grown(base, peak, 100)
    assert found == {"dentry": (2, 384)}
    assert listed == 2


def test_slabinfo_is_read_by_pages():
    text = ("slabinfo - version: 2.1\n# name …\n"
            "TCP 1600 1651 2368 13 8 : tunables 0 0 0 : slabdata 127 127 0\n")
    assert accounting.caches(text) == {"TCP": Cache(1600, 2368, 127 * 8 * 4096, 8 * 4096 / 13)}


@pytest.mark.parametrize("connections", [1, 20000, 1_000_000])
def test_descriptors_and_ports_are_enough(monkeypatch, connections):
    monkeypatch.setattr(machine, "descriptors_max", lambda: 20000)
    # Of hashed connections a worker gets 5 standard deviations more at the very most.
    mean = connections / machine.process_count(connections)
    assert mean + 5 * mean ** 0.5 < 20000 - 32
    first, last = machine.source_addresses(connections).split("-")
    (*_, a, b), (*_, c, d) = (map(int, end.split(".")) for end in (first, last))
    assert ((c - a) * 256 + d - b + 1) * machine.CONNECTIONS_PER_ADDRESS >= connections


def test_too_little_memory_is_said_with_what_there_is_room_for():
    said = machine.shortage(900_000, 0, 10**8, 8 << 30)
    room = int(re.search(r"8\.0 GiB .* room for ([\d,]+)", said)[1].replace(",", ""))
    assert room < 900_000
    assert machine.shortage(room, 0, 10**8, 8 << 30) is None


def test_too_few_files_are_said_with_a_number_that_is_enough():
    said = machine.shortage(1_000_000, 5000, 2_000_000, 1 << 40)
    files = int(re.search(r"fs\.file-max=(\d+)", said)[1])
    assert machine.shortage(1_000_000, 5000, files, 1 << 40) is None


@needs_networks
def test_a_run_holds_pings_echoes_and_accounts_for_all():
    result = subprocess.run(command("--connections", "2000"), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "**2,000** of 2,000 connections" in result.stdout
    assert "2,000 pongs" in result.stdout
    assert "1,000 more connections echoed" in result.stdout
    rows = re.findall(r"^\| \*\*(user space|kernel|all)\*\*.*\| ([\d,-]+) \|$", result.stdout, re.M)
    sums = [int(number.replace(",", "")) for _, number in rows]
    assert [name for name, _ in rows] == ["user space", "kernel", "all"] * 2
    assert abs(sums[0] + sums[1] - sums[2]) <= 1


@needs_networks
def test_an_ended_run_leaves_nothing_behind(tmp_path):
    mark = f"APUS_TEST_MARK={tmp_path}"
    environment = os.environ | dict([mark.split("=")])
    run = subprocess.Popen(command("--connections", "5000", "--connect-rate", "100"),
                           stderr=subprocess.PIPE, text=True, env=environment)
    assert "workers serve" in run.stderr.readline()
    run.send_signal(signal.SIGTERM)
    assert run.wait(timeout=120) == 128 + signal.SIGTERM
    run.stderr.close()
    left = [path for path in pathlib.Path("/proc").glob("[0-9]*/environ")
            if mark.encode() in read(path)]
    assert left == []


def read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""
