# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks/workers: a run of seconds says what a message costs with one worker and with two."""

import os
import pathlib
import re
import subprocess

import pytest

import apus
import load

COMMAND = pathlib.Path(__file__).resolve().parents[2] / "Benchmarks" / "workers"


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two workers need two cores")
def test_both_are_measured_and_compared():
    result = subprocess.run(
        [COMMAND, "--apus", apus.binary(), "--apus-load", load.binary(), "--rounds", "3",
         "--duration", "200ms", "--connections", "5", "--rate", "500"],
        capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    one, two = (float(cost) for cost in re.findall(r"workers? +([\d.]+) µs", result.stdout))
    middle, low, high = map(float, re.search(r"one +(\S+) \((\S+)–(\S+)\)", result.stdout).groups())
    assert one > 0 and two > 0
    assert 0 < low <= middle <= high
