"""A build's log: lines with a time, a level and the step they belong to, kept on disk."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

ENTRIES_MAX: Final = 20_000
PAGE_MAX: Final = 100
_MESSAGE_CHARS_MAX: Final = 4_000
LEVELS: Final = ("debug", "info", "warn", "error")

Entry = dict[str, Any]

_log = structlog.get_logger()


class BuildLog:
    """The log of one build, read from the disk when opened and written through."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: list[Entry] = _read(path)
        self._whole = not path.exists()  # what is there may end in half a line

    def add(self, message: str, *, level: str = "info", step: str | None = None) -> None:
        """Append a line; beyond `ENTRIES_MAX`, one line says that the rest is missing."""
        if len(self._entries) > ENTRIES_MAX:
            return
        if len(self._entries) == ENTRIES_MAX:
            level, message = "warn", f"The log is longer than {ENTRIES_MAX} lines; the rest is cut."
        entry = {
            "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "message": message[:_MESSAGE_CHARS_MAX],
            "level": level,
        }
        if step is not None:
            entry["step"] = step
        self._entries.append(entry)
        self._keep(entry)

    def _keep(self, entry: Entry) -> None:
        """Write a line; a full disk costs the line there, and not the build."""
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{'' if self._whole else chr(10)}{json.dumps(entry)}\n")
        except OSError as cause:
            self._whole = False
            _log.error("build_log_line_not_kept", path=str(self._path), cause=str(cause))
        else:
            self._whole = True

    def page(self, offset: int, limit: int = PAGE_MAX, level: str = "debug") -> list[Entry]:
        """Return lines of at least a level from `offset` on, at most `PAGE_MAX`."""
        return self._of_level(level)[offset : offset + min(limit, PAGE_MAX)]

    def page_from(
        self, cursor_ms: int | None, limit: int, level: str, *, backward: bool
    ) -> list[Entry]:
        """Return lines from a time on, or back from it; None is the beginning, or the end."""
        chosen = self._of_level(level)
        if backward:
            chosen.reverse()
        if cursor_ms is not None and backward:
            chosen = [entry for entry in chosen if _time_ms(entry) <= cursor_ms]
        elif cursor_ms is not None:
            chosen = [entry for entry in chosen if _time_ms(entry) >= cursor_ms]
        return chosen[: min(limit, PAGE_MAX)]

    def _of_level(self, level: str) -> list[Entry]:
        lowest = LEVELS.index(level) if level in LEVELS else 0
        return [entry for entry in self._entries if LEVELS.index(entry["level"]) >= lowest]


def _time_ms(entry: Entry) -> int:
    return int(datetime.fromisoformat(entry["timestamp"]).timestamp() * 1000)


def _read(path: Path) -> list[Entry]:
    entries = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:  # the last line of a server that was killed
                continue
            if isinstance(entry, dict) and entry.get("level") in LEVELS:
                entries.append(entry)
    return entries
