"""Which addresses a server lets sandboxes reach at all, whatever their policies say."""

import enum
import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# What E2B never lets through, two more blocks that only private networks use (a cloud's metadata
# in one, local proxies in the other), and what is no destination at all.
_PRIVATE: Final = (
    *("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16"),
    *("192.0.0.0/24", "198.18.0.0/15"),
)
_NEVER: Final = ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")
# Stands for the host inside a sandbox; only the ports that the server was told to open.
HOST_ADDRESS: Final = "169.254.0.1"
HOST_NAME: Final = "host.capibara6.internal"
_PREVIEW: Final = re.compile(r"\d{1,5}-[a-z0-9]+", re.ASCII)  # port and sandbox


@dataclass(frozen=True, slots=True)
class Shown:
    """What this host shows to sandboxes of itself."""

    ports: frozenset[int] = frozenset()  # of its loopback
    domain: str = ""  # below which sandboxes' ports have names that lead here too; "": none

    def names(self, name: str) -> bool:
        """Whether a name, in small letters, stands for this host."""
        label, _, domain = name.partition(".")
        preview = bool(self.domain) and domain == self.domain and _PREVIEW.fullmatch(label)
        return name == HOST_NAME or bool(preview)

    def covers(self, host: str, port: int) -> bool:
        """Whether an address or name stands for this host, and the port may be reached."""
        return port in self.ports and (host == HOST_ADDRESS or self.names(host))


class Mode(enum.StrEnum):
    """How far sandboxes reach."""

    NONE = "none"
    PUBLIC = "public"
    ALL = "all"  # private networks too; never this host itself


class Reach:
    """Decides by address alone.

    Args:
        mode: how far.
        opened: blocks that are reached whatever they are.
    """

    def __init__(self, mode: Mode, opened: Sequence[ipaddress.IPv4Network] = ()) -> None:
        closed = _NEVER if mode is Mode.ALL else (*_NEVER, *_PRIVATE)
        self._closed = [ipaddress.ip_network(block) for block in closed]
        self._opened = list(opened)
        self._mode = mode

    def covers(self, address: str) -> bool:
        """Whether sandboxes may reach an address."""
        target = ipaddress.IPv4Address(address)
        if self._mode is Mode.NONE:
            return False
        if any(target in block for block in self._opened):
            return True
        return not any(target in block for block in self._closed) and not is_own(address)


def is_own(address: str) -> bool:
    """Whether an address is one of this host's own, at this moment: nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError:
            return False  # no way there, so no way to ourselves either
        return str(probe.getsockname()[0]) == address
