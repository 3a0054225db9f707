# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0

"""What the benchmarks have in common: running commands, having peers, naming the machine."""

import os
import pathlib
import platform
import resource
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
CODEC = ROOT / "CShims" / "CApusCodec"
RESULTS = HERE / "results"


class Skip(Exception):
    """Why a peer is left out."""


def run(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, text=True, **options)


def output_of(*command):
    result = subprocess.run([str(part) for part in command], text=True, capture_output=True)
    return result.stdout.strip()


def reason(error):
    """The line of a failed command's complaint that says most."""
    lines = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
    return next((line for line in lines if "error" in line.lower()), lines[-1])


def with_package(package, build):
    """What `build` gives; the package is installed by apt if it fails without."""
    try:
        try:
            return build()
        except (subprocess.CalledProcessError, FileNotFoundError):
            if os.geteuid() != 0:
                raise Skip(f"{package} is missing, and only root may install it") from None
            apt = ("apt-get", "install", "-y", "--no-install-recommends", package)
            run(*apt, capture_output=True)
            return build()
    except (subprocess.CalledProcessError, OSError) as error:
        raise Skip(reason(error)) from None


def debian_version(package):
    return output_of("dpkg-query", "-W", "-f", "${Version}", package) or "version unknown"


def commit():
    return "commit " + output_of("git", "-C", ROOT, "describe", "--always", "--dirty")


def prepare(core, realtime):
    """What a process of the measurement does to itself before it becomes its program."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    def act():
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
        if core is not None:
            os.sched_setaffinity(0, {core})
        if realtime:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))

    return act


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()
