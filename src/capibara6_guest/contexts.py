"""Contexts: kernels by id, one execution at a time each, and the operations on them.

Python kernels are forked by the host and adopted here; the others are started here on first use.
"""

import asyncio
import contextlib
import json
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from capibara6_guest.agent import Call, Operation
from capibara6_guest.kernels import Kernel
from capibara6_guest.kernels.bash import BashKernel
from capibara6_guest.kernels.java import JavaKernel
from capibara6_guest.kernels.javascript import JavaScriptKernel
from capibara6_guest.kernels.output import output_event
from capibara6_guest.kernels.python import PythonKernel
from capibara6_guest.kernels.r import RKernel
from capibara6_guest.kernels.streams import MessageError
from capibara6_guest.users import User, find_user
from capibara6_guest.wire import CallError

INTERRUPT_GRACE_S: Final = 5.0
_KEPT_CHARS: Final = 1_000_000  # of the texts of an error that is too large to send
_NAME_CHARS: Final = 1_000
FORK_WAIT_S: Final = 1.0  # for a running cell to end
_REPLACED: Final = (
    "The code before this one was interrupted, did not heed that in "
    f"{INTERRUPT_GRACE_S:.0f} s, and was ended with its kernel: all variables are lost.\n"
)
Starter = Callable[[User, str, Mapping[str, str], int], Kernel]

STARTED_HERE: Final[dict[str, Starter]] = {
    "javascript": JavaScriptKernel,
    "typescript": JavaScriptKernel,
    "bash": BashKernel,
    "r": RKernel,
    "java": JavaKernel,
}


class Context:
    """A kernel's place: its language, working directory and queue."""

    def __init__(
        self, context_id: str, language: str, cwd: str, starter: Starter | None = None
    ) -> None:
        self.id = context_id
        self.starter = starter  # None: its kernels come from outside
        self.language = language
        self.cwd = cwd
        self.memory_bytes = 0  # of the sandbox, for kernels that must be told; 0: unknown
        self.kernel: Kernel | None = None
        self.turn = asyncio.Lock()
        self.notice = ""  # for the next execution to show
        self.heeded_no_interrupt = False  # its last kernel, of which its caller could not be told

    @property
    def usable(self) -> bool:
        """Whether it can execute; what is started here is started when it is used."""
        if self.starter is not None:
            return True
        return self.kernel is not None and self.kernel.alive

    def describe(self) -> dict[str, Any]:
        """Return what E2B's API calls a context, and whether it can execute."""
        return {
            "id": self.id,
            "language": self.language,
            "cwd": self.cwd,
            "usable": self.usable,
        }


