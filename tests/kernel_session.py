"""Running cells on a real kernel, for the kernels' tests."""

import asyncio
import os
import pwd
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from capibara6_guest.kernels import Kernel
from capibara6_guest.users import User, find_user


def current_user() -> User:
    return find_user(pwd.getpwuid(os.getuid()).pw_name)


async def run(kernel: Kernel, code: str, env: Mapping[str, str] | None = None) -> "Cell":
    return Cell([event async for event in kernel.execute(code, env or {})])


async def run_and_interrupt(kernel: Kernel, code: str, marker: str) -> "Cell":
    """Run `code` and interrupt it once it has printed `marker`."""
    events = []
    async for event in kernel.execute(code, {}):
        events.append(event)
        if marker in event.get("text", ""):
            await kernel.interrupt()
    return Cell(events)


class Cell:
    """What one cell has yielded."""

    def __init__(self, events: list[dict[str, Any]]) -> None:
        self.events = events

    def _text(self, stream: str) -> str:
        return "".join(event["text"] for event in self.events if event["type"] == stream)

    @property
    def stdout(self) -> str:
        return self._text("stdout")

    @property
    def stderr(self) -> str:
        return self._text("stderr")

    @property
    def count(self) -> int:
        counts = [event for event in self.events if event["type"] == "number_of_executions"]
        assert len(counts) == 1
        return int(counts[0]["execution_count"])

    @property
    def results(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == "result"]

    @property
    def text(self) -> str | None:
        mains = [result for result in self.results if result["is_main_result"]]
        assert len(mains) <= 1
        return mains[0].get("text") if mains else None

    @property
    def error(self) -> dict[str, Any] | None:
        errors = [event for event in self.events if event["type"] == "error"]
        assert len(errors) <= 1
        return errors[0] if errors else None


def open_fds() -> set[str]:
    return {os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is(fd)}


def _is(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}")


def processes_with(argument: str) -> list[str]:
    """Return the ids of live processes that have `argument` on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if argument.encode() in arguments:
            found.append(entry.name)
    return found


async def slowly(kernel: Kernel, code: str, pause_s: float) -> int:
    """Consume a cell's output with a pause after each event; return the characters of stdout."""
    characters = 0
    async for event in kernel.execute(code, {}):
        if event["type"] == "stdout":
            characters += len(event["text"])
        await asyncio.sleep(pause_s)
    return characters
