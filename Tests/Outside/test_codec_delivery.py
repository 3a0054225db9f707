# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The codec as other programs get it: two files, libraries, and the examples that use them."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

import wire

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs/codec/examples"
WARNINGS = ["-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
CROSS = "aarch64-linux-gnu-gcc"
EMULATOR = "qemu-aarch64"
COMPILERS = {"gcc": "g++", "clang": "clang++"}
LICENSE = (
    "// This source file is part of the Apus project\n// SPDX-License-Identifier: Apache-2.0\n"
)

# What every echo example prints, §1.3 and §5.7 of RFC 6455.
STORY = [
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    "client sends: 81 85 37 fa 21 3d 7f 9f 4d 51 58",
    "server receives: Hello",
]


def run(*command, status=0, **options):
    """What the command printed; fails with its messages if it ends with another status."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    text = done.stdout + done.stderr
    assert done.returncode == status, f"{command} ended with {done.returncode}:\n{text}"
    return done.stdout


def need(*tools):
    """Skips the test where a tool is not installed."""
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"there is no {tool}")


@pytest.fixture(scope="module")
def amalgamation(tmp_path_factory):
    """A folder with nothing but the two files."""
    folder = tmp_path_factory.mktemp("amalgamation")
    run(ROOT / "tools/amalgamate", folder)
    return folder


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """What tools/install-codec makes, at another place than it was made for."""
    folder = tmp_path_factory.mktemp("prefix")
    run(ROOT / "tools/install-codec", folder / "made")
    return (folder / "made").rename(folder / "moved")


@pytest.fixture(scope="module")
def declared(amalgamation):
    """The functions in the header."""
    text = (amalgamation / "apus_codec.h").read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    names = set(re.findall(r"\b(apus_\w+)\(", text))
    names -= set(re.findall(r"\bstatic inline\b[^;{]*?\b(apus_\w+)\(", text))
    assert "apus_mask" in names
    return names


@pytest.fixture(scope="module")
def frames(amalgamation, tmp_path_factory):
    """The dissector, from the amalgamation alone."""
    program = tmp_path_factory.mktemp("frames") / "frames"
    run("gcc", "-std=c11", *WARNINGS, f"-I{amalgamation}", EXAMPLES / "frames.c",
        amalgamation / "apus_codec.c", "-o", program)
    return program


# ---- The two files ----


def test_amalgamation_is_the_same_each_time(amalgamation, tmp_path):
    run(ROOT / "tools/amalgamate", cwd=tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(os.listdir(amalgamation))
    for file in ("apus_codec.c", "apus_codec.h"):
        assert (tmp_path / file).read_bytes() == (amalgamation / file).read_bytes()


def test_amalgamation_includes_nothing_of_its_own_but_its_header(amalgamation):
    for file, expected in (("apus_codec.c", ["apus_codec.h"]), ("apus_codec.h", [])):
        text = (amalgamation / file).read_text()
        assert re.findall(r'#\s*include\s*"(.*)"', text) == expected
        assert str(ROOT) not in text
        assert text.startswith(LICENSE)


@pytest.mark.parametrize("compiler", [*COMPILERS, CROSS])
def test_amalgamation_compiles_without_a_warning(amalgamation, tmp_path, compiler):
    need(compiler)
    run(compiler, "-std=c11", *WARNINGS, "-c", amalgamation / "apus_codec.c",
        "-o", tmp_path / "apus_codec.o")


def changed_sources(tmp_path, files):
    """The tool over a copy of the sources with more files, by name; how it ended."""
    shutil.copytree(ROOT / "CShims/CApusCodec", tmp_path / "CShims/CApusCodec")
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools/amalgamate", tmp_path / "tools")
    for name, text in files.items():
        (tmp_path / "CShims/CApusCodec" / name).write_text(f"{LICENSE}\n{text}")
    return subprocess.run(
        [tmp_path / "tools/amalgamate", tmp_path / "out"],
        capture_output=True, text=True, check=False,
    )


def run_with_both(tmp_path):
    """What a program prints that calls apus_one and apus_two of the changed amalgamation."""
    (tmp_path / "main.c").write_text(
        "#include <stdio.h>\nint apus_one(void), apus_two(void);\n"
        'int main(void) { printf("%d %d\\n", apus_one(), apus_two()); return 0; }\n'
    )
    run("gcc", "-std=c11", *WARNINGS, tmp_path / "main.c", tmp_path / "out/apus_codec.c",
        "-o", tmp_path / "main")
    return run(tmp_path / "main")


def test_names_that_files_share_stay_their_own(tmp_path):
    one = """
        #include "internal.h"
        #define TWICE(x) (2 * (x))
        enum { START = 1 };
        typedef struct pair { int a, b; } pair;
        static const int table[] = {TWICE(START), 3}; /* table */
        static int first, second = 0;
        typedef int reader(void);
        static int zero(void) { return first + second; }
        static reader *const reads = zero;
        static int (*const calls)(void) = zero;
        __attribute__((noinline)) static int sum(const pair *p) {
            return p->a + p->b + table[0] + reads() + calls();
        }
        int apus_one(void);
        int apus_one(void) { pair p = {.a = START, .b = table[1]}; return sum(&p); }
    """
    two = one.replace("apus_one", "apus_two").replace("START = 1", "START = 20")
    two = two.replace("2 * (x)", "3 * (x)")
    done = changed_sources(tmp_path, {"one.c": one, "two.c": two})
    assert done.returncode == 0, done.stderr
    code = (tmp_path / "out/apus_codec.c").read_text()
    for name in ("START", "pair", "table", "first", "second", "reader", "zero", "reads", "calls",
                 "sum"):
        assert re.search(rf"\bone_{name}\b", code) and re.search(rf"\btwo_{name}\b", code)
    assert "/* table */" in code
    assert run_with_both(tmp_path) == "6 83\n"


def test_headers_are_included_where_they_mean_something(tmp_path):
    """A guarded one once, one without a guard each time, one behind #if only there."""
    def guarded(name, text):
        return f"#ifndef {name}\n#define {name}\n{text}\n#endif\n"

    one = """
        #if defined(__linux__)
        #include "base.h"
        #include "linux.h"
        #else
        #include "other.h"
        #endif
        #define ADDED 1
        #include "sum.h"
        int apus_one(void);
        int apus_one(void) { return sum(LINUX); }
    """
    done = changed_sources(tmp_path, {
        "base.h": guarded("BASE_H", "enum { BASE = 40 };"),
        "linux.h": guarded("LINUX_H", '#include "base.h"\nenum { LINUX = BASE };'),
        "other.h": guarded("OTHER_H", "#error this is for another system"),
        "sum.h": '#include "base.h"\nstatic int sum(int x) { return BASE + x + ADDED; }\n',
        "one.c": one,
        "two.c": one.replace("apus_one", "apus_two").replace("ADDED 1", "ADDED 2"),
    })
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/apus_codec.c").read_text().count("BASE = 40") == 1
    assert run_with_both(tmp_path) == "81 82\n"


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("struct s { int store_big_endian; };\nstatic int store_big_endian(struct s *s) "
         "{\n    return s->store_big_endian;\n}\n", "'store_big_endian' is a member"),
        ("int extra_step;\nstatic int step(void) {\n    return extra_step;\n}\n",
         "'extra_step' is taken"),
        ("#define APUS_INLINE\n", "macro 'APUS_INLINE' of a header"),
        ('#include "nowhere.h"\n', "includes nowhere.h, which is not in"),
        ("static int half(void) {\n", "cannot read the declaration at 'static int half(void)'"),
    ],
)
def test_names_that_cannot_be_parted_are_named(tmp_path, text, complaint):
    done = changed_sources(tmp_path, {"extra.c": text})
    assert done.returncode == 1
    assert complaint in done.stderr and "extra.c" in done.stderr
    assert not (tmp_path / "out").exists()


