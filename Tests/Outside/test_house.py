# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The walls between the modules, as far as the package manifest cannot build them."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What each Swift module may import. Glibc is the system: codec and protocol do without it.
IMPORTS = {
    "ApusCodec": {"CApusCodec"},
    "ApusProtocol": {"ApusCodec"},
    "ApusRing": {"CApusRing", "Glibc"},
    "ApusDeflate": {"CISAL", "CZlib"},
    "ApusSupervisor": {"CApusSystem", "Glibc"},
    "ApusTLS": {"CApusTLS"},
    "Apus": {
        "ApusCodec", "ApusDeflate", "ApusProtocol", "ApusRing", "ApusSupervisor", "ApusTLS",
        "CApusSystem",
        "Glibc", "HTTPTypes", "Logging", "Synchronization",
    },
    "ApusCommandLine": {"ApusProtocol", "CApusSystem", "ArgumentParser", "Glibc"},
    "ApusCommand": {
        "Apus", "ApusCommandLine", "ApusProtocol", "ApusRing", "CApusSystem",
        "ArgumentParser", "Glibc", "HTTPTypes", "Logging",
    },
    # Foundation is for its command alone, which waits; the engine does without.
    "ApusLoad": {
        "ApusCodec", "ApusCommandLine", "ApusDeflate", "ApusProtocol", "ApusRing", "ApusTLS",
        "CApusSystem",
        "ArgumentParser", "FoundationEssentials", "Glibc", "Histogram",
    },
    # What their users have.
    "Examples": {"Apus", "ApusCodec", "ApusProtocol", "Glibc", "HTTPTypes", "Logging"},
}

# What the codec may include besides its own files: the language, the processor's intrinsics, and the
# one question for which aarch64 needs the system: what the processor has.
CODEC_HEADERS = {
    "stdatomic.h", "stdbool.h", "stddef.h", "stdint.h", "string.h",
    "arm_neon.h", "cpuid.h", "immintrin.h", "sys/auxv.h",
}


def sources(folder, *suffixes):
    return [path for path in (ROOT / folder).rglob("*") if path.suffix in suffixes]


@pytest.mark.parametrize("module", IMPORTS)
def test_module_imports_only_what_is_below_it(module):
    found = set()
    for path in sources(f"Sources/{module}", ".swift"):
        found |= set(re.findall(r"^(?:\w+ |@\w+ )*import (?:\w+ )?(\w+)", path.read_text(), re.M))
    assert found, "the module's files were not found"
    assert found <= IMPORTS[module]


def test_every_module_has_its_wall():
    assert {path.name for path in (ROOT / "Sources").iterdir()} == set(IMPORTS)
    shims = {path.name for path in (ROOT / "CShims").iterdir()}
    assert shims == {
        "CApusCodec", "CApusRing", "CApusSystem", "CApusTLS", "CISAL", "CLiburing", "COpenSSL",
        "CZlib",
    }


def test_codec_includes_nothing_but_the_language():
    files = sources("CShims/CApusCodec", ".c", ".h")
    assert files
    found = {name for path in files for name in re.findall(r"#include <(.+)>", path.read_text())}
    assert found <= CODEC_HEADERS


def test_errors_are_not_swallowed():
    for path in sources("Sources", ".swift"):
        text = path.read_text()
        for banned, instead in [
            (r"\btry\?", "handle the error"),
            (r"\btry!", "handle the error"),
            (r"\bas!", "a type that says so"),
            (r"catch \{\s*\}", "handle the error"),
            (r"\bfatalError\(", "preconditionFailure with state and event"),
        ]:
            assert not re.search(banned, text), f"{path.name}: {banned}; instead: {instead}"
