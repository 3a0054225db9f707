# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""Certificates for a test, made with the openssl command."""

import datetime
import subprocess
from pathlib import Path

CONFIGURATION = """
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[ca]
default_ca = issuing
[issuing]
database = {folder}/index
new_certs_dir = {folder}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = policy
[policy]
commonName = supplied
"""
KEYS = {
    "ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
    "rsa": ["-newkey", "rsa:2048"],
}


def openssl(*arguments):
    result = subprocess.run(
        ["openssl", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


class Pair:
    """A certificate and its key, in PEM files."""

    def __init__(self, certificate, key):
        self.certificate, self.key = certificate, key

    @property
    def flags(self):
        return ["--tls-certificate", str(self.certificate), "--tls-key", str(self.key)]

    @property
    def fingerprint(self):
        """SHA-256 of the certificate, in lower-case hexadecimal digits."""
        text = openssl("x509", "-in", self.certificate, "-noout", "-fingerprint", "-sha256")
        return text.strip().rpartition("=")[2].replace(":", "").lower()


class Authority:
    """Issues certificates; clients that trust it have `file` as their roots."""

    def __init__(self, folder, name="authority"):
        self.folder = Path(folder) / name
        self.folder.mkdir()
        (self.folder / "index").touch()
        self.count = 0
        self.configuration = self.folder / "configuration"
        self.configuration.write_text(CONFIGURATION.format(folder=self.folder))
        self.file, self.key = self.folder / "root.pem", self.folder / "root.key"
        openssl(
            "req", "-x509", "-nodes", *KEYS["ec"], "-config", self.configuration,
            "-extensions", "authority", "-subj", f"/CN=Test {name}", "-days", 2,
            "-out", self.file, "-keyout", self.key,
        )  # fmt: skip

    def issue(self, *names, key="ec", is_expired=False):
        """A certificate for names and IPv4 addresses, of yesterday or of the day before."""
        self.count += 1
        request, certificate, secret, extensions = (
            self.folder / f"{self.count}.{suffix}" for suffix in ("csr", "pem", "key", "ext")
        )
        kinds = ["IP" if name.replace(".", "").isdigit() else "DNS" for name in names]
        alternatives = ",".join(f"{kind}:{name}" for kind, name in zip(kinds, names))
        extensions.write_text(
            f"basicConstraints = critical, CA:FALSE\nsubjectAltName = {alternatives}\n"
        )
        openssl(
            "req", "-nodes", *KEYS[key], "-config", self.configuration,
            "-subj", f"/CN={names[0]}", "-out", request, "-keyout", secret,
        )  # fmt: skip
        start, end = (-2, -1) if is_expired else (-1, 1)
        openssl(
            "ca", "-batch", "-notext", "-config", self.configuration, "-cert", self.file,
            "-keyfile", self.key, "-startdate", day(start), "-enddate", day(end),
            "-extfile", extensions, "-in", request, "-out", certificate,
        )  # fmt: skip
        return Pair(certificate, secret)


def day(count):
    """So many days from now, as OpenSSL takes it."""
    time = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=count)
    return time.strftime("%Y%m%d%H%M%SZ")
