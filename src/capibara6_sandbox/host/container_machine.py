"""A machine that a container runtime runs: gVisor, or any other by name.

Its agent is the same, and so is all that stands on it. There is no process outside from which its
kernels could be forked: they start fresh, inside, and what depends on forks cannot be had.
"""

import os
import stat
from pathlib import Path
from typing import Any, Final

from capibara6_guest.container_init import SOCKET_NAME
from capibara6_sandbox.errors import LayerError, StartError
from capibara6_sandbox.host.blueprint import Blueprint
from capibara6_sandbox.host.machine import Machine
from capibara6_sandbox.host.supervisor import Supervisor
from capibara6_sandbox.host.zygotes import ZygoteClient
from capibara6_sandbox.isolation.runtimes import find_runtime
from capibara6_sandbox.templates.build import base_executable

_NEEDS_ROOT: Final = (
    "--isolation {name}: container runtimes need a server that runs as root, with a range of ids"
    " for each sandbox. Start it as root, or without --isolation."
)
_OWN_SYSTEM: Final = (
    "Sandboxes of images run without --isolation only: under {name} the agent needs the server's"
    " own Python, which an image does not have."
)


class ContainerMachine(Machine):
    """A running container. Use `start` to make one and `kill` to end it."""

    starts_kernels = True

    def __init__(self, blueprint: Blueprint, run: Path) -> None:
        super().__init__(blueprint, run)
        self._runtime = find_runtime(blueprint.template.isolation)
        self._supervisor = Supervisor()
        self._socket_fd = -1  # of the agent's socket: no name that a guest could change leads there

    async def _begin(self, nursery: ZygoteClient, joins: list[int]) -> None:
        self._check()
        with self.control.open() as agent, self._supervisor.open() as supervisor:
            fds = [agent.fileno(), supervisor.fileno(), *joins]
            _, (self._pidfd,) = await nursery.request(self._container(), fds)

    def _check(self) -> None:
        """Refuse what no runtime can run here.

        Raises:
            StartError: with what to do.
        """
        name = self._runtime.name
        if not self.blueprint.privileged:
            raise StartError(_NEEDS_ROOT.format(name=name))
        if self.blueprint.built.environment.own_system:
            raise StartError(_OWN_SYSTEM.format(name=name))
        if self._runtime.find() is None:
            raise StartError(f"There is no program `{self._runtime.program}`: install {name}.")

    def _container(self) -> dict[str, Any]:
        order = {
            "runtime": self._runtime.name,
            "python": str(Path(base_executable()).resolve()),
            "volumes": self.blueprint.volumes,
        }
        root = self._root()
        del root["rlimits"]
        return {**root, "op": "container", "order": order}

    async def _await_agent(self) -> None:
        self.layer_fd, folder = await self._supervisor.running()
        try:
            if await self.control.ready() is not None:
                raise StartError("Its agent sent what it cannot have.")
            self._socket_fd = _open_socket(folder)
        finally:
            os.close(folder)
        self.guest.socket_path = Path(f"/proc/self/fd/{self._socket_fd}")

    async def mount(self, nursery: ZygoteClient, volume: str, path: str) -> None:
        """See that a volume is there: under a runtime, all are mounted at the start.

        Raises:
            LayerError: it was not asked for then.
        """
        del nursery
        if (volume, path) not in self.blueprint.volumes:
            raise LayerError(f"Under {self._runtime.name} no volume can be mounted later.")

    async def believe(self, nursery: ZygoteClient, certificate: str) -> None:
        """Refuse: nothing can be mounted over what programs believe.

        Raises:
            LayerError: always.
        """
        del nursery, certificate
        raise LayerError(
            f"Under {self._runtime.name} a network policy can have no rules for requests (headers);"
            " use hosts and addresses, or a template without --isolation."
        )

    async def hold_programs(self) -> None:
        """Stop everything in the container, the agent too: its clock first.

        Raises:
            StartError: something would not stop.
        """
        await self.control.pause(programs=False)
        if self._runtime.own_kernel:
            await self._supervisor.order("pause")
        else:
            await self.freeze()

    async def release_programs(self) -> None:
        """Let everything run again. Idempotent."""
        if self._runtime.own_kernel:
            await self._supervisor.order("resume")
        self.thaw()
        await self.control.resume()

    async def stop_agent(self) -> None:
        """Nothing: it stands still with its programs."""

    def continue_agent(self) -> None:
        """Nothing: it goes on with its programs."""

    def _on_exit(self) -> None:
        self._supervisor.hear_last_words()
        self.reason = self._supervisor.reason
        super()._on_exit()

    def _release(self) -> None:
        super()._release()
        self._supervisor.close()
        if self._socket_fd >= 0:
            os.close(self._socket_fd)
            self._socket_fd = -1


def _open_socket(folder: int) -> int:
    """Return a handle of the agent's socket itself, whatever a guest puts in its place later.

    Raises:
        StartError: something else lies there.
    """
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(SOCKET_NAME, flags, dir_fd=folder)
    except OSError as cause:
        raise StartError(f"Its agent does not listen: {cause}") from None
    if not stat.S_ISSOCK(os.fstat(fd).st_mode):
        os.close(fd)
        raise StartError("Its agent does not listen on a socket.")
    return fd
