"""A certificate for HTTPS on one's own machine: an authority for one domain, used once.

The authority may vouch for nothing but the domain (name constraints), and its key is thrown away
when the one certificate is signed: who trusts it, trusts this server's key and no more.
"""

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capibara6_sandbox.host.signing import CertificateError, Signed, openssl, sign

DAYS: Final = 825  # the longest that common clients accept
_RENEW_BEFORE_S: Final = 30 * 24 * 3600
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
    if not chain.exists():
        return False
    status, _ = openssl("x509", "-checkend", str(_RENEW_BEFORE_S), "-in", str(chain))
    return status == 0


def _make(wanted: Certificate, domain: str) -> None:
    """Make all files aside and move them to their place, the certificate last."""
    assert wanted.authority is not None
    authority = _sign("authority", f"capibara6 for {domain}", domain)
    server = _sign("server", domain[:64], domain, authority)
    texts = {
        wanted.authority: authority.certificate,
        wanted.key: server.key,
        wanted.chain: server.certificate,
    }
    wanted.chain.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=wanted.chain.parent) as aside:
        for place, text in texts.items():
            made = Path(aside, place.name)
            with os.fdopen(os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
                file.write(text)
            made.replace(place)


def _sign(kind: str, common_name: str, domain: str, signer: Signed | None = None) -> Signed:
    configuration = _CONFIGURATION.format(common_name=common_name, domain=domain)
    return sign(configuration, kind, DAYS, signer)
