# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The Autobahn conformance cases: the echo app as the server, an example as the client."""

import json
import os
import subprocess

import pytest

import examples
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


@pytest.fixture
def sections():
    quick = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]
    return quick + ["9.*"] if os.environ.get("APUS_AUTOBAHN_ALL") else quick


@pytest.fixture
def check(sections, tmp_path, note):
    """Runs the cases, of `run-server-cases` or `run-client-cases`, and sees that all passed."""

    def check(tool, before=(), behind=()):
        run = subprocess.run(
            [TOOLS / tool, *before, "--cases", ",".join(sections)]
            + ["--outdir", str(tmp_path), "--timeout", "1500", *behind],
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

    return check


@pytest.mark.autobahn
@pytest.mark.seconds(900)
def test_every_case_passes(suite, check):
    with Server(*LIMITS) as server:
        check("run-server-cases", before=[server.url])


@pytest.fixture
def compressed_sections(sections):
    """All cases that compress, or messages of 16 and 4096 bytes, and 8192 in fragments."""
    is_whole = "9.*" in sections
    sections[:] = ["12.*", "13.*"] if is_whole else ["12.*.1", "12.*.5", "13.*.5", "13.*.11"]


@pytest.mark.autobahn
@pytest.mark.seconds(1800)
@pytest.mark.parametrize("mode", ["shared", "dedicated"])
def test_every_case_that_compresses_passes(suite, compressed_sections, check, mode):
    with Server(*LIMITS, "--compression", mode, "--compression-threshold", "1") as server:
        check("run-server-cases", before=[server.url])


@pytest.mark.autobahn
@pytest.mark.seconds(1800)
@pytest.mark.parametrize("mode", [[], ["shared"]], ids=["dedicated", "shared"])
def test_every_case_that_compresses_passes_with_a_client(suite, compressed_sections, check, mode):
    client = examples.binary("AutobahnClient")
    check("run-client-cases", behind=["--", client, "{url}", "{agent}", *mode])


@pytest.mark.autobahn
@pytest.mark.seconds(900)
def test_every_case_passes_over_tls(suite, check):
    with Server("--tls-self-signed", *LIMITS) as server:
        check("run-server-cases", before=[server.url])


@pytest.mark.autobahn
@pytest.mark.seconds(900)
def test_every_case_of_a_client_passes(suite, check):
    client = examples.binary("AutobahnClient")
    check("run-client-cases", behind=["--", client, "{url}", "{agent}"])
