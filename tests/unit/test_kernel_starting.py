"""Starting a kernel in a machine that refuses or has ended: told, and no descriptor left open."""

import asyncio
import os
import signal
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from capibara6_sandbox.errors import StartError
from capibara6_sandbox.host.blueprint import Blueprint
from capibara6_sandbox.host.hosted_kernel import HostedKernel
from capibara6_sandbox.host.kernel_gate import KernelGate
from capibara6_sandbox.host.kernel_starting import add_python_kernel
from capibara6_sandbox.host.machine import Machine
from capibara6_sandbox.host.zygotes import ZygoteClient, ZygoteError
from capibara6_sandbox.zygote.channel import Channel
from kernel_session import open_fds


class RefusingZygote:
    async def request(self, message: dict[str, Any], fds: list[int]) -> None:
        raise ZygoteError("the zygote is gone")


def _machine(joins: Any) -> Machine:
    blueprint = SimpleNamespace(privileged=False)
    machine = SimpleNamespace(blueprint=blueprint, rlimits=[], agent_pidfd=0, open_joins=joins)
    return cast(Machine, machine)


def _no_group() -> list[int]:
    raise FileNotFoundError("cgroup.procs")


@pytest.mark.parametrize(
    ("joins", "reason"), [(_no_group, "cgroup.procs"), (list, "the zygote is gone")]
)
async def test_a_refusal_is_told_and_leaves_nothing_open(joins: Any, reason: str) -> None:
    zygote = cast(ZygoteClient, RefusingZygote())
    before = open_fds()
    with pytest.raises(StartError, match=f"could not start: {reason}"):
        await add_python_kernel(_machine(joins), zygote, "/", "", {})
    assert open_fds() == before


def test_a_kernel_that_comes_when_its_machine_has_ended_is_not_held(tmp_path: Path) -> None:
    machine = Machine(cast(Blueprint, SimpleNamespace(id="gone", place="")), tmp_path)
    before = open_fds()
    kernel = HostedKernel(os.pidfd_open(os.getpid()), cast(KernelGate, None), "/")
    with pytest.raises(StartError, match="has ended"):
        machine.hold_kernel("context", kernel)
    assert open_fds() == before
    assert not machine.kernels


async def test_a_fork_that_comes_when_nobody_waits_any_more_is_ended() -> None:
    """The request is cancelled after its answer was read, but before it goes on."""
    before = open_fds()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client = ZygoteClient(ours, os.pidfd_open(os.getpid()), "a zygote")
    fork = await asyncio.create_subprocess_exec("sleep", "60")
    asking = asyncio.create_task(client.request({"op": "kernel"}, []))
    await asyncio.sleep(0)
    assert client._waiting
    pidfd = os.pidfd_open(fork.pid)
    Channel(theirs).send({}, [pidfd])
    os.close(pidfd)
    client._on_reply()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await fork.wait() == -signal.SIGKILL
    client._lose()
    os.close(client.pidfd)
    ours.close()
    theirs.close()
    assert open_fds() == before
