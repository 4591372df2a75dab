"""What behaviours are tried with: sandboxes of one provider, and a way to say what was wrong."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx
from e2b.exceptions import SandboxException
from e2b_code_interpreter.code_interpreter_async import AsyncSandbox

LIFE_S: Final = 300
# As uname says it under gVisor, whatever kernel the host has.
_GVISOR_KERNEL: Final = "4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016"
_LOOK: Final = (
    "uname -rv; test -d /run/capibara6-agent && echo container; "
    "test \"$(awk '{print $3}' /proc/self/uid_map)\" = 1 && echo one-id; true"
)


class DiffersError(Exception):
    """A behaviour is another than it shall be; the message says what came instead."""


def expect(actual: object, wanted: object, what: str) -> None:
    """See that something is as it shall be.

    Raises:
        DiffersError: it is not.
    """
    if actual != wanted:
        raise DiffersError(f"{what}: {actual!r:.200}, not {wanted!r:.200}")


def expect_true(holds: object, what: str) -> None:
    """See that something holds.

    Raises:
        DiffersError: it does not; `what` says what came instead.
    """
    if not holds:
        raise DiffersError(what)


class Probe:
    """Sandboxes of one provider.

    Args:
        options: keyword arguments that point the SDK at the provider.
        template: what they are made of.
    """

    def __init__(self, options: dict[str, Any], template: str) -> None:
        self._options = options
        self._template = template
        self._shared: AsyncSandbox | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments for calls of the SDK that belong to no sandbox."""
        return dict(self._options)

    async def sandbox(self) -> AsyncSandbox:
        """Return the sandbox that behaviours share, another one if a behaviour has ended it."""
        if self._shared is not None and not await self._shared.is_running():
            self._shared = None
        if self._shared is None:
            self._shared = await self._create()
        return self._shared

    @asynccontextmanager
    async def own(self, **given: Any) -> AsyncIterator[AsyncSandbox]:
        """Give a sandbox of its own to one behaviour, and end it afterwards."""
        sandbox = await self._create(**given)
        try:
            yield sandbox
        finally:
            await end(sandbox)

    async def _create(self, **given: Any) -> AsyncSandbox:
        return await AsyncSandbox.create(
            self._template, **{"timeout": LIFE_S, **self._options, **given}
        )

    async def close(self) -> None:
        """End the shared sandbox. Idempotent."""
        if self._shared is not None:
            shared, self._shared = self._shared, None
            await end(shared)

    async def runtime(self) -> str:
        """Return what runs the sandboxes, as one of them sees it."""
        seen = (await (await self.sandbox()).commands.run(_LOOK)).stdout
        if _GVISOR_KERNEL in seen:
            return "gvisor"
        if "container" in seen:
            return "container"
        return "one id" if "one-id" in seen else "namespaces"


async def end(sandbox: AsyncSandbox) -> None:
    """End a sandbox that may have ended already."""
    with contextlib.suppress(SandboxException, httpx.HTTPError):
        await sandbox.kill()


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One thing that a provider shall do."""

    name: str
    attempt: Callable[[Probe], Awaitable[None]]
    required: bool = True
