"""Putting files into a sandbox, piece by piece."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from capibara6_sandbox.gateway.envd.sandbox import EnvdSandbox
from capibara6_sandbox.host.guest_client import GuestCall, GuestLostError


class Upload:
    """One file on its way into a sandbox.

    The agent can refuse before the end (a full disk): then the rest is not sent, and `finish` says
    why.
    """

    def __init__(self, call: GuestCall) -> None:
        self.refused = False
        self._call = call
        self._reply = asyncio.create_task(self._listen())

    async def feed(self, piece: bytes) -> None:
        """Send a piece, unless the agent wants no more.

        Raises:
            GuestLostError: the sandbox is gone.
        """
        if not self.refused:
            await self._call.send_data(piece)

    async def finish(self) -> dict[str, Any]:
        """Say that this was all, and return the agent's description of the file.

        Raises:
            CallError: the file could not be written.
            GuestLostError: the sandbox is gone.
        """
        await self._call.end_data()
        await self._reply
        entry = (self._call.result or {}).get("entry")
        if not isinstance(entry, dict):
            raise GuestLostError("the agent did not say what it wrote")
        return entry

    async def abandon(self) -> None:
        """Stop waiting for the agent. Idempotent."""
        self._reply.cancel()
        await asyncio.gather(self._reply, return_exceptions=True)

    async def _listen(self) -> None:
        async for _ in self._call.events():
            self.refused = True


@contextlib.asynccontextmanager
async def uploading(
    sandbox: EnvdSandbox, user: str, path: str, metadata: dict[str, str]
) -> AsyncIterator[Upload]:
    """Write one file as `user`; leaving before `finish` gives it up, as far as it came.

    Raises:
        GuestLostError: the sandbox is gone.
    """
    call = sandbox.guest.call("files.write", user=user, path=path, metadata=metadata)
    async with call:
        upload = Upload(call)
        try:
            yield upload
        finally:
            await upload.abandon()
