"""One request to a local model, from its turn to its end: answered here or where the model runs."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from capibara6.errors import CapibaraError
from capibara6.local_models.borrowing import MOVED, MOVED_STATUS, Borrowed, Moved, Silent
from capibara6.local_models.completions import BrokenOff, Completion, Refused
from capibara6.local_models.lease import Address
from capibara6.local_models.process import ModelProcess, ServingFailed
from capibara6.local_models.serving import Ending, HeldElsewhere, ServedModel, TooManyWaiting

_MOVES_MAX: Final = 100  # of a model between platforms, whose process ends within two seconds
_MOVE_PAUSE_S: Final = 0.1

T = TypeVar("T")


class ClientLeftError(Exception):
    """The client closed its connection."""


async def answered(request: Request, served: ServedModel, body: Mapping[str, Any]) -> Response:
    """The reply of our own process, or of the platform that runs the model already."""
    for _ in range(_MOVES_MAX):
        try:
            return await Answering(request, served, body).response()
        except HeldElsewhere as held:
            holder = held.holder
        try:
            return await Answering(request, served, body).borrowed(holder)
        except Moved:
            await asyncio.sleep(_MOVE_PAUSE_S)
        except Silent:
            break
    served.share_no_more()
    return await Answering(request, served, body).response()


class Answering:
    """One request from its turn to its end. The turn is given back whatever happens."""

    def __init__(self, request: Request, served: ServedModel, body: Mapping[str, Any]) -> None:
        self._request = request
        self._served = served
        self._body = body
        self._stack = contextlib.AsyncExitStack()

    async def response(self) -> Response:
        """The reply: of a stream, once its first chunk is there, so that a failure has a status."""
        streamed = False
        try:
            if not self._body.get("stream"):
                return JSONResponse(await self._while_there(self._with_restart(self._joined)))
            completion, first, rest = await self._while_there(self._with_restart(self._begun))
            streamed = True
            return _Stream(self._events(completion, first, rest), self._stack)
        except TooManyWaiting as refusal:
            raise Refused(429, "rate_limit_exceeded", str(refusal)) from None
        except Ending as refusal:
            raise Refused(MOVED_STATUS, MOVED, str(refusal)) from None
        except (CapibaraError, ServingFailed) as failure:
            # Not a status that clients try again by themselves: it was tried here.
            raise Refused(424, failure.code, str(failure)) from None
        except BrokenOff as broken:
            raise Refused(424, "model_crashed", str(broken)) from None
        finally:
            if not streamed:
                await self._stack.aclose()

    async def borrowed(self, holder: Address) -> Response:
        """The reply of another platform.

        Raises:
            Moved: the model does not run there any more.
            Silent: that platform does not answer.
        """
        asked = Borrowed(self._served.client, holder, self._body)
        self._stack.push_async_callback(asked.close)
        streamed = False
        try:
            streamed = await self._while_there(asked.begin())
            if streamed:
                return _Stream(asked.events(), self._stack)
            status, body = await self._while_there(asked.whole())
            return JSONResponse(body, status_code=status)
        finally:
            if not streamed:
                await self._stack.aclose()

    async def _with_restart(self, ask: Callable[[ModelProcess], Awaitable[T]]) -> T:
        """Ask; once more, of a new process, when the first broke off before it had answered."""
        process = await self._stack.enter_async_context(self._served.turn())
        try:
            return await ask(process)
        except BrokenOff:
            await self._served.broken()
        await self._stack.aclose()
        process = await self._stack.enter_async_context(self._served.turn())
        try:
            return await ask(process)
        except BrokenOff as broken:
            how = await self._served.broken()
            name = self._served.model.name
            raise BrokenOff(f"local model {name!r} broke off twice ({broken}; {how})") from None

    async def _joined(self, process: ModelProcess) -> dict[str, Any]:
        completion = Completion(self._served, process, self._body)
        await completion.check()
        answer = await completion.joined()
        self._served.answered()
        return answer

    async def _begun(self, process: ModelProcess) -> tuple[Completion, dict[str, Any], Any]:
        completion = Completion(self._served, process, self._body)
        await completion.check()
        chunks = completion.chunks()
        self._stack.push_async_callback(chunks.aclose)
        return completion, await anext(chunks), chunks

    async def _events(
        self, completion: Completion, first: dict[str, Any], rest: Any
    ) -> AsyncIterator[str]:
        """The reply's events; closed or cancelled when the client leaves, which stops the model."""
        try:
            yield _event(first)
            async for chunk in rest:
                yield _event(chunk)
            options = self._body.get("stream_options")
            if isinstance(options, dict) and options.get("include_usage"):
                yield _event(await completion.usage_chunk())
            self._served.answered()
        except BrokenOff as broken:
            how = await self._served.broken()
            name = self._served.model.name
            message = f"local model {name!r} broke off ({broken}; {how})"
            yield _event({"error": {"message": message, "code": "model_crashed"}})
        yield "data: [DONE]\n\n"

    async def _while_there(self, work: Awaitable[T]) -> T:
        """The work's result, or `ClientLeftError` as soon as the client closes its connection."""
        working = asyncio.ensure_future(work)
        leaving = asyncio.create_task(_left(self._request))
        try:
            await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise ClientLeftError
            return working.result()
        finally:
            for task in (working, leaving):
                task.cancel()
            await asyncio.wait((working, leaving))


class _Stream(StreamingResponse):
    """A stream that gives the turn back at its end, also when its client left before it began."""

    def __init__(self, events: AsyncIterator[str | bytes], held: contextlib.AsyncExitStack) -> None:
        super().__init__(events, media_type="text/event-stream")
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            await super().__call__(scope, receive, send)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _event(value: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(value)}\n\n"
