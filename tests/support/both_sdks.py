"""One way to call the synchronous and the asynchronous Python SDK."""

import inspect
from dataclasses import dataclass
from typing import Any

import e2b
import e2b_code_interpreter as interpreter


@dataclass(frozen=True)
class Sdk:
    """The classes of one of both SDKs."""

    Sandbox: Any
    Template: Any
    Volume: Any
    Secret: Any


SDKS = {
    "python": Sdk(interpreter.Sandbox, e2b.Template, e2b.Volume, e2b.Secret),
    "python-async": Sdk(
        interpreter.AsyncSandbox, e2b.AsyncTemplate, e2b.AsyncVolume, e2b.AsyncSecret
    ),
}


async def settled(value: Any) -> Any:
    """Return what a call of either SDK gives."""
    return await value if inspect.isawaitable(value) else value


class Settled:
    """An object of either SDK all of whose methods are awaited."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if not callable(found):
            return Settled(found) if hasattr(found, "__dict__") else found

        async def call(*arguments: Any, **options: Any) -> Any:
            return await settled(found(*arguments, **options))

        return call
