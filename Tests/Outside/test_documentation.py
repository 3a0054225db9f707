# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""DocC takes the catalogues without a warning, every public symbol is told of, examples compile."""

import json
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODULES = ["Apus", "ApusProtocol", "ApusCodec"]
ARTICLES = sorted((ROOT / "Sources/Apus/Apus.docc").glob("*.md"))

# What the articles' examples that are no whole programs may use.
PRELUDE = """\
import Apus
import ApusCodec
import ApusProtocol
import HTTPTypes
import Logging

let server = WebSocketServer(httpServer: HTTPServer(port: 0))
func isWelcome(_ cookies: [Cookie]) async throws -> Bool { !cookies.isEmpty }
"""


def run(*command):
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


@pytest.fixture(scope="module")
def documentation(tmp_path_factory):
    """What tools/docs makes, with what it says."""
    folder = tmp_path_factory.mktemp("docs")
    result = run(str(ROOT / "tools/docs"), str(folder))
    if result.returncode == 69:
        pytest.skip(result.stdout)
    return folder, result


def symbols(folder, module):
    graph = json.loads((folder / f"{module}.symbols" / f"{module}.symbols.json").read_text())
    # What the compiler or the standard library adds is told of there.
    return [
        each for each in graph["symbols"] if "::SYNTHESIZED::" not in each["identifier"]["precise"]
    ]


@pytest.mark.seconds(120)
def test_catalogues_convert_without_a_warning(documentation):
    folder, result = documentation
    assert result.returncode == 0, result.stdout
    for module in MODULES:
        assert (folder / f"{module}.doccarchive/index.html").exists()


@pytest.mark.parametrize("module", MODULES)
def test_every_public_symbol_is_documented(documentation, module):
    found = symbols(documentation[0], module)
    assert len(found) > 100, "the symbols were not found"
    bare = [".".join(each["pathComponents"]) for each in found if "docComment" not in each]
    assert not bare


@pytest.mark.parametrize("module", MODULES)
def test_every_public_type_has_its_topic(documentation, module):
    page = (ROOT / f"Sources/{module}/{module}.docc/{module}.md").read_text()
    listed = re.findall(r"^- ``(\w+)``$", page, re.M)
    tops = {each["pathComponents"][0] for each in symbols(documentation[0], module)}
    assert sorted(listed) == sorted(tops)


def search_paths():
    folders = [ROOT / ".build" / configuration / "Modules" for configuration in ("debug", "release")]
    built = [folder for folder in folders if (folder / "Apus.swiftmodule").exists()]
    assert built, "no module is built: swift build"
    newest = max(built, key=lambda folder: (folder / "Apus.swiftmodule").stat().st_mtime)
    maps = ROOT.glob("CShims/**/module.modulemap")
    return [part for path in [newest, *(each.parent for each in maps)] for part in ("-I", path)]


EXAMPLES = [
    pytest.param(code, id=f"{path.stem}-{number}")
    for path in ARTICLES
    for number, code in enumerate(re.findall(r"^```swift\n(.+?)^```", path.read_text(), re.M | re.S))
    if "import PackageDescription" not in code
]


@pytest.mark.parametrize("code", EXAMPLES)
def test_example_of_an_article_compiles(code, tmp_path):
    source = tmp_path / "main.swift"
    source.write_text(code if code.startswith("import") else PRELUDE + code)
    result = run(
        "swiftc", "-typecheck", "-swift-version", "6", "-warnings-as-errors",
        "-enable-upcoming-feature", "MemberImportVisibility",
        *(["-parse-as-library"] if "@main" in code else []), *search_paths(), source,
    )
    assert result.returncode == 0, result.stdout
