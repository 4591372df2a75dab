"""Which connections of this machine a hostile program has brought about."""

import contextlib
import ipaddress
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from capibara6_sandbox.attack import insides
from capibara6_sandbox.attack.insides import Insides

_EGRESS: Final = "c6-egress"
_LISTENING: Final = "0A"
_CONNECT_S_MAX: Final = 0.3


def forbidden_connections(server_pid: int, inside: Insides) -> Iterator[str]:
    """Yield the connections to addresses that are nobody's in public, for people.

    Looked at are the sockets of the process that connects for sandboxes, and the sandbox's own, if
    they lie in this machine's network.
    """
    owners = [*_egress_processes(server_pid), *inside.processes()]
    inodes = {inode for pid in owners for inode in _sockets(pid)}
    for name in ("tcp", "tcp6"):
        for line in Path("/proc/net", name).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] not in inodes or fields[3] == _LISTENING:
                continue
            address = _address(fields[2].partition(":")[0])
            if not address.is_global and not address.is_unspecified:
                yield f"a connection to {address} was opened from this machine"


def reachable(port: int, addresses: list[str]) -> Iterator[str]:
    """Yield the addresses of this machine at which something answers on a port, for people."""
    for address in addresses:
        with contextlib.suppress(OSError):
            socket.create_connection((address, port), _CONNECT_S_MAX).close()
            yield f"{address}:{port} of this machine leads to the program"


def _egress_processes(server_pid: int) -> list[int]:
    children = Path(f"/proc/{server_pid}/task").glob("*/children")
    below = [int(pid) for path in children for pid in path.read_text().split()]
    return [pid for pid in below if insides.text(pid, "comm").strip() == _EGRESS]


def _sockets(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if found := re.fullmatch(r"socket:\[(\d+)\]", os.readlink(fd)):
                    yield found[1]


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Read an address as /proc/net writes it: words of four bytes in the machine's order."""
    raw = bytes.fromhex(text)
    ordered = b"".join(raw[n : n + 4][::-1] for n in range(0, len(raw), 4))
    address = ipaddress.ip_address(ordered)
    return getattr(address, "ipv4_mapped", None) or address
