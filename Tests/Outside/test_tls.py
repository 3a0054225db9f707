# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""What a TLS listener agrees to: versions, ciphers, ALPN, names; and what its clients refuse."""

import re
import socket
import ssl
import struct
import subprocess
import warnings

import pytest

import apus
import secure
import wire
from certificates import Authority, openssl
from wire import TEXT, wait_until

TLS1_2, TLS1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
# Mozilla's intermediate profile, as OpenSSL names the ciphers.
CIPHERS = {
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
}  # fmt: skip
HELLO_SSL3 = (
    b"\x16\x03\x00\x00\x33\x01\x00\x00\x2f\x03\x00" + bytes(32) + b"\x00"
    # AES and 3DES with RSA, which every server of that time had.
    b"\x00\x08\x00\x2f\x00\x35\x00\x0a\x00\x05\x01\x00"
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue("localhost", "127.0.0.1")


@pytest.fixture(scope="module")
def shared_server(pair):
    with secure.Server(*pair.flags) as server:
        yield server


def client_of_old(version):
    """A client that would speak versions that OpenSSL itself has switched off."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return secure.context(version=version, ciphers="ALL:@SECLEVEL=0")


def s_client(server, *arguments, said=b""):
    result = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", *arguments],
        input=said,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=20,
        check=False,
    )
    return result.stdout.decode(errors="replace")


# Versions


@pytest.mark.parametrize("version", [TLS1_2, TLS1_3])
def test_version_is_served(server, neighbour, authority, version):
    client = secure.context(authority, version=version)
    with server.connect(client=client) as peer:
        assert peer.tls.version() == {TLS1_2: "TLSv1.2", TLS1_3: "TLSv1.3"}[version]
        peer.echo(b"x" * 100_000)
        peer.close()
        assert peer.end == "close_notify"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_version_is_refused_by_alert(server, neighbour, version):
    with pytest.raises(ssl.SSLError) as problem:
        secure.Peer(server.port, client_of_old(version))
    assert problem.value.reason == "TLSV1_ALERT_PROTOCOL_VERSION"


def test_ssl_3_is_refused_by_alert(server, neighbour):
    with socket.create_connection(("127.0.0.1", server.port), 5) as raw:
        raw.sendall(HELLO_SSL3)
        answer = b""
        while chunk := raw.recv(4096):
            answer += chunk
    # A fatal alert, RFC 8446 §6.
    assert answer[:1] == b"\x15" and answer[3:6] == b"\x00\x02\x02", answer


# Ciphers


def accepted_ciphers(server, offered):
    """What the server takes of these, by having it choose until it finds none."""
    accepted, left = set(), set(offered)
    while left:
        client = secure.context(version=TLS1_2, ciphers=":".join(sorted(left)) + ":@SECLEVEL=0")
        try:
            with secure.Peer(server.port, client) as peer:
                chosen = peer.tls.cipher()[0]
        except ssl.SSLError as problem:
            assert problem.reason == "SSLV3_ALERT_HANDSHAKE_FAILURE"
            break
        accepted.add(chosen)
        left.remove(chosen)
    return accepted


@pytest.mark.parametrize("key", ["ec", "rsa"])
def test_ciphers_of_tls_1_2_have_forward_secrecy_and_authenticate(authority, key):
    known = openssl("ciphers", "-tls1_2", "-s", "ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    offered = set(known.strip().split(":"))
    assert offered > CIPHERS and len(offered) > 50
    with secure.Server(*authority.issue("localhost", key=key).flags, workers=1) as server:
        kind = "ECDSA" if key == "ec" else "RSA"
        assert accepted_ciphers(server, offered) == {name for name in CIPHERS if kind in name}


@pytest.mark.parametrize(
    "cipher", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
)
def test_every_cipher_of_tls_1_3_is_served(server, cipher):
    output = s_client(server, "-tls1_3", "-ciphersuites", cipher)
    assert f"Cipher is {cipher}" in output


@pytest.mark.parametrize(
    ("group", "name"),
    [("X25519", "X25519"), ("P-256", "ECDH, prime256v1"), ("P-384", "ECDH, secp384r1")],
)
def test_groups_are_served(server, group, name):
    assert f"Server Temp Key: {name}" in s_client(server, "-tls1_3", "-groups", group)


@pytest.mark.parametrize("group", ["P-521", "ffdhe2048"])
def test_other_groups_are_refused(server, neighbour, group):
    output = s_client(server, "-tls1_3", "-groups", group)
    assert "Cipher is (NONE)" in output and "alert handshake failure" in output


# Features


@pytest.mark.parametrize("version", [TLS1_2, TLS1_3])
def test_nothing_is_compressed(server, version):
    with server.connect(client=secure.context(version=version)) as peer:
        assert peer.tls.compression() is None
    option = {TLS1_2: "-tls1_2", TLS1_3: "-tls1_3"}[version]
    assert "Compression: NONE" in s_client(server, option, "-comp")


def test_renegotiation_is_refused_and_its_safety_signalled(server, neighbour):
    output = s_client(server, "-tls1_2", said=b"R\n")
    assert "Secure Renegotiation IS supported" in output
    assert "RENEGOTIATING" in output
    assert "no renegotiation" in output or "closed" in output, output[-2000:]


@pytest.mark.parametrize("version", [TLS1_2, TLS1_3])
@pytest.mark.parametrize(
    ("offered", "chosen"),
    [((), None), (("http/1.1",), "http/1.1"), (("h2", "http/1.1"), "http/1.1")],
)
def test_protocol_is_agreed_upon(server, version, offered, chosen):
    client = secure.context(version=version, protocols=offered)
    with server.connect(client=client) as peer:
        assert peer.tls.selected_alpn_protocol() == chosen


@pytest.mark.parametrize("version", [TLS1_2, TLS1_3])
def test_foreign_protocol_is_refused_by_alert(server, neighbour, version):
    with pytest.raises(ssl.SSLError) as problem:
        secure.Peer(server.port, secure.context(version=version, protocols=["h2", "imap"]))
    assert "no application protocol" in str(problem.value)


def test_key_update_of_the_client_is_answered(server, neighbour):
    """`k` changes the client's keys, `K` asks for the server's to change as well."""
    command = ["openssl", "s_client", "-tls1_3", "-connect", f"127.0.0.1:{server.port}"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as client:
        output = apus.Lines(client.stdout)
        output.wait(lambda line: "Verify return code" in line)
        for letter in (b"k", b"K", b"K"):
            start = len(output.lines)
            client.stdin.write(letter + b"\n")
            client.stdin.flush()
            output.wait(lambda line: "KEYUPDATE" in line, start=start)
        client.stdin.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.stdin.flush()
        output.wait(lambda line: "426 Upgrade Required" in line)
        client.stdin.close()
        output.thread.join(10)


# Names


def test_certificate_is_chosen_by_name(authority):
    first = authority.issue("localhost", "first.example")
    second = authority.issue("second.example", "*.wild.example")
    client = secure.context(authority)
    with secure.Server(*first.flags, *second.flags) as server:
        for name in ("localhost", "first.example", "second.example", "any.wild.example"):
            with server.connect(client=client, name=name) as peer:
                peer.echo()
                (common,) = peer.tls.getpeercert()["subject"][0]
                expected = "second.example" if "second" in name or "wild" in name else "localhost"
                assert common == ("commonName", expected)
        # Who names nobody that is known, or nobody, gets the first.
        for name in ("unknown.example", None):
            with server.connect(client=secure.context(), name=name) as peer:
                der = peer.tls.getpeercert(binary_form=True)
                assert ssl.DER_cert_to_PEM_cert(der).strip() in first.certificate.read_text()


def test_bad_certificates_are_refused_by_clients(server, neighbour, authority, tmp_path):
    stranger = Authority(tmp_path, "stranger")
    for client, name, reason in [
        (secure.context(stranger), "localhost", "unable to get local issuer certificate"),
        (secure.context(authority), "other.example", "Hostname mismatch"),
    ]:
        with pytest.raises(ssl.SSLCertVerificationError) as problem:
            secure.Peer(server.port, client, name=name)
        assert reason in problem.value.verify_message


def test_expired_certificate_is_told_of_and_refused_by_clients(authority):
    pair = authority.issue("localhost", is_expired=True)
    with secure.Server(*pair.flags) as server:
        with pytest.raises(ssl.SSLCertVerificationError) as problem:
            secure.Peer(server.port, secure.context(authority))
        assert "expired" in problem.value.verify_message
        assert "expired" in server.errors.text
        with server.connect() as peer:
            peer.echo()


# Certificates of clients


def visit(server, client):
    """Whether the client is served; else what the server's alert says."""
    try:
        # With TLS 1.3 a client hears of it only when it has finished its part.
        with server.connect(client=client) as peer:
            peer.echo()
            peer.close()
        return "served"
    except ssl.SSLError as problem:
        return problem.reason


@pytest.mark.parametrize("version", [TLS1_2, TLS1_3])
@pytest.mark.parametrize("demand", ["required", "optional"])
def test_certificates_of_clients_are_checked(authority, pair, tmp_path, version, demand):
    guests = Authority(tmp_path, "guests")
    shown = {
        "good": guests.issue("client.example"),
        "strange": authority.issue("client.example"),
        "expired": guests.issue("client.example", is_expired=True),
    }
    flags = ["--tls-client-ca", str(guests.file), "--tls-client-certificates", demand]
    with secure.Server(*pair.flags, *flags, workers=1) as server:
        answers = {"none": visit(server, secure.context(authority, version=version))}
        for name, mine in shown.items():
            client = secure.context(authority, version=version)
            client.load_cert_chain(mine.certificate, mine.key)
            answers[name] = visit(server, client)
        assert answers.pop("good") == "served"
        assert answers.pop("expired") == "SSLV3_ALERT_CERTIFICATE_EXPIRED"
        assert answers.pop("strange") == "TLSV1_ALERT_UNKNOWN_CA"
        refusal = {
            TLS1_2: "SSLV3_ALERT_HANDSHAKE_FAILURE", TLS1_3: "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        }[version]  # fmt: skip
        assert answers == {"none": refusal if demand == "required" else "served"}
        server.wait_idle()


# The command line


def test_self_signed_certificate_is_told_by_its_fingerprint():
    with secure.Server("--tls-self-signed", workers=2) as server:
        assert "listening on wss://" in server.ready_line
        for name in ("localhost", "127.0.0.1"):
            with server.connect(name=name) as peer:
                peer.echo()
                der = peer.tls.getpeercert(binary_form=True)
        pem = ssl.DER_cert_to_PEM_cert(der)
        text = subprocess.run(
            ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-ext", "subjectAltName"],
            input=pem, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        fingerprint = text.splitlines()[0].rpartition("=")[2].replace(":", "").lower()
        said = server.output.text + server.errors.text
        assert fingerprint in said.replace(":", "").lower()
        for name in ("DNS:localhost", "IP Address:127.0.0.1", "IP Address:0:0:0:0:0:0:0:1"):
            assert name in text


@pytest.mark.parametrize("fault", ["certificate", "key", "missing", "unpaired", "empty"])
def test_bad_files_end_the_start_with_one_line(authority, pair, tmp_path, fault):
    broken = tmp_path / "broken.pem"
    broken.write_text("" if fault == "empty" else "-----BEGIN NOTHING-----\n")
    certificate, key = {
        "certificate": (broken, pair.key),
        "key": (pair.certificate, broken),
        "missing": (tmp_path / "none.pem", pair.key),
        "unpaired": (pair.certificate, authority.issue("localhost").key),
        "empty": (broken, pair.key),
    }[fault]
    result = apus.run(
        "serve", "--port", "0", "--tls-certificate", str(certificate), "--tls-key", str(key)
    )
    assert result.returncode == 78, result
    assert len(result.stderr.strip().splitlines()) == 1
    culprit = key if fault in ("key", "unpaired") else certificate
    assert str(culprit) in result.stderr
    assert result.stdout == ""


def test_half_a_pair_is_an_error_of_usage(pair):
    for flags in (pair.flags[:2], pair.flags[2:]):
        result = apus.run("serve", "--port", "0", *flags)
        assert result.returncode in (64, 78), result
        assert "--tls-" in result.stderr


# The wrong door


def test_plain_request_at_a_tls_port_is_told_so(server, neighbour):
    with socket.create_connection(("127.0.0.1", server.port), 5) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while chunk := raw.recv(4096):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"TLS" in body and b"wss://" in body
    server.wait_idle(connections=1)


def test_tls_hello_at_a_plain_port_ends_at_once():
    with apus.Server() as server, server.connect() as neighbour:
        with pytest.raises(ssl.SSLError) as problem:
            secure.Peer(server.port)
        assert "ALERT" in problem.value.reason
        with socket.create_connection(("127.0.0.1", server.port), 5) as raw:
            # The beginning of a record alone says what it is.
            raw.sendall(struct.pack("!BHH", 22, 0x0301, 512))
            raw.sendall(b"\x01\x00\x01\xfc\x03\x03")
            answer = raw.recv(4096)
            assert answer[:1] == b"\x15" and answer[5:6] == b"\x02"
        neighbour.echo()
        wait_until(
            lambda: server.counters()["connections_open"] == 1, 5, "the hello is still answered"
        )


def test_page_of_the_example_is_served(pair, authority):
    with secure.Server(*pair.flags, app="example") as server:
        page = subprocess.run(
            ["curl", "--silent", "--show-error", "--fail", "--cacert", authority.file, server.page],
            capture_output=True, text=True, timeout=20, check=True,
        ).stdout  # fmt: skip
        assert "<html" in page.lower()
        request = wire.request(
            Host=f"localhost:{server.port}",
            Origin=f"https://localhost:{server.port}",
            Sec_WebSocket_Protocol="example",
        )
        with server.connect(request, client=secure.context(authority)) as peer:
            greeting = peer.read_frame()
            assert greeting.opcode == TEXT
            assert greeting.payload.decode() == f"Connection from https://localhost:{server.port}"

