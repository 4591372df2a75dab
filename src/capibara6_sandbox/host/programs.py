"""Running programs in a sandbox on the server's own account: of builds, and at a sandbox's start.

What a program says is a guest's: it is decoded, bounded and handed on as text.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from capibara6_guest.wire import CallError
from capibara6_sandbox.host.guest_client import GuestClient, GuestLostError

_LINE_CHARS_MAX: Final = 4_000

Hear = Callable[[str, str], None]  # stream, line


class ProgramFailedError(Exception):
    """A program could not start, ended with another status than 0, or ran over its time."""


@dataclass(frozen=True, slots=True)
class Program:
    """A shell command as a user runs it."""

    command: str
    user: str
    workdir: str = ""
    env: Mapping[str, str] | None = None
    timeout_s: float | None = None
    interpreter: str = "/bin/bash"


async def run(guest: GuestClient, program: Program, hear: Hear) -> None:
    """Run a command to its end.

    Raises:
        ProgramFailedError: in the words that E2B's builds use.
    """
    lines = _Lines(hear)
    try:
        async with guest.call("process.start", **_arguments(program)) as call:
            async for event in call.events():
                lines.take(event)
            result = call.result or {}
    except CallError as cause:
        code = cause.code
        if code == "deadline_exceeded":
            text = f"command timed out after {program.timeout_s:.0f}s"
            raise ProgramFailedError(text) from None
        raise ProgramFailedError(f"command failed: {code}: {cause.message}") from None
    except GuestLostError as cause:
        raise ProgramFailedError(f"the sandbox was lost: {cause}") from None
    finally:
        lines.flush()
    if result.get("exit_code") != 0:
        raise ProgramFailedError(str(result.get("status") or "it did not say how it ended"))


async def output(guest: GuestClient, program: Program) -> str:
    """Run a command and return the lines of its standard output.

    Raises:
        ProgramFailedError: as of `run`.
    """
    heard: list[str] = []

    def hear(stream: str, line: str) -> None:
        if stream == "stdout" and len(heard) < 1000:
            heard.append(line)

    await run(guest, program, hear)
    return "\n".join(heard)


def _arguments(program: Program) -> dict[str, object]:
    return {
        "user": program.user,
        "cmd": program.interpreter,
        "args": ["-l", "-c", program.command],
        "envs": dict(program.env or {}),
        "env": {},
        "cwd": program.workdir or None,
        "tag": None,
        "stdin": False,
        "pty": None,
        "timeout_s": program.timeout_s,
    }


class _Lines:
    """Cuts the streams of a program into lines of bounded length."""

    def __init__(self, hear: Hear) -> None:
        self._hear = hear
        self._open = {"stdout": b"", "stderr": b""}

    def take(self, event: object) -> None:
        if not isinstance(event, dict):
            return
        for stream in self._open:
            text = event.get(stream)
            if isinstance(text, str):
                self._add(stream, text)

    def _add(self, stream: str, text: str) -> None:
        try:
            data = self._open[stream] + base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise GuestLostError("the agent sent output that is no base64") from None
        *lines, rest = data.split(b"\n")
        if len(rest) > _LINE_CHARS_MAX:
            lines, rest = [*lines, rest], b""
        for line in lines:
            self._say(stream, line)
        self._open[stream] = rest

    def flush(self) -> None:
        for stream, rest in self._open.items():
            if rest:
                self._say(stream, rest)
            self._open[stream] = b""

    def _say(self, stream: str, line: bytes) -> None:
        self._hear(stream, line[:_LINE_CHARS_MAX].decode("utf-8", "replace"))
