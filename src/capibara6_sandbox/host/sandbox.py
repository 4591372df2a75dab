"""A sandbox as clients know it: a machine with a name, a lifetime and tokens."""

import asyncio
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from capibara6_guest.wire import CallError
from capibara6_sandbox.host.guest_client import GuestClient
from capibara6_sandbox.host.machine import HOME, Machine
from capibara6_sandbox.host.parents import Parents
from capibara6_sandbox.templates.catalog import Environment, Template


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks of a new sandbox."""

    template: Template
    timeout_s: int
    metadata: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    secure: bool = True
    allow_public_traffic: bool = True


class Sandbox:
    """A running sandbox. Its machine is started before, and killed by, its keeper."""

    default_user = "user"

    def __init__(self, machine: Machine, parents: Parents) -> None:
        self.machine = machine
        self.id = machine.blueprint.id
        self._parents = parents
        self.default_context_ids: dict[str, str] = {}  # by language
        self.envd_access_token = ""
        self.traffic_access_token = ""
        self.env: dict[str, str] = {}
        self._contexts_turn = asyncio.Lock()  # one change at a time: none is made or revived twice

    def assign(self, request: Request) -> None:
        """Give a machine, which may have waited in the pool, to a client."""
        self.request = request
        self.started_at = datetime.now(UTC)
        self.ends_at = self.started_at + timedelta(seconds=request.timeout_s)
        self.env = dict(request.env)
        if self.env:
            self.machine.set_environment(self.env)
        if request.secure:
            self.envd_access_token = secrets.token_hex(16)
        if not request.allow_public_traffic:
            self.traffic_access_token = secrets.token_hex(16)

    @property
    def guest(self) -> GuestClient:
        """The client of its agent."""
        return self.machine.guest

    @property
    def template(self) -> Template:
        """The template that it was asked for with."""
        return self.request.template

    @property
    def alive(self) -> bool:
        """Whether its first process runs."""
        return not self.machine.ended.is_set()

    def accepts(self, token: str) -> bool:
        """Whether `token` opens its data plane; always so for a sandbox without one."""
        return hmac.compare_digest(token.encode(), self.envd_access_token.encode()) or (
            not self.envd_access_token
        )

    async def start_default_contexts(self) -> None:
        """Fork the Python kernel, and name the JavaScript one, where the template has kernels."""
        if not self._environment.has_kernels:
            return
        self.default_context_ids["python"] = await self._add_python_kernel(HOME)
        created = await self.guest.request("contexts.create", language="javascript", cwd=HOME)
        self.default_context_ids["javascript"] = str(created.get("id"))

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

    async def _create_context(self, language: str, cwd: str) -> dict[str, Any]:
        if language == "python":
            context_id = await self._add_python_kernel(cwd)
            return {"id": context_id, "language": language, "cwd": cwd}
        return await self.guest.request("contexts.create", language=language, cwd=cwd)

    async def remove_context(self, context_id: str) -> None:
        """End a context; a default one is made again at its next use.

        Raises:
            CallError: not_found.
        """
        async with self._contexts_turn:
            await self.guest.request("contexts.remove", id=context_id)
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
        context = await self.guest.request("contexts.stop", id=context_id)
        if context.get("language") == "python":
            cwd = await self._directory(str(context.get("cwd")))
            await self._add_python_kernel(cwd, context_id)

    async def _directory(self, path: str) -> str:
        """Return the absolute path of a directory, as the sandbox's user means it."""
        reply = await self.guest.request("files.stat", user=self.default_user, path=path)
        entry = reply.get("entry") or {}
        if entry.get("type") != "directory":
            raise CallError("invalid_argument", f"cwd {path!r} is not a directory")
        return str(entry.get("path"))

    @property
    def _environment(self) -> Environment:
        return self.machine.blueprint.template.environment

    async def _add_python_kernel(self, cwd: str, context_id: str = "") -> str:
        zygote = await self._parents.zygote(self._environment.name)
        return await self.machine.add_python_kernel(zygote, cwd, context_id, self.env)

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
        listed = (await self.guest.request("contexts.list")).get("contexts", [])
        return [context for context in listed if isinstance(context, dict)]

    @property
    def remaining_s(self) -> float:
        """Seconds until its end."""
        return (self.ends_at - datetime.now(UTC)).total_seconds()

    def extend(self, timeout_s: float) -> None:
        """Set its end to `timeout_s` from now."""
        self.ends_at = datetime.now(UTC) + timedelta(seconds=timeout_s)


class Deadline:
    """Calls back when a sandbox's time is up; follows changes of `ends_at`."""

    def __init__(self, sandbox: Sandbox, expired: Any) -> None:
        self._sandbox = sandbox
        self._expired = expired
        self._timer: asyncio.TimerHandle | None = None
        self.renew()

    def renew(self) -> None:
        """Take a new `ends_at` into account."""
        self.cancel()
        delay_s = max(0.0, self._sandbox.remaining_s)
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._fire)

    def cancel(self) -> None:
        """Never call back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        if self._sandbox.remaining_s > 0:
            self.renew()
        else:
            self._expired(self._sandbox)
