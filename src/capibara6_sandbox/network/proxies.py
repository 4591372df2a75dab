"""SOCKS5 proxies of clients, as they write them."""

import re
import ssl
from dataclasses import dataclass, field
from typing import Final

CREDENTIAL_BYTES_MAX: Final = 255  # RFC 1929
SERVER_NAME_CHARS_MAX: Final = 253
AUTHORITIES_BYTES_MAX: Final = 8192
_SERVER_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?", re.ASCII)


class PolicyError(ValueError):
    """A policy that cannot be; the message is E2B's where it has one."""


@dataclass(frozen=True, slots=True)
class ProxyTls:
    """How a proxy is spoken to within TLS."""

    server_name: str = ""  # which its certificate must bear; "": its host
    authorities: str = ""  # in PEM, in the place of those that this host trusts


@dataclass(frozen=True, slots=True)
class EgressProxy:
    """A SOCKS5 proxy through which a sandbox's connections go, after the policy has decided."""

    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)  # in no log
    tls: ProxyTls | None = None


def parse_proxy(
    address: str, username: str = "", password: str = "", tls: ProxyTls | None = None
) -> EgressProxy:
    """Read a proxy as clients write it.

    Raises:
        PolicyError: it cannot be one.
    """
    host, colon, port = address.strip().lower().rpartition(":")
    if not colon or not host.strip():
        raise PolicyError("egress proxy address must be in host:port form")
    if not port.isascii() or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise PolicyError(f'egress proxy port "{port[:80]}" is not a valid 1-65535 value')
    if password and not username:
        raise PolicyError("egress proxy password must be empty when username is empty")
    for what, text in (("username", username), ("password", password)):
        if len(text.encode()) > CREDENTIAL_BYTES_MAX:
            raise PolicyError(f"egress proxy {what} must not exceed {CREDENTIAL_BYTES_MAX} bytes")
    if tls is not None:
        _check_tls(tls)
    return EgressProxy(host.strip(), int(port), username, password, tls)


def _check_tls(tls: ProxyTls) -> None:
    name = tls.server_name
    if len(name) > SERVER_NAME_CHARS_MAX or (name and not _SERVER_NAME.fullmatch(name)):
        raise PolicyError(f'egress proxy TLS server name "{name[:80]}" is no host name')
    if len(tls.authorities.encode()) > AUTHORITIES_BYTES_MAX:
        text = f"egress proxy CA certificate must not exceed {AUTHORITIES_BYTES_MAX} bytes"
        raise PolicyError(text)
    if tls.authorities:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=tls.authorities)
        except (ssl.SSLError, ValueError):
            raise PolicyError("egress proxy CA certificate is not in PEM") from None
