"""A sandbox's own certificate authority, which vouches inside for the hosts that have rules.

Only the sandbox that it is for believes it. Its key stays in the memory of this process; what
meets the sandbox's bytes, the egress process, gets certificates for single hosts.
"""

import asyncio
from typing import Final

from capibara6_sandbox.host.signing import Signed, sign

_DAYS: Final = 825  # the longest that common clients accept; sandboxes live shorter
_NAME_CHARS_MAX: Final = 64  # of a certificate's common name

_CONFIGURATION: Final = """
[req]
prompt = no
distinguished_name = name
[name]
CN = {common_name}
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[host]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = {hosts}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


class Authority:
    """The authority of one sandbox."""

    def __init__(self, own: Signed) -> None:
        self._own = own

    @classmethod
    async def create(cls, sandbox_id: str) -> "Authority":
        """Make one.

        Raises:
            CertificateError: openssl is missing, or refuses.
        """
        text = _CONFIGURATION.format(common_name=f"capibara6 {sandbox_id}", hosts="DNS:localhost")
        return cls(await asyncio.to_thread(sign, text, "authority", _DAYS))

    @property
    def certificate(self) -> str:
        """What is to be believed inside, in PEM."""
        return self._own.certificate

    async def vouch(self, host: str) -> Signed:
        """Make a certificate for a host, whose name was checked.

        Raises:
            CertificateError: openssl is missing, or refuses.
        """
        text = _CONFIGURATION.format(common_name=host[:_NAME_CHARS_MAX], hosts=f"DNS:{host}")
        return await asyncio.to_thread(sign, text, "host", _DAYS, self._own)