# ---- The libraries ----


def test_shared_library_exports_what_the_header_declares(prefix, declared):
    lines = run("nm", "-D", "--defined-only", prefix / "lib/libapus_codec.so").splitlines()
    assert {line.split()[-1] for line in lines} == declared


def test_libraries_need_nothing_but_the_language(prefix):
    lines = run("nm", "-u", prefix / "lib/libapus_codec.a").splitlines()
    undefined = {line.split()[-1] for line in lines if line.strip().startswith("U ")}
    assert undefined <= {"memcpy", "memmove", "memset", "memcmp", "_GLOBAL_OFFSET_TABLE_",
                         "__stack_chk_fail"}


def test_shared_library_has_its_name_and_links(prefix):
    header = (prefix / "include/apus_codec.h").read_text()
    version = re.findall(r"#define APUS_CODEC_VERSION_M\w+ (\d+)|_PATCH (\d+)", header)
    numbers = [one or other for one, other in version]
    soname = f"libapus_codec.so.{numbers[0]}"
    full = f"libapus_codec.so.{'.'.join(numbers)}"
    assert f"[{soname}]" in run("readelf", "-d", prefix / "lib" / full)
    assert os.readlink(prefix / "lib/libapus_codec.so") == soname
    assert os.readlink(prefix / "lib" / soname) == full
    assert not (prefix / "lib" / full).is_symlink()


