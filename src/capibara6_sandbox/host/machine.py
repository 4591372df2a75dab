"""One isolated machine: the processes, files and limits behind a sandbox's name.

Owns everything the operating system gave it (agent, kernels, cgroup, socket, descriptors) and gives
all of it back. Knows nothing of names, owners and lifetimes: that is `sandbox`.
"""

import asyncio
import contextlib
import os
import signal
import socket
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from capibara6_sandbox.errors import StartError
from capibara6_sandbox.host.blueprint import Blueprint
from capibara6_sandbox.host.control_channel import ControlChannel
from capibara6_sandbox.host.doors import Doors
from capibara6_sandbox.host.guest_client import GuestClient
from capibara6_sandbox.host.hosted_kernel import HostedKernel
from capibara6_sandbox.host.isolations import group_limits
from capibara6_sandbox.host.shortages import refused_start
from capibara6_sandbox.host.standstill import Standstill
from capibara6_sandbox.host.zygotes import ZygoteClient, ZygoteError
from capibara6_sandbox.isolation.cgroups import Cgroup
from capibara6_sandbox.isolation.limits import CgroupUsage
from capibara6_sandbox.templates.catalog import Template


class Machine(Doors, Standstill):
    """A running machine: forks, behind walls of our own. `start` makes one, and `kill` ends it.

    What a container runtime runs instead is a `ContainerMachine`.
    """

    starts_kernels = False  # whether its agent starts its Python kernels; else they are forked

    def __init__(self, blueprint: Blueprint, run: Path) -> None:
        self.blueprint = blueprint
        self.cgroup: Cgroup | None = None  # which `kill` removes
        self._socket_path = run / f"{blueprint.place or blueprint.id}.sock"
        self.guest = GuestClient(self._socket_path)
        self._pidfd = -1
        self.layer_fd = -1  # of its writable layer, which no path leads to
        self.egress_key = 0  # of its way out; 0: it has none
        self.variables: dict[str, str] = {}  # what it tells its programs beside `BASE_ENVIRONMENT`
        self.ended = asyncio.Event()
        self.reason = "its first process ended"  # what is told of that
        self.control = ControlChannel(self.ended)
        self.carrying = asyncio.Lock()  # a kernel that forks must not be stopped halfway
        self.still = False  # its programs are stopped
        self._on_end: list[Callable[[], None]] = []
        self.kernels: dict[str, HostedKernel] = {}  # Python's, by context
        self._nested_agent = -1  # of a live fork, whose first process is not the agent
        self.origin: Machine | None = None  # whose kernels this one's were forked from
        self.namespaces: list[int] = []  # of a live fork: what kernels of its origin may enter
        self.forks: set[Machine] = set()  # live ones of this one: its first process outlives it
        self._finishing: set[asyncio.Task[None]] = set()

    async def start(self, nursery: ZygoteClient) -> None:
        """Fork the machine and wait until its agent answers.

        Raises:
            StartError: a namespace, a mount or a limit was refused; nothing is left behind.
        """
        joins = self.open_joins()
        try:
            await self._begin(nursery, joins)
            asyncio.get_running_loop().add_reader(self._pidfd, self._on_exit)
            await self._await_agent()
            self.control.set_environment(self.blueprint.environment)
        except (ZygoteError, OSError, StartError) as cause:
            await self.kill()
            raise refused_start(cause, self._socket_path.parent.parent) from None
        finally:
            for fd in joins:
                os.close(fd)

    async def _begin(self, nursery: ZygoteClient, joins: list[int]) -> None:
        with self.control.open() as theirs, self._listen() as listener:
            fds = [listener.fileno(), theirs.fileno(), *joins]
            _, (self._pidfd, *nested) = await nursery.request(self._root(), [*self._above(), *fds])
            if nested:
                self._nested_agent, *self.namespaces = nested

    async def _await_agent(self) -> None:
        layer_fd = await self.control.ready()
        if layer_fd is None:
            raise StartError("Its agent kept its writable layer.")
        self.layer_fd = layer_fd

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self._socket_path))
        listener.listen(128)
        return listener

    def _root(self) -> dict[str, Any]:
        limits = self.blueprint.template.limits
        return {
            "op": "nested" if self.origin else "sandbox",
            "template": self.blueprint.built.id,
            "host_name": self.blueprint.id,
            "disk_bytes": self.blueprint.disk_bytes or limits.disk_bytes,
            "inodes": limits.inodes,
            "shm_bytes": limits.shm_bytes,
            "python_prefix": self.blueprint.built.python_prefix,
            "own_system": self.blueprint.built.environment.own_system,
            "uid_base": self.blueprint.uid_base,
            "layers": self.blueprint.layers,
            "boot_id": str(uuid.uuid4()),
            "rlimits": self.rlimits,
        }

    def _above(self) -> list[int]:
        """The processes that a live fork is made below: its origin's agent and kernel."""
        if self.origin is None:
            return []
        kernels = list(self.origin.kernels.values())
        if not kernels or self.origin.agent_pidfd < 0:
            raise StartError("There is no Python kernel to fork.")
        return [self.origin.agent_pidfd, kernels[0].pidfd]

    @property
    def agent_pidfd(self) -> int:
        """Whose namespaces its kernels join."""
        return self._nested_agent if self._nested_agent >= 0 else self._pidfd

    @property
    def has_forks(self) -> bool:
        """Whether live forks of it live, whose kernels its first process has to reap."""
        return bool(self.forks)

    def resize(self, template: Template) -> None:
        """Take the limits of a template that differs from its own in them at most.

        Raises:
            StartError: the kernel refused one.
        """
        if self.cgroup is None or template.limits == self.blueprint.template.limits:
            return
        try:
            self.cgroup.set_limits(group_limits(template))
        except OSError as cause:
            raise StartError(f"The sandbox's limits cannot be set: {cause}") from None
        self.blueprint = replace(self.blueprint, template=template)

    @property
    def rlimits(self) -> list[tuple[int, int]]:
        """What stands in for the cgroup where there is none."""
        return [] if self.cgroup else self.blueprint.template.limits.rlimits

    def open_joins(self) -> list[int]:
        """Open the files through which a process joins its cgroup; the caller closes them."""
        return self.cgroup.open_procs() if self.cgroup else []

    def hold_kernel(self, context_id: str, kernel: HostedKernel) -> None:
        """Know a context's kernel, in the place of an earlier one.

        Raises:
            StartError: the machine was killed while the kernel started; nothing is left of it.
        """
        self.drop_kernel(context_id)
        if self._pidfd < 0:
            kernel.close()
            raise StartError("The sandbox has ended.")
        self.kernels[context_id] = kernel

    def drop_kernel(self, context_id: str) -> None:
        """Know a context's kernel no longer: forks need not carry it. Idempotent."""
        earlier = self.kernels.pop(context_id, None)
        if earlier is not None:
            earlier.close()

    def usage(self) -> CgroupUsage | None:
        """Return what its programs have used; None where there are no cgroups."""
        if self.cgroup is None:
            return None
        with contextlib.suppress(FileNotFoundError):
            return self.cgroup.usage()
        return None

    def disk_used_bytes(self) -> int:
        """Return how much its writable layer holds."""
        if self.layer_fd < 0:
            return 0
        status = os.fstatvfs(self.layer_fd)
        return (status.f_blocks - status.f_bfree) * status.f_frsize

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to its first process, if that has not ended."""
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    async def retire(self) -> None:
        """End its programs, but not the processes that its live forks depend on."""
        self.guest.park()
        self.thaw()
        if self.cgroup is not None:
            await asyncio.to_thread(self.cgroup.end_processes)
        self._socket_path.unlink(missing_ok=True)

    async def kill(self) -> None:
        """End every process, and give everything back. Idempotent."""
        if self._pidfd >= 0:
            for kernel in self.kernels.values():
                kernel.kill()  # a large process, which can end while the agent does
            self.send_signal(signal.SIGKILL)
            self.thaw()  # only now, so that nothing runs once more; frozen, it could not end
            await self.ended.wait()
        self._release()
        if self._finishing:  # what is under way finds that it has ended
            await asyncio.wait(self._finishing)
        if self.cgroup is not None:
            cgroup, self.cgroup = self.cgroup, None
            if self.origin is not None:  # whose kernel may have sent more than went inside
                await asyncio.to_thread(cgroup.end_processes)
            await asyncio.to_thread(cgroup.remove)

    def finish(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what nobody waits for any more; `kill` does."""
        task = asyncio.create_task(work)
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Call back once, when the machine's first process has ended for whatever reason."""
        self._on_end.append(callback)

    def _on_exit(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        self.ended.set()
        for callback in self._on_end:
            callback()

    def _release(self) -> None:
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
        for kernel in self.kernels.values():
            kernel.close()
        self.kernels.clear()
        for fd in (self._nested_agent, *self.namespaces):
            if fd >= 0:
                os.close(fd)
        self._nested_agent, self.namespaces = -1, []
        if self.layer_fd >= 0:
            os.close(self.layer_fd)
            self.layer_fd = -1
        self.control.close()
        self._socket_path.unlink(missing_ok=True)
