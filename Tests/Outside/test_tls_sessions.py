# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""What outlives a TLS connection: sessions, through all workers, and certificates until a HUP."""

import os
import shutil
import signal
import ssl

import pytest

import apus
import kernel
import secure
from certificates import Authority
from wire import wait_until

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue("localhost", "127.0.0.1")


def talk(server, client, session=None):
    """One connection: whose it was, whether it resumed, and the session to come back with."""
    with server.connect(client=client, session=session) as peer:
        # Tickets of TLS 1.3 come before the answer.
        peer.echo()
        owner = kernel.owners(server.port, server.workers())[peer.local_port]
        result = owner, peer.tls.session_reused, peer.tls.session
        peer.close()
    return result


def come_back(server, client, session, workers, count=64):
    """Comes back with a session until each of the workers was met; whether all took it."""
    met = {}
    for _ in range(count):
        owner, is_resumed, session = talk(server, client, session)
        met.setdefault(owner, []).append(is_resumed)
        if set(met) >= set(workers):
            break
    assert set(met) >= set(workers), f"only {met} of {workers} were met"
    return all(all(each) for each in met.values())


@pytest.mark.parametrize("version", VERSIONS)
def test_session_is_resumed_by_every_worker(authority, pair, version):
    client = secure.context(authority, version=version)
    with secure.Server(*pair.flags, workers=2) as server:
        _, is_resumed, session = talk(server, client)
        assert not is_resumed and session.has_ticket
        assert come_back(server, client, session, server.workers())
        assert server.counters()["tls_sessions_resumed"] >= 2


@pytest.mark.parametrize("version", VERSIONS)
def test_session_is_resumed_by_the_successor_of_a_worker(authority, pair, version):
    client = secure.context(authority, version=version)
    with secure.Server(*pair.flags, workers=2) as server:
        first, _, session = talk(server, client)
        before = server.workers()
        os.kill(first, signal.SIGKILL)
        wait_until(
            lambda: len(server.workers()) == 2 and first not in server.workers(), 5, "no successor"
        )
        (successor,) = set(server.workers()) - set(before)
        wait_until(lambda: len(server.worker_counters()) == 2, 5, "the successor is not ready")
        assert come_back(server, client, session, [successor])


@pytest.mark.parametrize("version", VERSIONS)
def test_ticket_of_another_server_is_no_session(authority, pair, version):
    client = secure.context(authority, version=version)
    with secure.Server(*pair.flags, workers=1) as first:
        _, _, session = talk(first, client)
    with secure.Server(*pair.flags, workers=1) as second:
        _, is_resumed, _ = talk(second, client, session)
        assert not is_resumed


# New keys of tickets


class Keys:
    """The ticket keys of a server, which change only when a test wants them to.

    They change by the clock and by the supervisor, so that one is stopped in between.
    """

    def __init__(self, server):
        self.server = server
        self.stop()

    def stop(self):
        self.server.send_signal(signal.SIGSTOP)
        # It answers last of all that write there, so what the supervisor wrote has been read.
        start = len(self.server.errors.lines)
        os.kill(self.server.workers()[0], signal.SIGUSR1)
        self.server.errors.wait(apus.is_counters, 5, start)

    def changes(self):
        return sum('"new ticket keys"' in line for line in list(self.server.errors.lines))

    def change(self):
        """New ones; returns how often, which is once unless the machine is busy."""
        before = self.changes()
        self.server.send_signal(signal.SIGCONT)
        wait_until(lambda: self.changes() > before, 10, "the keys do not change")
        self.stop()
        return self.changes() - before


def offer(server, client, session, count=64):
    """Comes back with the same session until each worker was met: who took it, and a newer one."""
    taken = {}
    for _ in range(count):
        owner, is_resumed, newer = talk(server, client, session)
        assert taken.setdefault(owner, is_resumed) == is_resumed
        if set(taken) == set(server.workers()):
            return set(taken.values()), newer
    raise AssertionError(f"only {taken} of {server.workers()} were met")


@pytest.mark.parametrize("version", VERSIONS)
def test_session_outlives_one_change_of_keys_and_its_successor_the_next(authority, pair, version):
    client = secure.context(authority, version=version)
    flags = ["--tls-ticket-rotation", "500ms", "--log-level", "debug"]
    with secure.Server(*pair.flags, *flags, workers=2) as server:
        keys = Keys(server)
        while True:
            _, is_resumed, first = talk(server, client)
            assert not is_resumed
            changes = keys.change()
            taken, second = offer(server, client, first)
            assert taken == {changes == 1}
            if changes == 1:
                changes = keys.change()
                # Its key is gone, but the session was given another ticket meanwhile.
                assert offer(server, client, first)[0] == {False}
                assert offer(server, client, second)[0] == {changes == 1}
                if changes == 1:
                    break
        server.send_signal(signal.SIGCONT)


