# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0

"""How programs and libraries are had: compilers, Debian's packages, PyPI, Swift packages."""

import json
import os
import subprocess
import sys

from bench import CODEC, HERE, ROOT, Skip, output_of, reason, run, with_package

PEERS = HERE / "peers"
CLIENT = HERE / "client"
SWIFT_PEERS = HERE / "swift-peers"
BINARIES = HERE / ".build" / "compare"
PYTHON = HERE / ".venv" / "bin" / "python"
TRAITS = output_of(ROOT / "tools" / "traits").split()


def is_newer(binary, sources):
    return binary.exists() and all(
        path.stat().st_mtime < binary.stat().st_mtime for path in sources)


def compile_c(name, files, *libraries):
    BINARIES.mkdir(parents=True, exist_ok=True)
    binary = BINARIES / name
    headers = [path for folder in (CLIENT, PEERS, CODEC) for path in folder.rglob("*.h")]
    if is_newer(binary, [*files, *headers, *CODEC.glob("*.c")]):
        return binary
    command = [os.environ.get("CC", "cc"), "-std=c11", "-O2", "-D_GNU_SOURCE", "-Wall", "-Wextra"]
    command += [f"-I{CODEC / 'include'}", "-o", binary, *files, *sorted(CODEC.glob("*.c"))]
    run(*command, *libraries, stderr=subprocess.PIPE)
    return binary


def client():
    try:
        sources = sorted(CLIENT.glob("*.c"))
        return with_package("liburing-dev", lambda: compile_c("client", sources, "-luring", "-lz"))
    except Skip as skip:
        sys.exit(f"the client: {skip}")


def go(name):
    """A program over what Debian has of Go, offline."""
    BINARIES.mkdir(parents=True, exist_ok=True)
    binary = BINARIES / name
    environment = os.environ | {
        "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(BINARIES / "go-cache"),
    }
    run("go", "build", "-o", binary, PEERS / f"{name}.go", env=environment, stderr=subprocess.PIPE)
    return binary


def swift(package, product):
    location = ("--package-path", package, "-c", "release")
    try:
        run("swift", "build", *location, "--product", product, stdout=sys.stderr)
    except (subprocess.CalledProcessError, OSError) as error:
        raise Skip(reason(error)) from None
    return package / ".build" / "release" / product


def apus(product="apus"):
    try:
        run("swift", "build", *TRAITS, "-c", "release", "--product", product, cwd=ROOT,
            stdout=sys.stderr)
    except (subprocess.CalledProcessError, OSError) as error:
        raise Skip(reason(error)) from None
    return ROOT / ".build" / "release" / product


def python(module, *others):
    """The interpreter that has these modules from PyPI, in an environment of its own."""
    try:
        if not PYTHON.exists():
            run(sys.executable, "-m", "venv", PYTHON.parent.parent, capture_output=True)
        for name in (module, *others):
            if not pypi_version(name):
                run(PYTHON, "-m", "pip", "install", "-q", name, capture_output=True)
    except (subprocess.CalledProcessError, OSError) as error:
        raise Skip(reason(error)) from None
    return PYTHON


def pypi_version(name):
    query = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
    return output_of(PYTHON, "-c", query, name)


def package_version(identity):
    """The version of a package of SWIFT_PEERS as it was resolved."""
    pins = json.loads((SWIFT_PEERS / "Package.resolved").read_text())["pins"]
    versions = [pin["state"].get("version") for pin in pins if pin["identity"] == identity]
    return versions[0] if versions else "version unknown"
