# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0

import signal

import pytest

import apus

measurements = []


def pytest_sessionstart():
    try:
        apus.binary()
    except FileNotFoundError as problem:
        pytest.exit(str(problem), returncode=2)


def pytest_report_header():
    return f"server: {apus.binary()}"


def pytest_terminal_summary(terminalreporter):
    if measurements:
        terminalreporter.section("measurements")
        for line in measurements:
            terminalreporter.write_line(line)


@pytest.fixture
def note(request):
    """Prints a figure at the end of the run."""
    return lambda text: measurements.append(f"{request.node.name}: {text}")


@pytest.fixture(autouse=True)
def limit(request):
    """No test hangs: after its time it fails where it stands."""
    marker = request.node.get_closest_marker("seconds")
    seconds = marker.args[0] if marker else 60

    def overdue(*_):
        raise TimeoutError(f"the test took more than {seconds} s")

    signal.signal(signal.SIGALRM, overdue)
    signal.alarm(seconds)
    yield
    signal.alarm(0)


@pytest.fixture(scope="module")
def shared_server(request):
    """One server for the tests of a module, started with its SERVER arguments."""
    with apus.Server(*getattr(request.module, "SERVER", ())) as server:
        yield server


@pytest.fixture
def server(shared_server):
    """The module's server; after each test its workers are the ones from before."""
    before = shared_server.workers()
    yield shared_server
    shared_server.check_healthy()
    after = shared_server.workers()
    assert before == after, f"a worker was replaced:\n{shared_server.errors.text[-4000:]}"


@pytest.fixture
def neighbour(server):
    """A well-behaved connection to the same server that must not notice anything."""
    with server.connect() as peer:
        peer.echo(b"before")
        yield peer
        peer.echo(b"after")
        peer.close()
