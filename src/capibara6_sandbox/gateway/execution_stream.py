"""The reply of one execution: its events, one JSON object a line.

What comes from the guest is parsed, checked and encoded anew: ASCII only (clients decode each chunk
by itself), never an empty line. A kernel that died is replaced before the reply ends.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from capibara6_guest.kernels.output import output_event
from capibara6_guest.wire import CallError
from capibara6_sandbox.errors import StartError
from capibara6_sandbox.gateway.connections import cut
from capibara6_sandbox.host.guest_client import GuestCall, GuestLostError
from capibara6_sandbox.host.limit_watch import LimitWatch
from capibara6_sandbox.host.sandbox import Sandbox

KEEPALIVE_S: Final = 5.0
_EXPLAINED: Final = "OutOfMemory"
_EVENT_TYPES: Final = frozenset({"number_of_executions", "stdout", "stderr", "result", "error"})


class EventReply(StreamingResponse):
    """A reply whose connection is cut when the sandbox is lost, which clients know how to read."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the reply."""
        self._scope = scope
        await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Send the lines."""
        try:
            await super().stream_response(send)
        except GuestLostError:
            cut(self._scope)


class ExecutionStream:
    """One execution's events as lines; closing it early interrupts the kernel.

    `dialect` names the language of the code; "" is the context's own.
    """

    def __init__(
        self, sandbox: Sandbox, context_id: str, code: str, env: dict[str, str], dialect: str = ""
    ) -> None:
        self._sandbox = sandbox
        self._context_id = context_id
        self._order = {"id": context_id, "code": code, "env": env, "dialect": dialect}
        self._call: GuestCall | None = None
        self._watch = LimitWatch(sandbox.machine)
        self._failure = ""  # the last words of code that failed

    async def open(self) -> None:
        """Send the call and wait until the agent takes it, so that a refusal is the whole reply.

        Raises:
            CallError: there is no such context.
            GuestLostError: the sandbox is gone.
        """
        self._call = self._sandbox.guest.call("execute", **self._order)
        await self._call.__aenter__()
        self._events = self._call.events()
        await anext(self._events, None)

    async def close(self) -> None:
        """Give the connection back. Idempotent."""
        call, self._call = self._call, None
        if call is not None:
            await call.__aexit__(None, None, None)

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield the reply's lines. A lost sandbox cuts the connection, as clients expect."""
        try:
            async for event in _with_keepalive(self._executed()):
                line = self._encode(event)
                if line:
                    yield line
        except (CallError, StartError) as failure:
            text = getattr(failure, "message", str(failure))
            yield _line(
                {"type": "error", "name": "KernelNotStarted", "value": text, "traceback": text}
            )
        finally:
            await self.close()
        yield _line({"type": "end_of_execution"})

    async def _executed(self) -> AsyncIterator[dict[str, Any] | bytes]:
        """Pass on what happens; before it a context without a kernel, after it a dead one, revives.

        Doing so before the reply ends keeps the next call from finding no kernel.
        """
        try:
            async for event in self._events:
                yield event
        except CallError as failure:
            if failure.code != "failed_precondition":
                raise
            await self.close()
            await self._sandbox.revive_context(self._context_id)
            await self.open()
            async for event in self._events:
                yield event
        for sentence in self._watch.met(self._failure) if self._failure != _EXPLAINED else ():
            yield output_event("stderr", f"{sentence}\n")
        if self._call and (self._call.result or {}).get("alive") is False:
            await self._sandbox.revive_context(self._context_id)

    def _encode(self, event: dict[str, Any] | bytes) -> bytes:
        if not isinstance(event, dict):
            return b""
        if event.get("type") == "keepalive":
            return _line(event)
        if str(event.get("type")) not in _EVENT_TYPES:
            return b""
        if event["type"] == "error":
            event = self._explain(event)
        return _line(event)

    def _explain(self, event: dict[str, Any]) -> dict[str, Any]:
        """Name the memory limit, if that ended the kernel; keep what else code has failed with."""
        if event.get("name") == "KernelDied" and self._watch.out_of_memory:
            self._failure = _EXPLAINED
            text = self._watch.memory_needed()
            return {"type": "error", "name": "OutOfMemory", "value": text, "traceback": text}
        self._failure = f"{event.get('name')}: {event.get('value')}"
        return event


async def _with_keepalive(
    events: AsyncIterator[dict[str, Any] | bytes],
) -> AsyncIterator[dict[str, Any] | bytes]:
    """Pass events on, and a keepalive whenever there was none for `KEEPALIVE_S`."""
    upcoming = asyncio.ensure_future(anext(events))
    try:
        while True:
            done, _ = await asyncio.wait((upcoming,), timeout=KEEPALIVE_S)
            if not done:
                yield {"type": "keepalive"}
                continue
            try:
                event = upcoming.result()
            except StopAsyncIteration:
                return
            upcoming = asyncio.ensure_future(anext(events))
            yield event
    finally:
        upcoming.cancel()


def _line(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=True).encode() + b"\n"
