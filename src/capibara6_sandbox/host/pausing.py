"""Pausing a machine, and holding still what its user runs while its files are read."""

import asyncio
import signal
from typing import Final

from capibara6_sandbox.errors import StartError
from capibara6_sandbox.host.machine import Machine

_FREEZE_TIMEOUT_S: Final = 5.0
_FREEZE_CHECK_S: Final = 0.001


async def pause(machine: Machine) -> None:
    """Stop every process, its time and its calls; they go on at `resume`.

    Raises:
        StartError: something would not stop; everything runs again.
    """
    try:
        await hold_still(machine)
        await machine.control.pause(programs=False)
        if not machine.forks:  # whose kernels its first process has to reap
            machine.send_signal(signal.SIGSTOP)
    except BaseException:
        await let_go(machine)
        raise
    machine.guest.park()


async def resume(machine: Machine) -> None:
    """Undo `pause`.

    Raises:
        StartError: the machine has ended.
    """
    machine.send_signal(signal.SIGCONT)
    await let_go(machine)
    machine.guest.unpark()


async def hold_still(machine: Machine) -> None:
    """Stop what its user runs, until `let_go`; the agent serves on.

    Raises:
        StartError: something would not stop.
    """
    async with machine.carrying:
        machine.still = True
        await _stop_programs(machine)


async def _stop_programs(machine: Machine) -> None:
    cgroup = machine.cgroup
    if cgroup is None or not cgroup.can_freeze:
        await machine.control.pause(programs=True)
        return
    try:
        cgroup.freeze()
        async with asyncio.timeout(_FREEZE_TIMEOUT_S):
            while not cgroup.frozen:  # noqa: ASYNC110 - the kernel tells nobody
                await asyncio.sleep(_FREEZE_CHECK_S)
    except (OSError, TimeoutError):
        await let_go(machine)
        raise StartError("Its processes could not be stopped.") from None


async def let_go(machine: Machine) -> None:
    """Let everything run again. Idempotent."""
    machine.still = False
    machine.thaw()
    if not machine.ended.is_set():
        await machine.control.resume()