def pkg_config(prefix, *arguments):
    need("pkg-config")
    environment = {**os.environ, "PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig")}
    return run("pkg-config", *arguments, "apus_codec", env=environment).split()


def test_pkg_config_knows_the_version_of_the_header(prefix, tmp_path):
    program = tmp_path / "version.c"
    program.write_text(
        "#include <apus_codec.h>\n#include <stdio.h>\n"
        "int main(void) { return puts(apus_codec_version()) < 0; }\n"
    )
    run("gcc", program, f"-I{prefix}/include", prefix / "lib/libapus_codec.a",
        "-o", tmp_path / "version")
    version = run(tmp_path / "version").split()
    assert pkg_config(prefix, "--modversion") == version


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("language", ["c", "cpp"])
def test_examples_build_by_pkg_config(prefix, tmp_path, compiler, language):
    standard = "c11" if language == "c" else "c++17"
    tool = compiler if language == "c" else COMPILERS[compiler]
    need(tool)
    run(tool, f"-std={standard}", *WARNINGS, EXAMPLES / f"echo_frames.{language}",
        *pkg_config(prefix, "--cflags", "--libs"), f"-Wl,-rpath,{prefix}/lib",
        "-o", tmp_path / "echo_frames")
    assert run(tmp_path / "echo_frames").splitlines()[:3] == STORY


def test_an_embedder_inflates_messages(prefix, tmp_path):
    need("gcc")
    program = tmp_path / "inflate_messages"
    run("gcc", "-std=c11", *WARNINGS, EXAMPLES / "inflate_messages.c",
        *pkg_config(prefix, "--cflags", "--libs"), f"-Wl,-rpath,{prefix}/lib", "-lz", "-o", program)
    assert run(program).splitlines() == [
        "inflated: Hello", "as it is: hi", "the rest: close with 1002"]


@pytest.mark.parametrize("standard", ["c++17", "c++20"])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_amalgamation_is_part_of_a_program_in_cpp(amalgamation, tmp_path, compiler, standard):
    need(compiler, COMPILERS[compiler])
    run(compiler, "-std=c11", *WARNINGS, "-c", amalgamation / "apus_codec.c",
        "-o", tmp_path / "apus_codec.o")
    run(COMPILERS[compiler], f"-std={standard}", *WARNINGS, f"-I{amalgamation}",
        EXAMPLES / "echo_frames.cpp", tmp_path / "apus_codec.o", "-o", tmp_path / "echo_frames")
    assert run(tmp_path / "echo_frames").splitlines() == STORY


