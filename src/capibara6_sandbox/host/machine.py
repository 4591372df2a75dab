"""One isolated machine: the processes, files and limits behind a sandbox's name.

Owns everything the operating system gave it (agent, kernels, cgroup, socket, descriptors) and gives
all of it back. Knows nothing of names, owners and lifetimes: that is `sandbox`.
"""

import asyncio
import contextlib
import json
import os
import re
import secrets
import signal
import socket
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from capibara6_sandbox.errors import StartError
from capibara6_sandbox.host.guest_client import GuestClient
from capibara6_sandbox.host.kernel_gate import KernelGate
from capibara6_sandbox.host.layers import ask
from capibara6_sandbox.host.zygotes import ZygoteClient, ZygoteError
from capibara6_sandbox.isolation.cgroups import Cgroup
from capibara6_sandbox.isolation.limits import CgroupUsage
from capibara6_sandbox.templates.build import BuiltEnvironment
from capibara6_sandbox.templates.catalog import Template
from capibara6_sandbox.templates.skeleton import PATH

HOME: Final = "/home/user"
_ORDER_TIMEOUT_S: Final = 30.0
_PACKET_BYTES_MAX: Final = 64 * 1024
_FDS_MAX: Final = 1
_FREEZE_TIMEOUT_S: Final = 5.0
_FREEZE_CHECK_S: Final = 0.001

_BASE_ENVIRONMENT: Final = {
    "PATH": PATH,
    "HOME": HOME,
    "USER": "user",
    "LOGNAME": "user",
    "SHELL": "/bin/bash",
    "LANG": "C.UTF-8",
    "E2B_SANDBOX": "true",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "VIRTUAL_ENV": "/opt/venv",
}


