"""Starting sandboxes that nobody owns yet: a machine, its kernels, and its template's program."""

import asyncio
from collections.abc import Callable, Sequence

from capibara6_guest.wire import CallError
from capibara6_sandbox.errors import StartError
from capibara6_sandbox.host.foundry import Foundry
from capibara6_sandbox.host.guest_client import GuestLostError
from capibara6_sandbox.host.machine import Machine
from capibara6_sandbox.host.programs import ProgramFailedError
from capibara6_sandbox.host.sandbox import Sandbox
from capibara6_sandbox.host.startup import start_up
from capibara6_sandbox.host.stems import Kernels
from capibara6_sandbox.templates.catalog import Template


class Starter:
    """Starts sandboxes, and takes them back.

    Args:
        foundry: makes their machines.
        watch: is told of each sandbox that has started, and its machine.
    """

    def __init__(self, foundry: Foundry, watch: Callable[[Sandbox, Machine], None]) -> None:
        self._foundry = foundry
        self._watch = watch

    async def start(
        self,
        template: Template,
        kernels: Kernels | None = None,
        origin: Machine | None = None,
        volumes: Sequence[tuple[str, str]] = (),
    ) -> Sandbox:
        """Start a sandbox.

        Args:
            template: what it is made of.
            kernels: gives it its kernels; without, it gets fresh ones.
            origin: the machine that it shall be a live fork of.
            volumes: ids and paths of those that it starts with.

        Raises:
            StartError: this machine refused something; nothing is left behind.
        """
        parents = self._foundry.parents
        machine = await self._foundry.make(
            template, template.layers, origin=origin, volumes=volumes
        )
        sandbox = Sandbox(machine.blueprint.id, parents)
        sandbox.attach(machine)
        try:
            await (kernels(sandbox) if kernels else sandbox.start_default_contexts())
            if template.startup is not None:
                await start_up(machine.guest, template.startup)
        except (OSError, CallError, GuestLostError, ProgramFailedError) as cause:
            await asyncio.shield(self.dispose(sandbox))
            raise StartError(f"The sandbox could not start: {cause}") from None
        except BaseException:
            await asyncio.shield(self.dispose(sandbox))
            raise
        self._watch(sandbox, machine)
        return sandbox

    async def dispose(self, sandbox: Sandbox) -> None:
        """Take back what a sandbox runs on."""
        if (machine := sandbox.detach()) is not None:
            await self._foundry.take_back(machine)
