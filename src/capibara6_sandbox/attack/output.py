"""What a program sends: kept in part, searched in whole, counted, never believed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

HELD: Final = "@held"
_KEPT_CHARACTERS: Final = 65_536
_OVERLAP_CHARACTERS: Final = 256
_SAID_MAX: Final = 40


@dataclass(slots=True)
class Output:
    """The output of one program, as it comes."""

    search: Callable[[str], list[str]]  # for secrets
    characters: int = 0
    head: str = ""
    held: asyncio.Event = field(default_factory=asyncio.Event)
    leaks: set[str] = field(default_factory=set)
    _tail: str = ""

    def take(self, text: str) -> None:
        """Take a piece."""
        self.characters += len(text)
        if len(self.head) < _KEPT_CHARACTERS:
            self.head += text[: _KEPT_CHARACTERS - len(self.head)]
        together = self._tail + text
        self.leaks.update(self.search(together))
        if HELD in together:
            self.held.set()
        self._tail = together[-_OVERLAP_CHARACTERS:]

    @property
    def met(self) -> list[str]:
        """What the program says it met, for people: "EPERM mount", "OK read"."""
        lines = (line for line in self.head.splitlines() if line.startswith("@"))
        told = [line[1:].strip()[:160] for line in lines if line.strip() != HELD]
        return [line for line in told if line.isprintable()][:_SAID_MAX]
