"""The file in which a server tells whoever started it where it is, and with which key."""

import asyncio
import json
import os
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

_LOOK_S: Final = 0.2


class OrphanedError(Exception):
    """Who started us has ended before we were ready, and has told nobody of us."""


async def unless_orphaned(work: Coroutine[Any, Any, None], state: Path | None) -> None:
    """Get ready, as long as there is somebody to tell: a server without such a file just does.

    A platform that was killed meanwhile is followed by another one, with a server of its own, which
    would find this data directory taken.

    Raises:
        OrphanedError: there is nobody any more.
    """
    parent, task = os.getppid(), asyncio.ensure_future(work)
    while not task.done():
        await asyncio.wait([task], timeout=_LOOK_S)
        if state is not None and os.getppid() != parent:
            task.cancel()
            await asyncio.wait([task])
            raise OrphanedError
    task.result()


def announce(state: Path, url: str, key: str, degraded: list[str]) -> None:
    """Tell where we are; from now on whoever started us may end."""
    record = {
        "pid": os.getpid(),
        "api_url": url,
        "api_key": key,
        "started_at": datetime.now(UTC).isoformat(),
        "degraded": degraded,
    }
    write_private(state, json.dumps(record))


def write_private(path: Path, text: str) -> None:
    """Write a file that only the server's user may read, whole or not at all."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)
    aside.replace(path)


def superseded(state: Path | None) -> bool:
    """Whether another server has told its address where we told ours: nobody finds us any more.

    Who started us was killed before we were ready, and its successor started another one.
    """
    try:
        return state is not None and int(json.loads(state.read_text())["pid"]) != os.getpid()
    except (OSError, ValueError, KeyError, TypeError):
        return False
