"""Operations on watched directories: followed by one call, or asked for news now and then."""

import asyncio
import os
import secrets
import stat
from typing import Any

from capibara6_guest.agent import Call, Operation
from capibara6_guest.failures import reported
from capibara6_guest.files import target
from capibara6_guest.users import acting_as
from capibara6_guest.watcher import Watcher
from capibara6_guest.wire import CallError


class WatchTable:
    """The watchers that callers made and have not removed."""

    def __init__(self) -> None:
        self._watchers: dict[str, Watcher] = {}

    def operations(self) -> dict[str, Operation]:
        """Return what callers can do with the table."""
        return {
            "files.watch": self.watch,
            "files.create_watcher": self.create,
            "files.watcher_events": self.events,
            "files.remove_watcher": self.remove,
        }

    async def watch(self, call: Call) -> dict[str, Any]:
        """files.watch {user, path, recursive, include_entry} -> event {watching}, events.

        Ends when the caller leaves.
        """
        watcher = _watcher(call)
        left = asyncio.create_task(call.disconnected())
        try:
            await call.send({"watching": True})
            while not left.done():
                news = asyncio.create_task(watcher.changed())
                await asyncio.wait({news, left}, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
                for event in watcher.take():
                    await call.send(event)
        finally:
            left.cancel()
            watcher.close()
        return {}

    async def create(self, call: Call) -> dict[str, Any]:
        """files.create_watcher {user, path, recursive, include_entry} -> {"watcher_id"}."""
        watcher_id = f"w{secrets.token_hex(8)}"
        self._watchers[watcher_id] = _watcher(call)
        return {"watcher_id": watcher_id}

    async def events(self, call: Call) -> dict[str, Any]:
        """files.watcher_events {watcher_id} -> {"events"}: those since the last time."""
        return {"events": self._find(call).take()}

    async def remove(self, call: Call) -> dict[str, Any]:
        """files.remove_watcher {watcher_id} -> {}."""
        self._find(call).close()
        del self._watchers[call.text("watcher_id")]
        return {}

    def _find(self, call: Call) -> Watcher:
        watcher_id = call.text("watcher_id")
        if watcher_id not in self._watchers:
            raise CallError("not_found", f"watcher with id {watcher_id} not found")
        return self._watchers[watcher_id]


def _watcher(call: Call) -> Watcher:
    user, path = target(call)
    with reported(f"cannot watch '{path}'"), acting_as(user):
        if not stat.S_ISDIR(os.stat(path).st_mode):
            raise CallError("invalid_argument", f"path {path} not a directory")
    arguments = call.arguments
    return Watcher(
        path,
        user,
        recursive=bool(arguments.get("recursive")),
        with_entries=bool(arguments.get("include_entry")),
    )
