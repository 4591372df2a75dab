"""Certificates as Java keeps them: held to the JDK's own keytool."""

import asyncio
import base64
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from capibara6_sandbox.host.authority import Authority
from capibara6_sandbox.isolation.keystore import PASSWORD, keystore

NONE = b"-----BEGIN CERTIFICATE-----\n=AAA\n-----END CERTIFICATE-----\n"


def test_it_holds_what_is_a_certificate_and_nothing_else() -> None:
    certificate = asyncio.run(Authority.create("of a test")).certificate
    store = keystore(b"text before\n" + NONE + certificate.encode() + b"cut -----BEGIN CERT")
    assert store[:12] == bytes.fromhex("feedfeed0000000200000001")
    assert ssl.PEM_cert_to_DER_cert(certificate) in store
    assert keystore(b"")[:12] == bytes.fromhex("feedfeed0000000200000000")


def test_keytool_reads_it(tmp_path: Path) -> None:
    keytool = shutil.which("keytool")
    if keytool is None:
        pytest.skip("needs a JDK: run `make extras`")
    made = [asyncio.run(Authority.create(name)) for name in ("first", "second")]
    place = tmp_path / "cacerts"
    place.write_bytes(keystore("\n".join(one.certificate for one in made).encode()))
    command = [keytool, "-list", "-rfc", "-keystore", str(place), "-storepass", PASSWORD]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Your keystore contains 2 entries" in listed
    for one in made:
        body = base64.b64encode(ssl.PEM_cert_to_DER_cert(one.certificate)).decode()
        assert body in listed.replace("\n", "").replace("\r", "")