def test_cmake_finds_both_libraries(prefix, tmp_path):
    need("cmake")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\n"
        "project(embedder LANGUAGES C)\n"
        "find_package(apus_codec 0.1 REQUIRED CONFIG)\n"
        f"add_executable(shared {EXAMPLES}/echo_frames.c)\n"
        "target_link_libraries(shared PRIVATE apus::codec)\n"
        f"add_executable(static {EXAMPLES}/echo_frames.c)\n"
        "target_link_libraries(static PRIVATE apus::codec_static)\n"
    )
    run("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", tmp_path / "build")
    for name, needs_library in (("shared", True), ("static", False)):
        program = tmp_path / "build" / name
        assert run(program).splitlines()[:3] == STORY
        assert ("libapus_codec.so." in run("readelf", "-d", program)) == needs_library


@pytest.mark.parametrize("version", ["0.2", "1.0", "0.1.999"])
def test_cmake_refuses_another_version(prefix, tmp_path, version):
    need("cmake")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(embedder LANGUAGES NONE)\n"
        f"find_package(apus_codec {version} REQUIRED CONFIG)\n"
    )
    done = subprocess.run(
        ["cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}"],
        capture_output=True, text=True, check=False,
    )
    assert done.returncode != 0
    assert f'requested version "{version}"' in done.stderr


def test_python_example(prefix):
    told = run("python3", EXAMPLES / "echo_frames.py", prefix / "lib/libapus_codec.so.0")
    assert told.splitlines()[:3] == STORY
    assert "without a mask: close with 1002" in told


@pytest.mark.seconds(300)
def test_swift_example(tmp_path):
    need("swift")
    shutil.copytree(EXAMPLES / "swift", tmp_path / "example",
                    ignore=shutil.ignore_patterns(".build", "Package.resolved"))
    environment = {**os.environ, "APUS_PATH": str(ROOT)}
    told = run("swift", "run", "--quiet", "--package-path", tmp_path / "example",
               env=environment)
    assert told.splitlines()[-3:] == STORY


# ---- The dissector ----


def frame(first_byte, payload=b"", *, key=wire.MASK):
    """A frame with its payload masked, or not if there is no key."""
    bit = 0x80 if key else 0
    if len(payload) < 126:
        head = bytes([first_byte, bit | len(payload)])
    elif len(payload) < 65536:
        head = bytes([first_byte, bit | 126]) + len(payload).to_bytes(2, "big")
    else:
        head = bytes([first_byte, bit | 127]) + len(payload).to_bytes(8, "big")
    return head + (key + wire.mask(payload, key) if key else payload)


def dissect(program, stream, *arguments, status=0):
    done = subprocess.run([program, *arguments], input=stream, capture_output=True, check=False)
    assert done.stderr == b""
    assert done.returncode == status, done.stdout
    return done.stdout.decode().splitlines()


RECORDED = [
    (frame(0x81, b"Hello"), '0: text fin length 5 mask 37fa213d "Hello"'),
    (frame(0x01, "Gr\u00fc\u00dfe".encode()[:3]), '11: text length 3 mask 37fa213d "Gr\\xc3"'),
    (frame(0x89, b'a"b\\\n\x1b[31m'),
     '20: ping fin length 10 mask 37fa213d "a\\"b\\\\\\n\\x1b[31m"'),
    (frame(0x80, "Gr\u00fc\u00dfe".encode()[3:]),
     '36: continuation fin length 4 mask 37fa213d "\\xbc\\xc3\\x9fe"'),
    (frame(0x82), '46: binary fin length 0 mask 37fa213d ""'),
    (frame(0x8A, bytes(4), key=b"\1\2\3\4"),
     '52: pong fin length 4 mask 01020304 "\\x00\\x00\\x00\\x00"'),
    (frame(0x82, b"x" * 300),
     f'62: binary fin length 300 mask 37fa213d "{"x" * 60}"...'),
    (frame(0x81, b"y" * 70_000),
     f'370: text fin length 70000 mask 37fa213d "{"y" * 60}"...'),
    (frame(0x88, b"\x03\xe9going"),
     '70384: close fin length 7 mask 37fa213d code 1001 reason "going"'),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 13, 64, 4099, 65536])