class Contexts:
    """All contexts of the sandbox.

    Args:
        starters: of the languages whose kernels are started here.
    """

    def __init__(self, starters: Mapping[str, Starter] = STARTED_HERE) -> None:
        self._starters = starters
        self._contexts: dict[str, Context] = {}
        self._env: dict[str, str] = {}
        self._forking: set[asyncio.Task[None]] = set()

    def operations(self) -> dict[str, Operation]:
        """Return the operations on contexts."""
        return {
            "contexts.list": self._list,
            "contexts.create": self._create,
            "contexts.remove": self._remove,
            "contexts.stop": self._stop,
            "execute": self._execute,
        }

    def set_environment(self, env: Mapping[str, str]) -> None:
        """Set variables for every kernel: those that run take them with their next execution."""
        self._env.update(env)
        for context in self._contexts.values():
            if isinstance(context.kernel, PythonKernel):
                context.kernel.set_environment(env)

    def adopt(self, context_id: str, cwd: str, fds: list[int], notice: str = "") -> None:
        """Take a Python kernel that the host has forked: its socket, stdout and stderr.

        Args:
            context_id: whose kernel it is.
            cwd: the context's directory.
            fds: the three.
            notice: what the next execution shows on stderr.
        """
        context = self._contexts.get(context_id)
        if context is None:
            context = self._contexts[context_id] = Context(context_id, "python", cwd)
        context.kernel = PythonKernel(*fds)
        context.notice = notice

    def fork(self, context_id: str, fds: list[int], control: socket.socket) -> None:
        """Let a Python kernel fork itself, and tell the server when it has been asked to."""
        task = asyncio.create_task(self._fork(context_id, fds, control))
        self._forking.add(task)
        task.add_done_callback(self._forking.discard)

    async def _fork(self, context_id: str, fds: list[int], control: socket.socket) -> None:
        try:
            context = self._find(context_id)
            async with asyncio.timeout(FORK_WAIT_S):
                await context.turn.acquire()
            try:
                if not isinstance(context.kernel, PythonKernel) or not context.kernel.alive:
                    raise CallError("failed_precondition", "it had ended")
                await context.kernel.fork(fds)
            finally:
                context.turn.release()
            answer: dict[str, Any] = {"forked": True}
        except TimeoutError:
            answer = {"failed": f"it was busy for more than {FORK_WAIT_S:.0f} s"}
        except (CallError, OSError, EOFError, MessageError) as cause:
            answer = {"failed": str(cause)}
        finally:
            for fd in fds:
                os.close(fd)
        control.send(json.dumps(answer).encode())

    def name(self, context_id: str, language: str, cwd: str) -> Context:
        """Make a place for a kernel, which starts, or is adopted, later."""
        context = Context(context_id, language, cwd, self._starters.get(language))
        self._contexts[context_id] = context
        return context

    async def end(self) -> None:
        """End all kernels and forget their contexts."""
        for context in self._contexts.values():
            await _end_kernel(context)
        self._contexts.clear()

    async def _list(self, call: Call) -> dict[str, Any]:
        return {"contexts": [context.describe() for context in self._contexts.values()]}

    async def _create(self, call: Call) -> dict[str, Any]:
        language = call.text("language")
        if language not in self._starters:
            raise CallError("invalid_argument", f"no kernel for language {language!r}")
        context_id = call.text("id", "") or secrets.token_hex(16)
        context = self.name(context_id, language, call.text("cwd"))
        context.memory_bytes = int(call.arguments.get("memory_bytes") or 0)
        context.notice = call.text("notice", "")
        if language == "python":  # which takes long to start; the others wait for their first use
            self._kernel(context)
        return context.describe()

    async def _remove(self, call: Call) -> dict[str, Any]:
        context = self._find(call.text("id"))
        del self._contexts[context.id]
        await _end_kernel(context)
        return {}

    async def _stop(self, call: Call) -> dict[str, Any]:
        """End a context's kernel but keep its place: the next use starts, or adopts, another."""
        context = self._find(call.text("id"))
        await _end_kernel(context)
        return context.describe()

    async def _execute(self, call: Call) -> dict[str, Any]:
        context = self._find(call.text("id"))
        env = call.arguments.get("env") or {}
        code = call.text("code")
        dialect = call.text("dialect", "") or context.language
        await call.send({"type": "accepted"})
        leaving = asyncio.create_task(call.disconnected())
        try:
            async with context.turn:
                if leaving.done():  # it has left while it waited
                    return {}
                kernel = self._kernel(context)
                if context.notice:
                    notice, context.notice = context.notice, ""
                    await call.send(output_event("stderr", notice))
                if context.heeded_no_interrupt:
                    context.heeded_no_interrupt = False
                    await call.send(output_event("stderr", _REPLACED))
                heeded = await _run(call, kernel, kernel.execute(code, env, dialect), leaving)
                context.heeded_no_interrupt = not heeded
                return {"alive": kernel.alive}
        finally:
            leaving.cancel()

    def _find(self, context_id: str) -> Context:
        context = self._contexts.get(context_id)
        if context is None:
            raise CallError("not_found", f"Context {context_id} not found")
        return context

    def _kernel(self, context: Context) -> Kernel:
        if context.kernel is None or not context.kernel.alive:
            if context.starter is None:
                raise CallError("failed_precondition", f"context {context.id} has no kernel")
            try:
                context.kernel = context.starter(
                    find_user("user"), context.cwd, self._env, context.memory_bytes
                )
            except OSError as cause:
                text = f"The {context.language} kernel does not start: {cause}"
                raise CallError("failed_precondition", text) from None
        return context.kernel


async def _run(
    call: Call,
    kernel: Kernel,
    events: AsyncIterator[dict[str, Any]],
    leaving: "asyncio.Task[None]",
) -> bool:
    """Execute; return False if the caller left and the kernel had to be ended for it."""
    forwarding = asyncio.create_task(_forward(events, call))
    forwarding.add_done_callback(_heed)
    await asyncio.wait((forwarding, leaving), return_when=asyncio.FIRST_COMPLETED)
    if forwarding.done() and not isinstance(forwarding.exception(), ConnectionError):
        forwarding.result()  # raises what went wrong in the kernel's own code
        return True
    # The caller has left: interrupt, and keep the kernel if it heeds that in time.
    await kernel.interrupt()
    remaining = asyncio.create_task(_drain(forwarding, events))
    done, _ = await asyncio.wait((remaining,), timeout=INTERRUPT_GRACE_S)
    if done:
        remaining.result()
        return True
    remaining.cancel()
    await kernel.stop()
    return False


def _heed(forwarding: "asyncio.Task[None]") -> None:
    """Look at how it ended: a kernel may be lost before anybody waits for it."""
    if not forwarding.cancelled():
        forwarding.exception()


async def _forward(events: AsyncIterator[dict[str, Any]], call: Call) -> None:
    async for event in events:
        try:
            await call.send(event)
        except CallError as refused:
            if refused.code != "resource_exhausted":
                raise
            # The execution goes on to its end, or its rest would be taken for the next one's.
            await call.send(_shortened(event, refused.message))


def _shortened(event: dict[str, Any], why: str) -> dict[str, Any]:
    """Return what can be told of an event that is too large to send."""
    if event.get("type") != "error":
        return output_event("stderr", f"[{event.get('type')} left out: {why}]\n")
    kept = {name: str(event.get(name))[:_KEPT_CHARS] for name in ("value", "traceback")}
    told = {name: f"{text}… [cut: {why}]" for name, text in kept.items()}
    return {"type": "error", "name": str(event.get("name"))[:_NAME_CHARS], **told}


async def _drain(forwarding: "asyncio.Task[None]", events: AsyncIterator[dict[str, Any]]) -> None:
    """Read an abandoned execution to its end, so that the kernel is ready for the next one."""
    with contextlib.suppress(ConnectionError):
        await forwarding
    async for _ in events:
        pass


async def _end_kernel(context: Context) -> None:
    if context.kernel is not None:
        await context.kernel.stop()
        context.kernel = None
