"""The contexts of a sandbox: its kernels as clients know them, by language and id."""

import asyncio
from abc import ABC, abstractmethod
from typing import Any

from capibara6_guest.wire import CallError
from capibara6_sandbox.host.blueprint import HOME
from capibara6_sandbox.host.kernel_starting import add_python_kernel
from capibara6_sandbox.host.machine import Machine
from capibara6_sandbox.host.parents import Parents
from capibara6_sandbox.templates.catalog import Environment


class KernelContexts(ABC):
    """What a sandbox does with its contexts.

    Args:
        parents: what its Python kernels are forked from.
    """

    default_user: str

    def __init__(self, parents: Parents) -> None:
        self._parents = parents
        self.default_context_ids: dict[str, str] = {}  # by language
        self._contexts_turn = asyncio.Lock()  # one change at a time: none is made or revived twice

    @property
    @abstractmethod
    def machine(self) -> Machine:
        """The machine that the kernels run on."""

    @property
    @abstractmethod
    def variables(self) -> dict[str, str]:
        """What kernels see."""

    async def start_default_contexts(self, notice: str = "") -> None:
        """Fork the Python kernel, and name the JavaScript one, where the template has kernels.

        Args:
            notice: what the Python kernel's first execution shows on stderr.
        """
        if not self._environment.has_kernels:
            return
        if self.machine.starts_kernels:
            for language in ("javascript", "python"):
                made = await self._create_context(language, HOME, notice)
                self.default_context_ids[language] = str(made.get("id"))
            return
        self.add_javascript()
        # The agent answers orders in turn: when it has this kernel, it knows the other context.
        self.default_context_ids["python"] = await self._add_python_kernel(HOME, notice=notice)

    def add_javascript(self) -> None:
        """Name the JavaScript kernel, which starts with its first use."""
        self.default_context_ids["javascript"] = self.machine.control.name_context(
            "javascript", HOME
        )

    async def default_context(self, language: str) -> str:
        """Return the id of a language's default context; it is made at its first use."""
        async with self._contexts_turn:
            if language not in self.default_context_ids:
                created = await self._create_context(language, HOME)
                self.default_context_ids[language] = str(created.get("id"))
            return self.default_context_ids[language]

    async def create_context(self, language: str, cwd: str) -> dict[str, Any]:
        """Start a context of its own in any language.

        Raises:
            CallError: not_found or invalid_argument when `cwd` is no directory.
            StartError: the kernel could not start.
        """
        return await self._create_context(language, await self._directory(cwd))

    async def _create_context(self, language: str, cwd: str, notice: str = "") -> dict[str, Any]:
        if language == "python" and not self.machine.starts_kernels:
            context_id = await self._add_python_kernel(cwd)
            return {"id": context_id, "language": language, "cwd": cwd}
        memory_bytes = self.machine.blueprint.template.limits.memory_bytes
        return await self.machine.guest.request(
            "contexts.create",
            language=language,
            cwd=cwd,
            memory_bytes=memory_bytes,
            notice=notice if language == "python" else "",
        )

    async def remove_context(self, context_id: str) -> None:
        """End a context; a default one is made again at its next use.

        Raises:
            CallError: not_found.
        """
        async with self._contexts_turn:
            await self.machine.guest.request("contexts.remove", id=context_id)
            async with self.machine.carrying:  # forks that are under way know it still
                self.machine.drop_kernel(context_id)
            for language, default_id in list(self.default_context_ids.items()):
                if default_id == context_id:
                    del self.default_context_ids[language]

    async def restart_context(self, context_id: str) -> None:
        """End a context's kernel and give it a fresh one under the same id.

        Raises:
            CallError: not_found, also of its directory.
            StartError: the kernel could not start.
        """
        async with self._contexts_turn:
            await self._restart_context(context_id)

    async def _restart_context(self, context_id: str) -> None:
        context = await self.machine.guest.request("contexts.stop", id=context_id)
        if context.get("language") == "python" and not self.machine.starts_kernels:
            cwd = await self._directory(str(context.get("cwd")))
            await self._add_python_kernel(cwd, context_id)

    async def _directory(self, path: str) -> str:
        """Return the absolute path of a directory, as the sandbox's user means it."""
        reply = await self.machine.guest.request("files.stat", user=self.default_user, path=path)
        entry = reply.get("entry") or {}
        if entry.get("type") != "directory":
            raise CallError("invalid_argument", f"cwd {path!r} is not a directory")
        return str(entry.get("path"))

    @property
    def _environment(self) -> Environment:
        return self.machine.blueprint.template.environment

    async def _add_python_kernel(self, cwd: str, context_id: str = "", notice: str = "") -> str:
        zygote = await self._parents.zygote(self._environment.name)
        return await add_python_kernel(
            self.machine, zygote, cwd, context_id, self.variables, notice
        )

    async def revive_context(self, context_id: str) -> None:
        """Give a context whose kernel is gone a fresh one, once, whoever asks how often.

        Raises:
            CallError, StartError: as of `restart_context`.
        """
        async with self._contexts_turn:
            for context in await self.contexts():
                if context.get("id") == context_id and context.get("usable"):
                    return
            await self._restart_context(context_id)

    async def contexts(self) -> list[dict[str, Any]]:
        """Return all contexts, as the agent describes them."""
        listed = (await self.machine.guest.request("contexts.list")).get("contexts", [])
        return [context for context in listed if isinstance(context, dict)]
