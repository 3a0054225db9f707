# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The Autobahn conformance cases against the echo app."""

import json
import os
import subprocess

import pytest

from apus import ROOT, Server

TOOLS = ROOT / "tools" / "autobahn"
LIMITS = (
    "--max-received-frame-size 16MiB --max-received-message-size 16MiB --max-send-queue 64MiB "
    # Section 9 cuts 4 MiB into pieces of 64 bytes.
    "--max-fragments 100000"
).split()
PASSED = ("OK", "INFORMATIONAL")


@pytest.fixture(scope="module")
def suite():
    result = subprocess.run(
        [TOOLS / "setup"], capture_output=True, text=True, timeout=1200, check=False
    )
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(f"the Autobahn suite cannot be installed: {reason}")


@pytest.mark.autobahn
@pytest.mark.seconds(900)
def test_every_case_passes(suite, tmp_path, note):
    sections = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]
    if os.environ.get("APUS_AUTOBAHN_ALL"):
        sections.append("9.*")
    with Server(*LIMITS) as server:
        run = subprocess.run(
            [TOOLS / "run-server-cases", server.url, "--cases", ",".join(sections)]
            + ["--outdir", str(tmp_path), "--timeout", "600"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    assert run.returncode in (0, 1), run.stdout
    (results,) = json.loads((tmp_path / "index.json").read_text()).values()
    assert results, run.stdout
    bad = {
        case: (result["behavior"], result["behaviorClose"])
        for case, result in results.items()
        if result["behavior"] not in PASSED or result["behaviorClose"] not in PASSED
    }
    note(f"{len(results) - len(bad)} of {len(results)} cases of sections {', '.join(sections)}")
    assert not bad, f"cases that are neither OK nor INFORMATIONAL: {bad}"
    assert run.returncode == 0, run.stdout
