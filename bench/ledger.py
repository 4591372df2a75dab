"""What clients were told, and what truly happened: the two must agree after every kill."""

import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path


def _named(failure: BaseException) -> str:
    """Return an error's kind with the beginning of its message, without ids and numbers."""
    text = re.sub(r"[a-z0-9]{12,}|\d+", "#", str(failure))
    return f"{type(failure).__name__}: {text[:60]}"


@dataclass
class Ledger:
    """Shared by all clients of a run. `kept` maps a paused sandbox or a snapshot to its content."""

    acknowledged: set[str] = field(default_factory=set)  # executions that were answered
    failed: Counter[str] = field(default_factory=Counter)  # that were not, by error
    paused: dict[str, str] = field(default_factory=dict)
    snapshots: dict[str, str] = field(default_factory=dict)
    verified: Counter[str] = field(default_factory=Counter)  # found again after a kill, by kind
    broken: list[str] = field(default_factory=list)  # promises
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def acknowledge(self, nonce: str) -> None:
        """Note that a client was told that its execution is done."""
        with self._lock:
            self.acknowledged.add(nonce)

    def fail(self, failure: BaseException | str) -> None:
        """Note that a client was told something else."""
        with self._lock:
            self.failed[failure if isinstance(failure, str) else _named(failure)] += 1

    def keep(self, kind: dict[str, str], name: str, content: str) -> None:
        """Note that a client was told that something is kept."""
        with self._lock:
            kind[name] = content

    def take(self, kind: dict[str, str]) -> tuple[str, str] | None:
        """Return something that is kept, for one client to use up; it is promised no more."""
        with self._lock:
            return kind.popitem() if kind else None

    def verify(self, what: str) -> None:
        """Note that something was found as it was promised."""
        with self._lock:
            self.verified[what] += 1

    def breach(self, what: str) -> None:
        """Note a broken promise."""
        with self._lock:
            self.broken.append(what)

    def compare(self, effects: Path) -> tuple[list[str], list[str]]:
        """Return the acknowledged executions without effect, and the effects that came twice."""
        with self._lock:
            told = set(self.acknowledged)
        happened = Counter(effects.read_text().split()) if effects.exists() else Counter()
        lost = sorted(told - set(happened))
        return lost, sorted(
            nonce for nonce, times in happened.items() if times > 1 and nonce != "once"
        )
