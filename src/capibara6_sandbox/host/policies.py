"""Changing what a sandbox may reach while it runs."""

from dataclasses import replace

from capibara6_sandbox.errors import ConflictError
from capibara6_sandbox.host.foundry import Foundry
from capibara6_sandbox.host.roll import unknown_sandbox
from capibara6_sandbox.host.sandbox import Sandbox
from capibara6_sandbox.host.states import State
from capibara6_sandbox.network.policy import Policy


async def set_policy(foundry: Foundry, sandbox: Sandbox, policy: Policy) -> None:
    """Let a running sandbox reach what `policy` allows, from now on.

    Raises:
        BadRequestError: the policy cannot be had here.
        NotFoundError, ConflictError: it has ended, or is paused.
        StartError: as of `Foundry.apply_policy`; what it may reach is as before.
    """
    await foundry.check_policy(policy)
    async with sandbox.turn:
        if sandbox.state is State.PAUSED:
            raise ConflictError(f"Sandbox {sandbox.id} is paused; resume it first")
        if not sandbox.alive:
            raise unknown_sandbox(sandbox.id)
        team = sandbox.request.team
        await foundry.apply_policy(sandbox.machine, policy, sandbox.env, team)
        sandbox.request = replace(sandbox.request, policy=policy)
