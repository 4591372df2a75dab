"""Notes of programs that callers started and that ended: what a sandbox's log is made of.

Nobody waits for them: they are kept here, bounded, until the server asks. What a program prints is
no part of them, nor are values of variables, which often are keys.
"""

import re
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from capibara6_guest.agent import Call, Operation
from capibara6_guest.process import Process

NOTES_MAX: Final = 1000
COMMAND_CHARS_MAX: Final = 500
HIDDEN: Final = "***"
_SECRET_CHARS_MIN: Final = 8  # shorter ones are words that commands are made of
_REPLY_NOTES_MAX: Final = 250
# What stands for user and password in an address, and what follows a word that announces a key.
_CREDENTIALS: Final = re.compile(r"(?<=://)[^/\s@'\"]+(?=@)")
_ANNOUNCED: Final = re.compile(
    r"((?:bearer|basic|token|api[-_]?key|secret|password)[\"']?\s*[:=\s]\s*[\"']?)([^\s\"']{6,})",
    re.IGNORECASE,
)


class Notes:
    """The newest notes, each with a number that counts up from 1."""

    def __init__(self) -> None:
        self._notes: deque[dict[str, Any]] = deque(maxlen=NOTES_MAX)
        self._last = 0

    def operations(self) -> dict[str, Operation]:
        """Return what callers can do with the notes."""
        return {"process.notes": self.list}

    async def list(self, call: Call) -> dict[str, Any]:
        """process.notes {after} -> {"notes": [...]}: the oldest ones whose number is higher."""
        after = call.arguments.get("after")
        after = after if isinstance(after, int) else 0
        found = [note for note in self._notes if note["number"] > after]
        return {"notes": found[:_REPLY_NOTES_MAX]}

    def started(self, process: Process, shared: Mapping[str, str], timeout_s: float | None) -> None:
        """Note that a program was started, with the sandbox's variables `shared`."""
        words = [process.command.cmd, *process.command.args]
        values = [*shared.values(), *process.command.envs.values()]
        self._add(
            "process_start",
            process.pid,
            command=without_secrets(" ".join(words), values),
            request_timeout_ms=None if timeout_s is None else round(1000 * timeout_s),
        )

    def ended(self, process: Process) -> None:
        """Note that a program has ended, and how much it printed."""
        end = process.end
        sizes = {f"{stream}_bytes": size for stream, size in process.printed_bytes.items()}
        exit_code = None if end is None else end.exit_code
        status = "" if end is None else end.status
        self._add("process_end", process.pid, exit_code=exit_code, status=status, **sizes)

    def _add(self, event: str, pid: int, **fields: Any) -> None:
        self._last += 1
        note = {"number": self._last, "at_s": time.time(), "event": event, "pid": pid}
        self._notes.append(note | {name: v for name, v in fields.items() if v is not None})


def without_secrets(command: str, values: list[str]) -> str:
    """Return a command as it may be told: bounded, and without what looks like a secret."""
    for value in sorted(set(values), key=len, reverse=True):
        if len(value) >= _SECRET_CHARS_MIN:
            command = command.replace(value, HIDDEN)
    command = _CREDENTIALS.sub(HIDDEN, command)
    command = _ANNOUNCED.sub(rf"\1{HIDDEN}", command)
    return command[:COMMAND_CHARS_MAX] + ("…" if len(command) > COMMAND_CHARS_MAX else "")
