# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks/tls: a run of seconds, and what it refuses."""

import pathlib
import re
import subprocess

import apus
import load

TOOL = pathlib.Path(__file__).resolve().parents[2] / "Benchmarks" / "tls"


def run(*flags):
    return subprocess.run(
        [TOOL, "--apus", apus.binary(), "--apus-load", load.binary(), "--rounds", "3",
         "--duration", "50ms", "--connections", "2", *flags],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_run_measures_and_prints():
    result = run("--servers", "apus-plain", "--sizes", "20,16KiB")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("apus: ") and "; TLSv1.3 TLS_" in lines[0]
    assert lines[1].startswith("apus-plain: ") and lines[1].endswith("; no TLS")
    assert [line for line in lines if line.endswith("in each of the messages")] == [
        f"{size} in each of the messages" for size in ("20", "16KiB")
    ]
    ours = [line for line in lines if re.fullmatch(r"\| apus \| \d+\.\d\d \| [\d,]+ \|  \|", line)]
    ratio = r"\d+\.\d{3} \(\d+\.\d{3}–\d+\.\d{3}\)"
    plain = rf"\| apus-plain \| \d+\.\d\d \| [\d,]+ \| {ratio} \|"
    assert len(ours) == len([line for line in lines if re.fullmatch(plain, line)]) == 2


def test_what_it_does_not_know_is_refused():
    for flags, problem in [
        (("--servers", "apus-plain,nobody"), "no server is called nobody"),
        (("--rounds", "2"), "quartiles need three rounds"),
    ]:
        result = run(*flags)
        assert result.returncode == 2
        assert problem in result.stderr
