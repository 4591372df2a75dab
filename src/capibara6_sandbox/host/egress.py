"""The server's side of the egress process: starting it, and telling it of sandboxes."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import structlog

import capibara6_sandbox
from capibara6_sandbox.host.zygotes import START_TIMEOUT_S, ZygoteError, reap, wait_for_exit
from capibara6_sandbox.isolation.rootfs import DNS_ADDRESS
from capibara6_sandbox.network.egress import CHANNEL_FD
from capibara6_sandbox.network.policy import Policy
from capibara6_sandbox.network.reach import Mode
from capibara6_sandbox.network.resolver import Server, host_servers
from capibara6_sandbox.zygote.channel import Channel

_END_GRACE_S: Final = 2.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """What a server is told about the network of its sandboxes."""

    mode: Mode = Mode.PUBLIC
    opened: tuple[str, ...] = ()  # CIDR blocks reached whatever they are
    host_ports: tuple[int, ...] = ()  # of the host's loopback
    rate_bytes_s: float = 0  # of each sandbox, both ways together; 0: no limit
    servers: tuple[Server, ...] = ()  # name servers; none: the host's


class EgressClient:
    """The egress process of one server."""

    def __init__(self) -> None:
        self._channel: Channel | None = None
        self._pidfd = -1
        self._keys = 0

    async def start(self, settings: NetworkSettings) -> None:
        """Start it and wait until it is ready.

        Raises:
            ZygoteError: it ended instead.
        """
        setup = {
            "mode": settings.mode,
            "opened": settings.opened,
            "host_ports": settings.host_ports,
            "rate_bytes_s": settings.rate_bytes_s,
            "servers": settings.servers or host_servers(),
            "dns_address": DNS_ADDRESS,
        }
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._pidfd = os.pidfd_open(_spawn(setup, theirs))
        self._channel = Channel(ours)
        ours.settimeout(START_TIMEOUT_S)
        if await asyncio.to_thread(self._channel.receive) is None:
            await self.close()
            raise ZygoteError("the egress process ended at its start; its message is above")
        asyncio.get_running_loop().add_reader(self._pidfd, self._on_exit)

    def open(self, fds: Sequence[int]) -> int:
        """Hand over a sandbox's uplink, closed for all until `apply`; return its key."""
        self._keys += 1
        self._send({"op": "open", "key": self._keys}, fds)
        return self._keys

    def apply(self, key: int, policy: Policy) -> None:
        """Decide by `policy` from now on."""
        self._send({"op": "policy", "key": key, **asdict(policy)})

    def forget(self, key: int) -> None:
        """End everything that a sandbox has open outside."""
        self._send({"op": "close", "key": key})

    def _send(self, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
        if self._channel is not None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # `_on_exit` tells
                self._channel.send(message, fds)

    def _on_exit(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        _log.error("egress_lost", effect="sandboxes reach no network", remedy="restart the server")

    async def close(self) -> None:
        """End it. Idempotent."""
        channel, self._channel = self._channel, None
        if channel is None:
            return
        asyncio.get_running_loop().remove_reader(self._pidfd)
        channel.close()
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGTERM)
        await wait_for_exit(self._pidfd, _END_GRACE_S)
        reap(self._pidfd)
        os.close(self._pidfd)


def _spawn(setup: dict[str, Any], end: socket.socket) -> int:
    packages = Path(capibara6_sandbox.__file__).parent.parent
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "capibara6_sandbox.network.egress", json.dumps(setup)],
        {"PATH": os.defpath, "PYTHONPATH": str(packages), "LANG": "C.UTF-8"},
        file_actions=[(os.POSIX_SPAWN_DUP2, end.fileno(), CHANNEL_FD)],
        setsid=True,
    )
