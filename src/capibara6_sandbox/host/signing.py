"""Certificates and their keys, made by the program openssl, in memory alone.

A library would be one more dependency for a few calls; openssl is on every machine that fetches
anything over HTTPS.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_COMMAND_TIMEOUT_S: Final = 60
_ALGORITHM: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_CERTIFICATE: Final = "-----BEGIN CERTIFICATE-----"


class CertificateError(Exception):
    """No certificate could be made; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A certificate and its private key, in PEM."""

    certificate: str
    key: str = field(repr=False)


def sign(configuration: str, extensions: str, days: int, signer: Signed | None = None) -> Signed:
    """Make a key and a certificate for it; takes some 10 ms, and blocks.

    Args:
        configuration: of `openssl req`, with the name in it.
        extensions: its section that tells what the certificate is for.
        days: how long it holds.
        signer: whose key signs it; without one, its own.

    Raises:
        CertificateError: openssl is missing, or refuses.
    """
    with contextlib.ExitStack() as stack:
        files = [configuration, *([signer.certificate, signer.key] if signer else [])]
        fds = [stack.enter_context(_in_memory(text)) for text in files]
        paths = [f"/dev/fd/{fd}" for fd in fds]
        request = ["req", "-x509", "-config", paths[0], "-extensions", extensions]
        if signer is not None:
            request += ["-CA", paths[1], "-CAkey", paths[2]]
        out = ["-days", str(days), "-keyout", "-", "-out", "-"]
        status, made = openssl(*request, *_ALGORITHM, *out, fds=fds)
    key, found, certificate = made.partition(_CERTIFICATE)
    if status or not found:
        raise CertificateError("openssl could not sign; version 3 or later is needed")
    return Signed(found + certificate, key)


def openssl(*arguments: str, fds: list[int] | None = None) -> tuple[int, str]:
    """Run openssl; return its exit status and output.

    Raises:
        CertificateError: it is not installed.
    """
    program = shutil.which("openssl")
    if program is None:
        raise CertificateError(
            "Certificates are made with the program openssl, which is not installed: install it "
            "(apt install openssl)."
        )
    done = subprocess.run(  # noqa: S603 - fixed arguments, and checked names
        [program, *arguments],
        capture_output=True,
        check=False,
        timeout=_COMMAND_TIMEOUT_S,
        pass_fds=fds or (),
        text=True,
    )
    return done.returncode, done.stdout


@contextlib.contextmanager
def _in_memory(text: str) -> Iterator[int]:
    fd = os.memfd_create("c6-signing")
    try:
        os.write(fd, text.encode())
        yield fd
    finally:
        os.close(fd)