@dataclass(slots=True)
class HostedKernel:
    """A Python kernel's process; whoever replaces or ends it closes `pidfd`."""

    pidfd: int
    gate: KernelGate
    cwd: str

    @property
    def pid(self) -> int:
        """Its id as the host counts; 0 once it has ended."""
        return process_id(self.pidfd)

    def close(self) -> None:
        """Forget the process; the gate closes itself."""
        os.close(self.pidfd)


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a machine is made of."""

    id: str
    template: Template
    built: BuiltEnvironment
    uid_base: int  # first host id of its range; ignored where there is a single id
    privileged: bool
    layers: tuple[str, ...] = ()  # saved ones that it starts from, lowest first
    disk_bytes: int = 0  # of its writable layer; 0: what its template says


class Machine:
    """A running machine. Use `start` to make one and `kill` to end it."""

    def __init__(self, blueprint: Blueprint, run: Path) -> None:
        self.blueprint = blueprint
        self.cgroup: Cgroup | None = None  # which `kill` removes
        self._socket_path = run / f"{blueprint.id}.sock"
        self.guest = GuestClient(self._socket_path)
        self._control: socket.socket | None = None
        self._pidfd = -1
        self.layer_fd = -1  # of its writable layer, which no path leads to
        self.egress_key = 0  # of its way out; 0: it has none
        self._turn = asyncio.Lock()  # an order and its answer, before the next
        self.ended = asyncio.Event()
        self._on_end: list[Callable[[], None]] = []
        self.kernels: dict[str, HostedKernel] = {}  # Python's, by context
        self._nested_agent = -1  # of a live fork, whose first process is not the agent
        self.origin: Machine | None = None  # whose kernels this one's were forked from
        self.namespaces: list[int] = []  # of a live fork: what kernels of its origin may enter
        self.forks: set[Machine] = set()  # live ones of this one: its first process outlives it

    async def start(self, nursery: ZygoteClient) -> None:
        """Fork the machine and wait until its agent answers.

        Raises:
            StartError: a namespace, a mount or a limit was refused; nothing is left behind.
        """
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._control = ours
        joins = self.cgroup.open_procs() if self.cgroup else []
        try:
            with theirs, self._listen() as listener:
                fds = [listener.fileno(), theirs.fileno(), *joins]
                _, (self._pidfd, *nested) = await nursery.request(
                    self._root(), [*self._above(), *fds]
                )
                if nested:
                    self._nested_agent, *self.namespaces = nested
            loop.add_reader(self._pidfd, self._on_exit)
            (self.layer_fd,) = await self._expect("ready")
            self.set_environment(_BASE_ENVIRONMENT)
        except (ZygoteError, OSError, StartError) as cause:
            await self.kill()
            raise StartError(f"The sandbox could not start: {cause}") from None
        finally:
            for fd in joins:
                os.close(fd)

    async def open_uplink(self, nursery: ZygoteClient) -> list[int]:
        """Return its way out: a TCP listener and a DNS socket, which the caller closes.

        Raises:
            ZygoteError: the kernel refused.
        """
        return (await nursery.request({"op": "uplink"}, [self.agent_pidfd]))[1]

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
            "uid_base": self.blueprint.uid_base,
            "layers": self.blueprint.layers,
            "boot_id": str(uuid.uuid4()),
            "rlimits": self._rlimits,
        }

    @property
    def _rlimits(self) -> list[tuple[int, int]]:
        """What stands in for the cgroup where there is none."""
        return [] if self.cgroup else self.blueprint.template.limits.rlimits

    async def add_python_kernel(
        self,
        zygote: ZygoteClient,
        cwd: str,
        context_id: str,
        env: Mapping[str, str],
        notice: str = "",
    ) -> str:
        """Fork a Python kernel into the machine; return its context's id, a new one for "".

        Raises:
            StartError: the zygote refused or the machine ended.
        """
        context_id = context_id or secrets.token_hex(16)
        ours, theirs = socket.socketpair()
        out_reading, out_writing = os.pipe2(os.O_CLOEXEC)
        err_reading, err_writing = os.pipe2(os.O_CLOEXEC)
        joins = self.cgroup.open_procs() if self.cgroup else []
        kernel_side = [theirs.fileno(), out_writing, err_writing]
        try:
            order = {
                "op": "kernel",
                "cwd": cwd,
                "env": {**_BASE_ENVIRONMENT, **env},
                "privileged": self.blueprint.privileged,
                "rlimits": self._rlimits,
            }
            _, (pidfd, gate) = await zygote.request(order, [self.agent_pidfd, *kernel_side, *joins])
            self.hold_kernel(context_id, HostedKernel(pidfd, KernelGate(gate), cwd))
            await self.adopt(context_id, cwd, [ours.fileno(), out_reading, err_reading], notice)
        except (ZygoteError, OSError, ValueError) as cause:
            raise StartError(f"The Python kernel could not start: {cause}") from None
        finally:
            ours.close()
            theirs.close()
            for fd in (out_reading, out_writing, err_reading, err_writing, *joins):
                os.close(fd)
        return context_id

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

    def name_context(self, language: str, cwd: str) -> str:
        """Have a kernel of `language` start at its first use; return its context's id.

        An order, where the agent's own call would cost each start a connection and 400 kB.
        """
        context_id = secrets.token_hex(16)
        context = {"context_id": context_id, "language": language, "cwd": cwd}
        self._order({"context": context}, [])
        return context_id

    async def mount(self, nursery: ZygoteClient, volume: str, path: str) -> None:
        """Mount a volume on a directory, which is made if it is missing.

        Raises:
            LayerError: it cannot be mounted there; the message says why.
        """
        await ask(nursery, {"op": "mount", "volume": volume, "path": path}, [self.agent_pidfd])

    def hold_kernel(self, context_id: str, kernel: HostedKernel) -> None:
        """Know a context's kernel, in the place of an earlier one."""
        earlier = self.kernels.pop(context_id, None)
        if earlier is not None:
            earlier.close()
        self.kernels[context_id] = kernel

    async def adopt(self, context_id: str, cwd: str, fds: Sequence[int], notice: str = "") -> None:
        """Hand a kernel's socket and outputs to the agent.

        Args:
            context_id: whose kernel it is; a new one's is made.
            cwd: the context's directory.
            fds: the agent's ends; the caller closes its own.
            notice: what the next execution shows on stderr.
        """
        async with self._turn:
            self._order({"adopt": context_id, "cwd": cwd, "notice": notice}, list(fds))
            await self._expect("adopted")

    async def fork_kernel(self, context_id: str, fds: Sequence[int]) -> None:
        """Let a kernel fork itself; see capibara6_guest.python_carry.

        Raises:
            StartError: it was busy, or has ended.
        """
        async with self._turn:
            self._order({"fork": context_id}, list(fds))
            await self._expect("forked")

    async def retire(self) -> None:
        """End its programs, but not the processes that its live forks depend on."""
        self.guest.park()
        self._thaw()
        if self.cgroup is not None:
            await asyncio.to_thread(self.cgroup.end_processes)
        self._socket_path.unlink(missing_ok=True)

    def set_environment(self, env: Mapping[str, str]) -> None:
        """Set the variables that every kernel and program started from now on sees."""
        self._order({"env": dict(env)}, [])

    def _order(self, message: dict[str, Any], fds: list[int]) -> None:
        if self._control is None or self.ended.is_set():
            raise StartError("The sandbox has ended.")
        socket.send_fds(self._control, [json.dumps(message).encode()], fds)

    async def _expect(self, key: str) -> list[int]:
        """Wait for the agent's answer, which is data and no more; return its descriptors."""
        assert self._control is not None
        async with asyncio.timeout(_ORDER_TIMEOUT_S):
            await _readable(self._control)
        packet, fds, _, _ = socket.recv_fds(self._control, _PACKET_BYTES_MAX, _FDS_MAX)
        answer = json.loads(packet) if packet else {"failed": "its first process ended"}
        if key not in answer or len(fds) != (key == "ready"):
            for fd in fds:
                os.close(fd)
            raise StartError(str(answer.get("failed", answer)))
        return fds

    @property
    def pid(self) -> int:
        """The id of its first process, as the host counts; 0 once it has ended."""
        return process_id(self._pidfd)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that every machine has."""
        return dict(_BASE_ENVIRONMENT)

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

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Call back once, when the machine's first process has ended for whatever reason."""
        self._on_end.append(callback)

    async def pause(self) -> None:
        """Stop every process, its time and its calls; they go on at `resume`.

        Raises:
            StartError: something would not stop; everything runs again.
        """
        try:
            await self.hold_still()
            async with self._turn:
                self._order({"pause": False}, [])
                await self._expect("paused")
            self._signal(signal.SIGSTOP)
        except BaseException:
            await self.let_go()
            raise
        self.guest.park()

    async def resume(self) -> None:
        """Undo `pause`.

        Raises:
            StartError: the machine has ended.
        """
        self._signal(signal.SIGCONT)
        await self.let_go()
        self.guest.unpark()

    async def hold_still(self) -> None:
        """Stop what its user runs, until `let_go`; the agent serves on.

        Raises:
            StartError: something would not stop.
        """
        if self.cgroup is None or not self.cgroup.can_freeze:
            async with self._turn:
                self._order({"pause": True}, [])
                await self._expect("paused")
            return
        try:
            self.cgroup.freeze()
            async with asyncio.timeout(_FREEZE_TIMEOUT_S):
                while not self.cgroup.frozen:  # noqa: ASYNC110 - the kernel tells nobody
                    await asyncio.sleep(_FREEZE_CHECK_S)
        except (OSError, TimeoutError):
            await self.let_go()
            raise StartError("Its processes could not be stopped.") from None

    async def let_go(self) -> None:
        """Let everything run again. Idempotent."""
        self._thaw()
        if self.ended.is_set():
            return
        async with self._turn:
            self._order({"resume": True}, [])
            await self._expect("resumed")

    def _thaw(self) -> None:
        if self.cgroup is not None and self.cgroup.can_freeze:
            with contextlib.suppress(FileNotFoundError):
                self.cgroup.thaw()

    def _signal(self, number: signal.Signals) -> None:
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    async def kill(self) -> None:
        """End every process, and give everything back. Idempotent."""
        if self._pidfd >= 0:
            self._signal(signal.SIGKILL)
            self._thaw()  # only now, so that nothing runs once more; frozen, it could not end
            await self.ended.wait()
        self._release()
        if self.cgroup is not None:
            cgroup, self.cgroup = self.cgroup, None
            await asyncio.to_thread(cgroup.remove)

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
        if self._control is not None:
            self._control.close()
            self._control = None
        self._socket_path.unlink(missing_ok=True)


def process_id(pidfd: int) -> int:
    """Return a process's id as the host counts; 0 once it has ended."""
    with contextlib.suppress(FileNotFoundError):
        info = Path(f"/proc/self/fdinfo/{pidfd}").read_text()
        found = re.search(r"^Pid:\s+(\d+)$", info, re.MULTILINE)
        return int(found[1]) if found else 0
    return 0


async def _readable(end: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(end, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(end)
