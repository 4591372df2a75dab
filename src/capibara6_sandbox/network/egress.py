"""The process through which sandboxes reach the network.

    python -m capibara6_sandbox.network.egress SETUP_JSON     channel on descriptor 3

It holds the sockets of every sandbox's uplink and makes all connections itself, so that their bytes
neither burden the server nor pass through a process that has rights: as root it becomes nobody
before it reads the first byte from a sandbox. Messages ("op"):

    open      "key", fds: TCP listener, DNS socket
    policy    "key", "policy": the fields of a Policy
    close     "key"

None is answered. It ends with the server.
"""

import asyncio
import encodings.ascii
import encodings.idna
import encodings.latin_1  # found by name at run time, when we may not read files any more
import ipaddress
import json
import resource
import signal
import socket
import sys
from typing import Any, Final

from capibara6_sandbox.isolation import identity, linux
from capibara6_sandbox.network.outlet import Outlet, Surroundings
from capibara6_sandbox.network.policy import EgressProxy, Policy
from capibara6_sandbox.network.reach import Mode, Reach
from capibara6_sandbox.network.resolver import Resolver
from capibara6_sandbox.zygote.channel import Channel

CHANNEL_FD: Final = 3
_NOBODY: Final = 65_534
_PRELOADED = (encodings,)


def main() -> None:
    """Give up rights, and serve until the server is gone."""
    setup = json.loads(sys.argv[1])
    linux.set_process_name("c6-egress")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if identity.has_id_ranges():
        identity.become(_NOBODY)
    linux.set_capabilities(frozenset())
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    channel = Channel(socket.socket(fileno=CHANNEL_FD))
    channel.send({"ready": True})
    asyncio.run(_serve(channel, setup))


async def _serve(channel: Channel, setup: dict[str, Any]) -> None:
    egress = Egress(
        Surroundings(
            Reach(Mode(setup["mode"]), [ipaddress.IPv4Network(b) for b in setup["opened"]]),
            Resolver([(address, port) for address, port in setup["servers"]]),
            setup["dns_address"],
            frozenset(setup["host_ports"]),
            setup["rate_bytes_s"],
        )
    )
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(channel.fileno(), egress.take_order, channel, ended)
    await ended.wait()


class Egress:
    """The outlets of all sandboxes."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._outlets: dict[int, Outlet] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def take_order(self, channel: Channel, ended: asyncio.Event) -> None:
        """Read and follow one message of the server."""
        received = channel.receive()
        if received is None:
            ended.set()
            return
        order, fds = received
        key = order["key"]
        if order["op"] == "open":
            tcp, dns = (socket.socket(fileno=fd) for fd in fds)
            self._outlets[key] = Outlet(tcp, dns, self._around)
        elif order["op"] == "policy":
            allowed, denied = tuple(order["allow_out"]), tuple(order["deny_out"])
            proxy = EgressProxy(**order["proxy"]) if order["proxy"] else None
            self._outlets[key].apply(Policy(allowed, denied, order["internet"], proxy))
        elif key in self._outlets:
            task = asyncio.create_task(self._outlets.pop(key).close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


if __name__ == "__main__":
    main()
