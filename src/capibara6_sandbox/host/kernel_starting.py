"""Starting a Python kernel in a machine: forked by a zygote, then adopted by the agent."""

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
    ours, theirs = socket.socketpair()
    out_reading, out_writing = os.pipe2(os.O_CLOEXEC)
    err_reading, err_writing = os.pipe2(os.O_CLOEXEC)
    joins = machine.open_joins()
    kernel_side = [theirs.fileno(), out_writing, err_writing]
    try:
        order = {
            "op": "kernel",
            "cwd": cwd,
            "env": {**BASE_ENVIRONMENT, **env},
            "privileged": machine.blueprint.privileged,
            "rlimits": machine.rlimits,
        }
        _, (pidfd, gate) = await zygote.request(order, [machine.agent_pidfd, *kernel_side, *joins])
        machine.hold_kernel(context_id, HostedKernel(pidfd, KernelGate(gate), cwd))
        agent_side = [ours.fileno(), out_reading, err_reading]
        await machine.control.adopt(context_id, cwd, agent_side, notice)
    except (ZygoteError, OSError, ValueError) as cause:
        raise StartError(f"The Python kernel could not start: {cause}") from None
    finally:
        ours.close()
        theirs.close()
        for fd in (out_reading, out_writing, err_reading, err_writing, *joins):
            os.close(fd)
    return context_id
