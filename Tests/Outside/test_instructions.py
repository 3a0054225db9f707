# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""Codec and protocol take no more instructions than Benchmarks/instructions.json says."""

import importlib.machinery
import importlib.util
import pathlib
import shutil
import subprocess

import pytest

COMMAND = pathlib.Path(__file__).resolve().parents[2] / "Benchmarks" / "run-instructions"

loader = importlib.machinery.SourceFileLoader("instructions", str(COMMAND))
instructions = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
loader.exec_module(instructions)

TOOLS = {"swift": "6.3.1", "codec": "avx2"}


@pytest.mark.parametrize("now, status", [
    ({"ping": 103}, 0), ({"ping": 10}, 0), ({"ping": 104}, 1),
    # What is counted has to be committed, and what is committed to be counted.
    ({"ping": 100, "pong": 1}, 1), ({}, 1),
])
def test_a_workload_may_not_grow_by_over_3_percent(now, status):
    committed = {"tools": TOOLS, "instructions": {"ping": 100}}
    assert instructions.judge(now, TOOLS, committed) == status


def test_counts_of_other_tools_are_not_judged(capsys):
    committed = {"tools": TOOLS | {"swift": "6.2"}, "instructions": {"ping": 100}}
    assert instructions.judge({"ping": 1000}, TOOLS, committed) == 0
    assert "reported only" in capsys.readouterr().out


@pytest.mark.seconds(300)
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="there is no valgrind")
def test_workloads_take_what_was_committed():
    result = subprocess.run([COMMAND], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    last = result.stdout.splitlines()[-1]
    if last.startswith("reported only"):
        pytest.skip(last)
