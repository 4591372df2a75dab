"""Certificates as Java keeps them: in its first format (JKS), which every JDK reads.

Standard library only. See the documentation of `java.security.KeyStore`, and OpenJDK's
`sun.security.provider.JavaKeyStore`, for the layout.
"""

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Iterator
from typing import Final

PASSWORD: Final = "changeit"  # noqa: S105 - what every JDK's own store is sealed with, no secret
_MAGIC, _VERSION, _TRUSTED = 0xFEEDFEED, 2, 2
_SEAL: Final = b"Mighty Aphrodite"  # as the format wants it
_PEM: Final = re.compile(
    rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----", re.ASCII
)


def keystore(bundle: bytes) -> bytes:
    """Return a store that trusts the certificates of a bundle in PEM; what is none is left out."""
    found = list(_certificates(bundle))
    entries = [_entry(f"c6-{number}", data) for number, data in enumerate(found)]
    store = struct.pack(">III", _MAGIC, _VERSION, len(found)) + b"".join(entries)
    seal = hashlib.sha1(PASSWORD.encode("utf-16-be") + _SEAL + store, usedforsecurity=False)
    return store + seal.digest()


def _certificates(bundle: bytes) -> Iterator[bytes]:
    for text in _PEM.findall(bundle):
        try:
            yield base64.b64decode(b"".join(text.split()), validate=True)
        except binascii.Error:
            continue


def _entry(alias: str, certificate: bytes) -> bytes:
    made_ms = 0
    size = struct.pack(">I", len(certificate))
    head = struct.pack(">I", _TRUSTED) + _text(alias) + struct.pack(">Q", made_ms)
    return head + _text("X.509") + size + certificate


def _text(text: str) -> bytes:
    data = text.encode("ascii")
    return struct.pack(">H", len(data)) + data
