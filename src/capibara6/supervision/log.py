"""Reads what a starting server writes to its log: progress lines, and the rest for a failure."""

import json
from pathlib import Path
from typing import Final

_TAIL_LINES_MAX: Final = 12


class LogReader:
    """Reads a growing log: progress lines apart, the last other lines kept."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = 0
        self.tail: list[str] = []

    def progress(self) -> list[tuple[float, str]]:
        """The progress lines that came since the last call: share done, message."""
        found = []
        for line in self._new_lines():
            if step := _progress(line):
                found.append(step)
            elif line.strip():
                self.tail = [*self.tail, line.strip()][-_TAIL_LINES_MAX:]
        return found

    def _new_lines(self) -> list[str]:
        try:
            with self._file.open("rb") as stream:
                stream.seek(self._offset)
                text = stream.read()
        except FileNotFoundError:
            return []
        whole = text[: text.rfind(b"\n") + 1]  # a half line is read again when it is whole
        self._offset += len(whole)
        return whole.decode(errors="replace").splitlines()


def _progress(line: str) -> tuple[float, str] | None:
    if not line.startswith("{"):
        return None
    try:
        values = json.loads(line)
        return float(values["progress"]), str(values["message"])
    except (ValueError, KeyError, TypeError):
        return None
