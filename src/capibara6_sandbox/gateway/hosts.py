"""The host names that this server answers to, and what they say.

A web page can make its own name point to this machine (DNS rebinding) and so have a browser send
requests here as if they were for the page. Only addresses, localhost and the server's own names
are served; of these, a page can have no other one.
"""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

PORT_MAX: Final = 65_535
_FORM: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?", re.ASCII | re.IGNORECASE)
_LABEL: Final = re.compile(r"^(\d{1,5})-([a-z0-9]+)\.(.+)$")


class Hosts:
    """The server's names.

    Args:
        domain: below which sandboxes have theirs; a port behind it does not matter.
        others: more names that clients may use.
    """

    def __init__(self, domain: str, others: Iterable[str] = ()) -> None:
        self._domains = {"localhost", _name(domain)}
        self._others = frozenset(_name(name) for name in others)

    def knows(self, host: str) -> bool:
        """Whether a Host header names this server, or one of its sandboxes."""
        if not _FORM.fullmatch(host):
            return False
        name = _name(host)
        return (
            _is_address(name)
            or name in self._others
            or any(name == domain or name.endswith(f".{domain}") for domain in self._domains)
        )

    def target(self, host: str) -> tuple[int, str] | None:
        """Return the port and the sandbox that a Host header <port>-<id>.<domain> names."""
        found = _LABEL.match(_name(host))
        if found is None or found[3] not in self._domains:
            return None
        return int(found[1]), found[2]


def _name(host: str) -> str:
    """Return a host without its port, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0].lower() if ":" in host else host.lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
