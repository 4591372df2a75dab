"""The journal: what happened to each sandbox, told to its owner, also for a while after its end.

It holds the steps of a sandbox's life and the notes that its agent takes of programs; nothing that
a program reads or prints. It lies in this server's memory, bounded, and ends with the server.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, Final
from weakref import WeakKeyDictionary

import structlog

from capibara6_guest.wire import CallError
from capibara6_sandbox.host.guest_client import GuestLostError
from capibara6_sandbox.host.machine import Machine
from capibara6_sandbox.host.sandbox import Sandbox

ENTRIES_MAX: Final = 1_000  # of one sandbox
ALL_ENTRIES_MAX: Final = 20_000  # of all together; those of ended sandboxes go first
KEPT: Final = timedelta(days=7)  # after a sandbox's end, as in E2B's cloud
_COLLECT_S_MAX: Final = 0.5
_PAGES_MAX: Final = 8
_TEXT_CHARS_MAX: Final = 600
_EVENTS: Final = {"process_start": "started", "process_end": "ended"}
_FIELDS: Final = (
    "command",
    "request_timeout_ms",
    "exit_code",
    "status",
    "stdout_bytes",
    "stderr_bytes",
    "pty_bytes",
)

_log = structlog.get_logger()


class Level(IntEnum):
    """How much an entry matters."""

    DEBUG = 0
    INFO = 1
    WARN = 2
    ERROR = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened."""

    moment: datetime
    level: Level
    message: str
    fields: Mapping[str, str | int] = field(default_factory=dict)


class Journal:
    """The entries of all sandboxes of this server."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._entries: dict[str, deque[Entry]] = {}
        self._ended: dict[str, datetime] = {}  # oldest first
        self._teams: dict[str, str] = {}
        self._count = 0
        self._read: WeakKeyDictionary[Machine, int] = WeakKeyDictionary()  # notes, by number

    def note(
        self, sandbox_id: str, message: str, level: Level = Level.INFO, **fields: str | int
    ) -> None:
        """Write what happened now."""
        self._add(sandbox_id, Entry(self._now(), level, message, {"logger": "sandbox", **fields}))

    def note_limit(self, sandboxes: Mapping[str, Sandbox], egress_key: int, text: str) -> None:
        """Write which limit the sandbox with a way out has met."""
        for sandbox in sandboxes.values():
            if sandbox.has_machine and sandbox.machine.egress_key == egress_key:
                self.note(sandbox.id, text, Level.WARN)

    def open(self, sandbox_id: str, team: str) -> None:
        """Begin a sandbox's entries; they are for its team."""
        self._teams[sandbox_id] = team

    def team(self, sandbox_id: str) -> str | None:
        """Return whose entries a sandbox's are; None for one that is unknown."""
        return self._teams.get(sandbox_id)

    def close(self, sandbox_id: str) -> None:
        """Let a sandbox's entries go some time after now: it has ended."""
        if sandbox_id in self._entries:
            self._ended[sandbox_id] = self._now()

    def entries(self, sandbox_id: str) -> Iterator[Entry]:
        """Yield what happened to a sandbox, oldest first; nothing for one that is unknown."""
        self._forget_old()
        yield from sorted(self._entries.get(sandbox_id, ()), key=lambda entry: entry.moment)

    async def collect(self, sandbox: Sandbox) -> None:
        """Take over the notes of a sandbox's agent; those of one that does not answer are lost."""
        if not sandbox.alive:
            return
        machine = sandbox.machine
        if "process.start" not in machine.guest.called:
            return  # most sandboxes end without a note: they need not wait for an answer
        try:
            async with asyncio.timeout(_COLLECT_S_MAX):
                await self._collect(sandbox.id, machine)
        except (GuestLostError, CallError, TimeoutError) as cause:
            if not machine.guest.parked:
                _log.warning("notes_not_read", sandbox_id=sandbox.id, cause=str(cause))

    async def _collect(self, sandbox_id: str, machine: Machine) -> None:
        for _ in range(_PAGES_MAX):
            after = self._read.get(machine, 0)
            notes = (await machine.guest.request("process.notes", after=after)).get("notes")
            if not isinstance(notes, list) or not notes:
                return
            for note in notes:
                self._take(sandbox_id, machine, note)

    def _take(self, sandbox_id: str, machine: Machine, note: Any) -> None:
        """Take one note: data of a guest, which is checked; what does not hold is skipped."""
        number = note.get("number") if isinstance(note, dict) else None
        if not isinstance(number, int) or number <= self._read.get(machine, 0):
            return  # also what two that collect at once have both been given
        self._read[machine] = number
        event, pid = note.get("event"), note.get("pid")
        if not isinstance(event, str) or event not in _EVENTS or not isinstance(pid, int):
            return
        fields: dict[str, str | int] = {"logger": "process", "event_type": event, "pid": pid}
        for name in _FIELDS:
            value = note.get(name)
            if isinstance(value, str | int):
                fields[name] = value[:_TEXT_CHARS_MAX] if isinstance(value, str) else value
        message = f"Process with pid {pid} {_EVENTS[event]}"
        self._add(sandbox_id, Entry(self._moment(note.get("at_s")), Level.INFO, message, fields))

    def _moment(self, at_s: Any) -> datetime:
        """Return when an agent says that something was; now, where that cannot be."""
        now = self._now()
        age_s = now.timestamp() - at_s if isinstance(at_s, float) else 0.0
        return now - timedelta(seconds=age_s) if 0 < age_s < KEPT.total_seconds() else now

    def _add(self, sandbox_id: str, entry: Entry) -> None:
        entries = self._entries.setdefault(sandbox_id, deque())
        entries.append(entry)
        self._count += 1
        while self._count > ALL_ENTRIES_MAX and self._ended:
            self._forget(next(iter(self._ended)))
        if len(entries) > ENTRIES_MAX or (self._count > ALL_ENTRIES_MAX and len(entries) > 1):
            entries.popleft()
            self._count -= 1

    def _forget_old(self) -> None:
        limit = self._now() - KEPT
        for sandbox_id in [found for found, ended in self._ended.items() if ended < limit]:
            self._forget(sandbox_id)

    def _forget(self, sandbox_id: str) -> None:
        del self._ended[sandbox_id]
        self._teams.pop(sandbox_id, None)
        self._count -= len(self._entries.pop(sandbox_id, ()))
