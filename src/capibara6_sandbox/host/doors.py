"""What the nursery opens in a machine, from outside: sockets, mounts, certificates.

Whoever asks needs the nursery, which alone may enter the machine's namespaces.
"""

import asyncio
import socket
from abc import ABC, abstractmethod

from capibara6_sandbox.host.layers import ask
from capibara6_sandbox.host.zygotes import ZygoteClient, ZygoteError
from capibara6_sandbox.isolation.trust import VARIABLES


class Doors(ABC):
    """A machine's doors."""

    ended: asyncio.Event
    variables: dict[str, str]  # what it tells its programs beside `BASE_ENVIRONMENT`

    @property
    @abstractmethod
    def agent_pidfd(self) -> int:
        """Whose namespaces are entered."""

    async def open_uplink(self, nursery: ZygoteClient) -> list[int]:
        """Return its way out: a TCP listener and a DNS socket, which the caller closes.

        Raises:
            ZygoteError: the kernel refused.
        """
        return (await nursery.request({"op": "uplink"}, [self.agent_pidfd]))[1]

    async def open_socket(
        self, nursery: ZygoteClient, family: socket.AddressFamily
    ) -> socket.socket:
        """Return a new TCP socket in the machine's network, which nobody inside has held.

        Raises:
            ZygoteError: the machine has ended, or the family is turned off.
        """
        if self.ended.is_set():
            raise ZygoteError("the sandbox has ended")
        _, (fd,) = await nursery.request({"op": "socket", "family": family}, [self.agent_pidfd])
        opened = socket.socket(fileno=fd)
        opened.setblocking(False)
        return opened

    async def mount(self, nursery: ZygoteClient, volume: str, path: str) -> None:
        """Mount a volume on a directory, which is made if it is missing.

        Raises:
            LayerError: it cannot be mounted there; the message says why.
        """
        await ask(nursery, {"op": "mount", "volume": volume, "path": path}, [self.agent_pidfd])

    async def believe(self, nursery: ZygoteClient, certificate: str) -> None:
        """Let its programs believe a certificate authority, in PEM. To be called once.

        Raises:
            LayerError: something inside stands in the way.
        """
        await ask(nursery, {"op": "believe", "certificate": certificate}, [self.agent_pidfd])
        self.variables = dict(VARIABLES)
