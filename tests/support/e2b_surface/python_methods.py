"""The public methods of the published Python SDK, by introspection; and who calls them."""

import contextvars
import inspect
from collections.abc import Iterator
from typing import Any, Final

import e2b
import e2b_code_interpreter as interpreter
from e2b.sandbox_async import paginator as paginator_async
from e2b.sandbox_async.commands import command as command_async
from e2b.sandbox_async.commands import pty as pty_async
from e2b.sandbox_async.filesystem import filesystem as filesystem_async
from e2b.sandbox_async.git import Git as GitAsync
from e2b.sandbox_sync import paginator
from e2b.sandbox_sync.commands import command, pty
from e2b.sandbox_sync.filesystem import filesystem
from e2b.template.main import TemplateBase, TemplateBuilder

# The name of a group as users write it, with its class in the synchronous and asynchronous SDK.
# Where both are one, only the first counts.
GROUPS: Final[dict[str, tuple[type, type]]] = {
    "Sandbox": (interpreter.Sandbox, interpreter.AsyncSandbox),
    "Sandbox.commands": (command.Commands, command_async.Commands),
    "CommandHandle": (e2b.CommandHandle, e2b.AsyncCommandHandle),
    "Sandbox.pty": (pty.Pty, pty_async.Pty),
    "Sandbox.files": (filesystem.Filesystem, filesystem_async.Filesystem),
    "WatchHandle": (e2b.WatchHandle, e2b.AsyncWatchHandle),
    "Sandbox.git": (e2b.Git, GitAsync),
    "SandboxPaginator": (paginator.SandboxPaginator, paginator_async.AsyncSandboxPaginator),
    "SnapshotPaginator": (paginator.SnapshotPaginator, paginator_async.AsyncSnapshotPaginator),
    "Template": (e2b.Template, e2b.AsyncTemplate),
    "Template()": (TemplateBuilder, TemplateBuilder),
    "Volume": (e2b.Volume, e2b.AsyncVolume),
    "Secret": (e2b.Secret, e2b.AsyncSecret),
    "SecretPaginator": (e2b.SecretPaginator, e2b.AsyncSecretPaginator),
}
SURFACES: Final = ("python", "python-async")

_calling: contextvars.ContextVar[bool] = contextvars.ContextVar("calling", default=False)
_seen: set[tuple[str, str]] = set()


def methods() -> set[tuple[str, str]]:
    """Return every public method as (surface, name)."""
    return {(surface, name) for surface, name, _, _ in _found()}


def begin() -> None:
    """Forget which methods were called."""
    _seen.clear()


def called() -> set[tuple[str, str]]:
    """Return the methods that were called since `begin` and came back without an exception."""
    return set(_seen)


def record() -> None:
    """Note from now on each call by a test, not those which the SDK makes within."""
    for surface, name, owner, attribute in list(_found()):
        raw = inspect.getattr_static(owner, attribute)
        if not isinstance(raw, _Recorded):
            raw = _Recorded(raw, name)
            setattr(owner, attribute, raw)
        raw.surfaces.add(surface)


def _found() -> Iterator[tuple[str, str, type, str]]:
    for group, classes in GROUPS.items():
        for surface, kind in zip(SURFACES, classes, strict=True):
            if surface == "python" or classes[0] is not classes[1]:
                for attribute, owner in _public(kind):
                    shared = owner is TemplateBase
                    if not (shared and surface == "python-async"):
                        name = f"{'Template()' if shared else group}.{attribute}"
                        yield surface, name, owner, attribute


def _public(kind: type) -> Iterator[tuple[str, type]]:
    for attribute in dir(kind):
        owner = next(base for base in kind.__mro__ if attribute in vars(base))
        if attribute.startswith("_") or isinstance(vars(owner)[attribute], property):
            continue
        if callable(getattr(kind, attribute)):
            yield attribute, owner


class _Recorded:
    """A method of any kind that notes the calls which came back."""

    def __init__(self, raw: Any, name: str) -> None:
        self.surfaces: set[str] = set()
        self._raw = raw
        self._name = name
        self.__doc__ = raw.__doc__

    def __get__(self, instance: Any, kind: type | None = None) -> Any:
        bound = self._raw.__get__(instance, kind)
        if _calling.get():
            return bound

        name = (self._surface(instance, kind), self._name)

        def call(*arguments: Any, **options: Any) -> Any:
            token = _calling.set(True)
            try:
                result = bound(*arguments, **options)
            finally:
                _calling.reset(token)
            if inspect.iscoroutine(result):
                return self._awaited(result, name)
            _seen.add(name)
            return result

        return call

    def _surface(self, instance: Any, kind: type | None) -> str:
        """Return whose method it is: some are in a base class of both SDKs."""
        if len(self.surfaces) == 1:
            return next(iter(self.surfaces))
        bases = (kind or type(instance)).__mro__
        return SURFACES[any(base.__name__.startswith("Async") for base in bases)]

    @staticmethod
    async def _awaited(coroutine: Any, name: tuple[str, str]) -> Any:
        token = _calling.set(True)
        try:
            result = await coroutine
        finally:
            _calling.reset(token)
        _seen.add(name)
        return result