def test_dissector_prints_a_stream_however_it_is_cut(frames, size):
    stream = b"".join(piece for piece, _ in RECORDED)
    lines = dissect(frames, stream, "--read-size", str(size))
    assert lines == [line for _, line in RECORDED]


def test_dissector_reads_what_a_client_receives(frames):
    stream = frame(0x81, b"Hello", key=None) + frame(0x88, key=None)
    assert dissect(frames, stream, "--client") == [
        '0: text fin length 5 "Hello"', '7: close fin length 0 code 1005 reason ""',
    ]


# Each with the section and the close code that the dissector has to name.
VIOLATIONS = {
    "no mask": (frame(0x81, b"x", key=None), "5.1", 1002),
    "reserved bit": (frame(0xC1, b"x"), "5.2", 1002),
    "reserved opcode": (frame(0x83, b"x"), "5.2", 1002),
    "control frame in parts": (frame(0x09, b"x"), "5.5", 1002),
    "long control frame": (frame(0x89, b"x" * 126), "5.5", 1002),
    "long form of a short length": (bytes.fromhex("81fe007d"), "5.2", 1002),
    "top bit of a length": (bytes.fromhex("81ff80"), "5.2", 1002),
    "bad text": (frame(0x81, b"ab\xff"), "8.1", 1007),
    "surrogate over two frames": (frame(0x01, b"\xed") + frame(0x80, b"\xa0\x80"), "8.1", 1007),
    "text that ends in a character": (frame(0x81, b"\xe2\x82"), "8.1", 1007),
    "close with one byte": (frame(0x88, b"\x03"), "5.5.1", 1002),
    "close code 1005": (frame(0x88, b"\x03\xed"), "7.4", 1002),
    "bad reason": (frame(0x88, b"\x03\xe8\xc0\x80"), "8.1", 1007),
    "continuation of nothing": (frame(0x80, b"x"), "5.4", 1002),
    "message in a message": (frame(0x01, b"x") + frame(0x82, b"y"), "5.4", 1002),
    "frame after close": (frame(0x88) + frame(0x81, b"x"), "5.5.1", 1002),
}


@pytest.mark.parametrize("size", ["1", "3", "65536"])
@pytest.mark.parametrize("name", VIOLATIONS)
def test_dissector_names_the_rule_that_is_broken(frames, name, size):
    stream, section, code = VIOLATIONS[name]
    before = frame(0x81, b"fine")
    lines = dissect(frames, before + stream, "--read-size", size, status=1)
    assert lines[0] == '0: text fin length 4 mask 37fa213d "fine"'
    assert re.fullmatch(
        rf"violation in the frame at \d+: .+ \(RFC 6455 §{re.escape(section)}\), close with {code}",
        lines[-1],
    )
    assert not any(line.startswith("violation") for line in lines[:-1])


def test_dissector_refuses_a_mask_from_a_server(frames):
    assert dissect(frames, frame(0x81, b"x"), "--client", status=1) == [
        "violation in the frame at 0: frame from a server with mask (RFC 6455 §5.1), "
        "close with 1002"
    ]


def test_dissector_tells_a_stream_that_is_cut_off(frames):
    whole = frame(0x81, b"Hello")
    for length in range(1, len(whole)):
        lines = dissect(frames, whole[:length], status=1)
        assert lines == [f"the stream ends inside of a frame, at {length}"]
    lines = dissect(frames, frame(0x01, b"Hel"), status=1)
    assert lines[1:] == ["the stream ends inside of a message, at 9"]


