# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The programs of Sources/Examples, built with everything else by `swift build`."""

import subprocess

from apus import ROOT


def binary(name):
    """The newest build of an example."""
    builds = [ROOT / ".build" / configuration / name for configuration in ("release", "debug")]
    builds = [path for path in builds if path.exists()]
    if not builds:
        raise FileNotFoundError(f"{name} is not built: swift build --product {name}")
    return str(max(builds, key=lambda path: path.stat().st_mtime))


def start(name, *arguments):
    """An example that runs; its output is a stream of text."""
    return subprocess.Popen(
        [binary(name), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(name, *arguments, seconds=20):
    """An example's exit code, and the lines that it printed."""
    with start(name, *arguments) as process:
        output, _ = process.communicate(timeout=seconds)
    return process.returncode, output.splitlines()
