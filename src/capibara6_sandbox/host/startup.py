"""A template's start command: run in every new sandbox, until its ready command holds."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

from capibara6_sandbox.host.guest_client import GuestClient
from capibara6_sandbox.host.programs import Hear, Program, ProgramFailedError, run
from capibara6_sandbox.templates.catalog import Startup

READY_S_MAX: Final = 600.0
_RETRY_S: Final = 0.25
_DEFAULT_READY: Final = "sleep 20"  # E2B's, for a start command without a ready command

_running: set["asyncio.Task[None]"] = set()


async def start_up(
    guest: GuestClient, startup: Startup, hear: Hear = lambda stream, line: None
) -> None:
    """Start what the template says, and wait until it is ready.

    Raises:
        ProgramFailedError: the start command failed, or nothing was ready in `READY_S_MAX`.
    """
    starting: asyncio.Task[None] | None = None
    if startup.command:
        program = Program(startup.command, startup.user, startup.workdir, dict(startup.env))
        starting = asyncio.create_task(run(guest, program, hear))
        _running.add(starting)
        starting.add_done_callback(_settle)
    ready = startup.ready or (_DEFAULT_READY if startup.command else "")
    if ready:
        await _wait_until_ready(guest, startup, ready, lambda: _failure(starting))
    if (failure := _failure(starting)) is not None:
        raise ProgramFailedError(f"start command failed: {failure}")


def _settle(task: "asyncio.Task[None]") -> None:
    _running.discard(task)
    with contextlib.suppress(asyncio.CancelledError):
        task.exception()  # taken note of: it may end with its sandbox


def _failure(task: "asyncio.Task[None] | None") -> BaseException | None:
    return task.exception() if task is not None and task.done() else None


async def _wait_until_ready(
    guest: GuestClient,
    startup: Startup,
    ready: str,
    failure: Callable[[], BaseException | None],
) -> None:
    deadline = time.monotonic() + READY_S_MAX
    while failure() is None:
        left_s = deadline - time.monotonic()
        program = Program(ready, startup.user, startup.workdir, dict(startup.env), max(left_s, 0.1))
        try:
            await run(guest, program, lambda stream, line: None)
        except ProgramFailedError as cause:
            if time.monotonic() > deadline:
                text = f"ready command timed out after {READY_S_MAX:.0f}s: {cause}"
                raise ProgramFailedError(f"ready command failed: {text}") from None
            await asyncio.sleep(_RETRY_S)
        else:
            return