@pytest.mark.parametrize("arguments", [["--what"], ["--read-size"], ["--read-size", "0"]])
def test_dissector_refuses_other_arguments(frames, arguments):
    done = subprocess.run([frames, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert done.stderr.startswith("usage: frames")


# ---- Another processor ----


def test_codec_runs_on_aarch64(amalgamation, tmp_path):
    need(CROSS, EMULATOR)
    flags = ["-std=c11", "-static", *WARNINGS, f"-I{amalgamation}"]
    for name in ("frames", "echo_frames"):
        run(CROSS, *flags, EXAMPLES / f"{name}.c", amalgamation / "apus_codec.c",
            "-o", tmp_path / name)
    assert run(EMULATOR, tmp_path / "echo_frames").splitlines()[:3] == STORY
    stream = b"".join(piece for piece, _ in RECORDED)
    done = subprocess.run([EMULATOR, tmp_path / "frames", "--read-size", "97"], input=stream,
                          capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stdout.decode().splitlines() == [line for _, line in RECORDED]


def test_vector_code_agrees_with_portable_code_on_aarch64(amalgamation, tmp_path):
    need(CROSS, EMULATOR)
    program = tmp_path / "agree.c"
    program.write_text(AGREE)
    run(CROSS, "-std=c11", "-static", *WARNINGS, f"-I{amalgamation}", program,
        amalgamation / "apus_codec.c", "-o", tmp_path / "agree")
    assert run(EMULATOR, tmp_path / "agree") == "chosen 4, agrees\n"


# Answers to keys, then masks and texts of every length up to 200, at every phase of the key: scalar
# against chosen.
AGREE = r"""
#include <stdio.h>
#include <string.h>
#include "apus_codec.h"

int main(void) {
    static uint8_t source[256], one[256], other[256], text[256];
    apus_variant chosen = apus_variant_current();
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof source; i++) {
        seed = seed * 1664525u + 1013904223u;
        source[i] = (uint8_t)(seed >> 24);
        text[i] = (uint8_t)"a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x90\xA6"[i % 10];
    }
    for (size_t i = 0; i + APUS_KEY_SIZE <= sizeof source; i++) {
        apus_variant_select(APUS_VARIANT_SCALAR);
        apus_accept_key(source + i, one);
        apus_variant_select(chosen);
        apus_accept_key(source + i, other);
        if (memcmp(one, other, APUS_ACCEPT_SIZE) != 0) {
            return printf("answer to key %zu\n", i), 1;
        }
    }
    for (size_t size = 0; size <= 200; size++) {
        for (size_t offset = 0; offset < 4; offset++) {
            memset(one, 0, sizeof one);
            memset(other, 0, sizeof other);
            apus_variant_select(APUS_VARIANT_SCALAR);
            apus_mask_copy(one + offset, source, size, 0x04030201u, offset);
            apus_variant_select(chosen);
            apus_mask_copy(other + offset, source, size, 0x04030201u, offset);
            if (memcmp(one, other, sizeof one) != 0) {
                return printf("mask of %zu at %zu\n", size, offset), 1;
            }
        }
        for (size_t bad = 0; bad <= size; bad++) {
            memcpy(one, text, sizeof one);
            if (bad < size) {
                one[bad] ^= 0x80;
            }
            apus_utf8_state portable = 0, vector = 0;
            apus_variant_select(APUS_VARIANT_SCALAR);
            bool expected = apus_utf8_validate(&portable, one, size);
            apus_variant_select(chosen);
            bool found = apus_utf8_validate(&vector, one, size);
            if (found != expected || (found && vector != portable)) {
                return printf("text of %zu with %zu\n", size, bad), 1;
            }
        }
    }
    printf("chosen %d, agrees\n", (int)chosen);
    return 0;
}
"""
