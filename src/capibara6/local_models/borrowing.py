"""Asking another platform's endpoint for a model that runs there already."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import httpx

from capibara6.local_models.lease import Address

FORWARDED: Final = "x-capibara6-forwarded"  # such a request goes no further
MOVED: Final = "model_moved"  # ask anew: the model runs elsewhere now, or nowhere
MOVED_STATUS: Final = 409
_GREETING_S_MAX: Final = 10.0
_CONNECT_S_MAX: Final = 5.0
_SILENCE_S_MAX: Final = 3600.0  # in the holder's queue, behind others' answers
_BODY_BYTES_MAX: Final = 16 * 1024 * 1024


class Moved(Exception):  # noqa: N818 - asked anew
    """The holder does not hold the model any more."""


class Silent(Exception):  # noqa: N818 - the model is run here too
    """The holder is there and does not answer: somebody has stopped it."""


class Borrowed:
    """One request to the holder of a model; closed by its caller.

    Args:
        client: that asks.
        holder: whom.
        body: the request's.
    """

    def __init__(self, client: httpx.AsyncClient, holder: Address, body: Mapping[str, Any]) -> None:
        self._client = client
        self._holder = holder
        self._body = body
        self._headers = {"authorization": f"Bearer {holder.key}"}
        self._reply: httpx.Response | None = None

    async def begin(self) -> bool:
        """Ask, and wait until the holder answers; returns whether it streams.

        Raises:
            Moved: it holds the model no more.
            Silent: it does not answer.
        """
        if not self._holder.base_url:
            raise Moved
        await self._greet()
        request = self._client.build_request(
            "POST",
            f"{self._holder.base_url}/chat/completions",
            headers={**self._headers, FORWARDED: "1"},
            json=self._body,
            timeout=httpx.Timeout(_CONNECT_S_MAX, read=_SILENCE_S_MAX),
        )
        try:
            self._reply = await self._client.send(request, stream=True)
        except httpx.HTTPError:
            raise Moved from None
        # 401: another process has the port of a holder that has just ended.
        if self._reply.status_code in (MOVED_STATUS, httpx.codes.UNAUTHORIZED):
            raise Moved
        kind: str = self._reply.headers.get("content-type", "")
        return kind.startswith("text/event-stream")

    async def _greet(self) -> None:
        """See that it answers at all: an answer of the model's own may take long."""
        url = f"{self._holder.base_url}/models"
        asking = self._client.stream("GET", url, headers=self._headers, timeout=_GREETING_S_MAX)
        try:
            async with asking:
                pass
        except httpx.TimeoutException:
            raise Silent from None
        except httpx.HTTPError:
            raise Moved from None

    async def whole(self) -> tuple[int, dict[str, Any]]:
        """Status and body of an answer that is no stream.

        Raises:
            Moved: it broke off.
        """
        assert self._reply is not None
        content = bytearray()
        try:
            async for piece in self._reply.aiter_raw():
                content += piece
                if len(content) > _BODY_BYTES_MAX:
                    raise Moved
            body: dict[str, Any] = json.loads(content)
        except (httpx.HTTPError, ValueError):
            raise Moved from None
        return self._reply.status_code, body

    async def events(self) -> AsyncIterator[bytes]:
        """The stream as it comes; one that breaks off says so in its last event."""
        assert self._reply is not None
        try:
            async for piece in self._reply.aiter_raw():
                yield piece
        except httpx.HTTPError:
            message = "the platform that held the local model has ended"
            event = json.dumps({"error": {"message": message, "code": MOVED}})
            yield f"\n\ndata: {event}\n\ndata: [DONE]\n\n".encode()

    async def close(self) -> None:
        """Leave: what the holder still generates is stopped."""
        if self._reply is not None:
            await self._reply.aclose()
