"""Stopping a machine's programs and its agent, and letting them go on."""

import asyncio
import contextlib
import signal
from abc import ABC, abstractmethod
from typing import Final

from capibara6_sandbox.errors import StartError
from capibara6_sandbox.host.control_channel import ControlChannel
from capibara6_sandbox.isolation.cgroups import Cgroup

_FREEZE_TIMEOUT_S: Final = 5.0
_FREEZE_CHECK_S: Final = 0.001


class Standstill(ABC):
    """What of a machine can stand still."""

    cgroup: Cgroup | None
    control: ControlChannel

    @property
    @abstractmethod
    def has_forks(self) -> bool:
        """Whether its first process has to reap kernels of live forks."""

    @abstractmethod
    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to its first process, if that has not ended."""

    async def hold_programs(self) -> None:
        """Stop what its user runs, until `release_programs`; the agent serves on.

        Raises:
            StartError: something would not stop.
        """
        if self.cgroup is None or not self.cgroup.can_freeze:
            await self.control.pause(programs=True)
        else:
            await self.freeze()

    async def release_programs(self) -> None:
        """Let everything run again. Idempotent."""
        self.thaw()
        await self.control.resume()

    async def stop_agent(self) -> None:
        """Stop its agent too, after its programs.

        Raises:
            StartError: the machine has ended.
        """
        await self.control.pause(programs=False)
        if not self.has_forks:
            self.send_signal(signal.SIGSTOP)

    def continue_agent(self) -> None:
        """Let its agent go on, before its programs."""
        self.send_signal(signal.SIGCONT)

    async def freeze(self) -> None:
        """Stop all in its cgroup.

        Raises:
            StartError: there is none, or something would not stop; it runs again.
        """
        cgroup = self.cgroup
        if cgroup is None or not cgroup.can_freeze:
            raise StartError("This machine has no cgroup that could stop its processes.")
        try:
            cgroup.freeze()
            async with asyncio.timeout(_FREEZE_TIMEOUT_S):
                while not cgroup.frozen:  # noqa: ASYNC110 - the kernel tells nobody
                    await asyncio.sleep(_FREEZE_CHECK_S)
        except (OSError, TimeoutError):
            self.thaw()
            raise StartError("Its processes could not be stopped.") from None

    def thaw(self) -> None:
        """Let what its cgroup froze run again. Idempotent."""
        if self.cgroup is not None and self.cgroup.can_freeze:
            with contextlib.suppress(FileNotFoundError):
                self.cgroup.thaw()
