"""Starting a Python kernel in a machine: forked by a zygote, then adopted by the agent."""

import contextlib
import os
import secrets
import socket
from collections.abc import Mapping

from capibara6_sandbox.errors import StartError
from capibara6_sandbox.host.blueprint import BASE_ENVIRONMENT
from capibara6_sandbox.host.hosted_kernel import HostedKernel
from capibara6_sandbox.host.kernel_gate import KernelGate
from capibara6_sandbox.host.machine import Machine
from capibara6_sandbox.host.zygotes import ZygoteClient, ZygoteError


async def add_python_kernel(
    machine: Machine,
    zygote: ZygoteClient,
    cwd: str,
    context_id: str,
    env: Mapping[str, str],
    notice: str = "",
) -> str:
    """Fork a Python kernel into a machine; return its context's id, a new one for "".

    Raises:
        StartError: the zygote refused or the machine ended.
    """
    context_id = context_id or secrets.token_hex(16)
    order = {
        "op": "kernel",
        "cwd": cwd,
        "env": {**BASE_ENVIRONMENT, **env},
        "privileged": machine.blueprint.privileged,
        "rlimits": machine.rlimits,
    }
    try:
        with contextlib.ExitStack() as stack:
            ours, theirs = _ends(machine, stack)
            _, (pidfd, gate) = await zygote.request(order, [machine.agent_pidfd, *theirs])
            machine.hold_kernel(context_id, HostedKernel(pidfd, KernelGate(gate), cwd))
            await machine.control.adopt(context_id, cwd, ours, notice)
    except (ZygoteError, OSError, ValueError) as cause:
        raise StartError(f"The Python kernel could not start: {cause}") from None
    return context_id


def _ends(machine: Machine, stack: contextlib.ExitStack) -> tuple[list[int], list[int]]:
    """Open what agent and kernel get, which `stack` closes: socket, stdout, stderr.

    The kernel's come with the files through which it joins the machine's cgroup.
    """
    ours, theirs = (stack.enter_context(end) for end in socket.socketpair())
    agent, kernel = [ours.fileno()], [theirs.fileno()]
    for _ in range(2):
        for fd, side in zip(os.pipe2(os.O_CLOEXEC), (agent, kernel), strict=True):
            stack.callback(os.close, fd)
            side.append(fd)
    joins = machine.open_joins()
    for fd in joins:
        stack.callback(os.close, fd)
    return agent, [*kernel, *joins]
