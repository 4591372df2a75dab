"""A certificate for HTTPS on one's own machine: an authority for one domain, used once.

The authority may vouch for nothing but the domain (name constraints), and its key is thrown away
when the one certificate is signed: who trusts it, trusts this server's key and no more.
"""

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DAYS: Final = 825  # the longest that common clients accept
_RENEW_BEFORE_S: Final = 30 * 24 * 3600
_COMMAND_TIMEOUT_S: Final = 60
_NAME: Final = re.compile(r"^(?=.{1,200}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9-]*[a-z0-9])*$")

_CONFIGURATION: Final = """
[req]
prompt = no
distinguished_name = name
[name]
CN = {common_name}
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
nameConstraints = critical, permitted;DNS:{domain}
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:{domain}, DNS:*.{domain}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


class CertificateError(Exception):
    """No certificate could be made; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What HTTPS is served with."""

    chain: Path
    key: Path
    authority: Path | None = None  # what clients must trust, where it is our own


def local_certificate(folder: Path, domain: str) -> Certificate:
    """Return the certificate for *.domain in `folder`; it is made if there is none that lasts.

    Raises:
        CertificateError: openssl is missing, or refuses.
    """
    if not _NAME.match(domain):
        raise CertificateError(f"--domain: {domain!r} is no host name in small letters")
    place = folder / domain
    found = Certificate(place / "server.pem", place / "server.key", place / "authority.pem")
    if not _lasts(found.chain):
        _make(found, domain)
    return found


def _lasts(chain: Path) -> bool:
    return (
        chain.exists() and _run("x509", "-checkend", str(_RENEW_BEFORE_S), "-in", str(chain)) == 0
    )


def _make(wanted: Certificate, domain: str) -> None:
    """Make all files aside and move them to their place, the certificate last."""
    assert wanted.authority is not None
    wanted.chain.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=wanted.chain.parent) as text:
        aside = Path(text)
        _sign(aside, "authority", f"capibara6 for {domain}", domain)
        signer = ("-CA", str(aside / "authority.pem"), "-CAkey", str(aside / "authority.key"))
        _sign(aside, "server", domain[:64], domain, *signer)
        for made in (wanted.authority, wanted.key, wanted.chain):
            (aside / made.name).replace(made)


def _sign(folder: Path, kind: str, common_name: str, domain: str, *signer: str) -> None:
    configuration = folder / f"{kind}.cnf"
    configuration.write_text(_CONFIGURATION.format(common_name=common_name, domain=domain))
    key = folder / f"{kind}.key"
    os.close(os.open(key, os.O_CREAT | os.O_EXCL, 0o600))
    request = ("req", "-x509", "-config", str(configuration), "-extensions", kind, *signer)
    algorithm = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    out = ("-keyout", str(key), "-out", str(folder / f"{kind}.pem"), "-days", str(DAYS))
    if _run(*request, *algorithm, *out) != 0:
        raise CertificateError("openssl could not sign; version 3 or later is needed")


def _run(*arguments: str) -> int:
    program = shutil.which("openssl")
    if program is None:
        raise CertificateError(
            "A local certificate is made with the program openssl, which is not installed: "
            "install it (apt install openssl), or give --tls-cert and --tls-key."
        )
    done = subprocess.run(  # noqa: S603 - fixed arguments, and a checked domain
        [program, *arguments], capture_output=True, check=False, timeout=_COMMAND_TIMEOUT_S
    )
    return done.returncode