# Reload


@pytest.fixture
def files(pair, tmp_path):
    """Copies of the pair that a test may change."""
    return replace(tmp_path, pair)


def replace(folder, pair):
    """Puts another pair in the place of the files, each as a whole."""
    copies = []
    for path, name in ((pair.certificate, "certificate.pem"), (pair.key, "key.pem")):
        shutil.copy(path, folder / "new")
        copies.append((folder / "new").rename(folder / name))
    return type(pair)(*copies)


def serials(server, client, workers, count=64):
    """What each worker shows to newcomers, when asked until all have been met."""
    shown = {}
    for _ in range(count):
        with server.connect(client=client) as peer:
            owner = kernel.owners(server.port, server.workers())[peer.local_port]
            shown[owner] = peer.tls.getpeercert()["serialNumber"]
            peer.close()
        if set(shown) >= set(workers):
            return set(shown.values())
    raise AssertionError(f"only {shown} of {workers} were met")


def serial(pair):
    return ssl._ssl._test_decode_cert(str(pair.certificate))["serialNumber"]


def test_hup_takes_new_files_for_new_connections(authority, pair, files, tmp_path):
    client = secure.context(authority)
    successor = authority.issue("localhost", "127.0.0.1")
    with secure.Server(*files.flags, workers=2) as server, server.connect(client=client) as old:
        workers = server.workers()
        assert serials(server, client, workers) == {serial(pair)}
        replace(tmp_path, successor)
        # Nothing happens before the signal.
        assert serials(server, client, workers) == {serial(pair)}
        server.send_signal(signal.SIGHUP)
        wait_until(
            lambda: serials(server, client, workers) == {serial(successor)}, 5, "not taken"
        )
        assert server.workers() == workers
        old.echo(b"still here")
        old.close()


@pytest.mark.parametrize("fault", ["unpaired", "garbage", "missing"])
def test_hup_with_broken_files_changes_nothing(authority, pair, files, tmp_path, fault):
    client = secure.context(authority)
    with secure.Server(*files.flags, workers=2) as server, server.connect(client=client) as old:
        workers = server.workers()
        if fault == "missing":
            files.key.unlink()
        else:
            broken = tmp_path / "broken"
            key = authority.issue("localhost").key
            broken.write_bytes(key.read_bytes() if fault == "unpaired" else b"nothing")
            broken.rename(files.key)
        start = len(server.errors.lines)
        server.send_signal(signal.SIGHUP)
        server.errors.wait(lambda line: str(files.key) in line, 5, start)
        assert serials(server, client, workers) == {serial(pair)}
        lines = [line for line in server.errors.lines[start:] if str(files.key) in line]
        assert len(lines) == 1, lines
        old.echo(b"still here")

        # Nor do they keep the successor of a worker from its work.
        os.kill(workers[0], signal.SIGKILL)
        wait_until(
            lambda: len(server.workers()) == 2 and workers[0] not in server.workers(), 5, "none"
        )
        assert serials(server, client, server.workers()) == {serial(pair)}


def test_successor_of_a_worker_has_the_files_of_the_last_hup(authority, files, tmp_path):
    client = secure.context(authority)
    successor = authority.issue("localhost", "127.0.0.1")
    with secure.Server(*files.flags, workers=2) as server:
        workers = server.workers()
        replace(tmp_path, successor)
        server.send_signal(signal.SIGHUP)
        wait_until(
            lambda: serials(server, client, workers) == {serial(successor)}, 5, "not taken"
        )
        files.certificate.write_text("nothing")
        os.kill(workers[0], signal.SIGKILL)
        wait_until(
            lambda: len(server.workers()) == 2 and workers[0] not in server.workers(), 5, "none"
        )
        assert serials(server, client, server.workers()) == {serial(successor)}


@pytest.mark.parametrize("version", VERSIONS)
def test_session_of_the_old_certificate_is_resumed_after_a_hup(authority, files, version):
    client = secure.context(authority, version=version)
    with secure.Server(*files.flags, workers=2) as server:
        _, _, session = talk(server, client)
        start = len(server.errors.lines)
        server.send_signal(signal.SIGHUP)
        server.worker_counters()
        assert come_back(server, client, session, server.workers())
        assert not [line for line in server.errors.lines[start:] if '"error"' in line]


def test_hup_without_files_is_ignored():
    with secure.Server("--tls-self-signed", workers=1) as server, server.connect() as peer:
        server.send_signal(signal.SIGHUP)
        peer.echo()
        with server.connect() as newcomer:
            newcomer.echo()
            certificates = {
                each.tls.getpeercert(binary_form=True) for each in (peer, newcomer)
            }
        assert len(certificates) == 1
