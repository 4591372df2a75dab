"""A server that is killed and started again on the same data, and what a kill has to clear away."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processes import command_name, descendants, started

_ROOT = Path(__file__).parents[1]
_READY = re.compile(r"export E2B_API_URL=(\S+) E2B_SANDBOX_URL=\S+ E2B_API_KEY=(\S+)")
_CLEARED_S_MAX = 30.0
_SERVE = ("-m", "capibara6_sandbox", "serve", "--port", "0", "--pool", "1")
KEY = "e2b_" + "5" * 40


@dataclass
class Mortal:
    """A server with many lives.

    Args:
        data: its data folder, with built templates.
        log: the file that all its lives write to.
    """

    data: Path
    log: Path
    process: "subprocess.Popen[str]" = field(init=False)
    url: str = ""
    lives: int = 0

    def start(self) -> float:
        """Begin a life; return how long that took, in seconds."""
        begun = time.monotonic()
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, *_SERVE, "--data", str(self.data), "--api-key", KEY],
                env={**os.environ, "PYTHONPATH": str(_ROOT / "src")},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = _READY.match(line)
        if found is None:
            raise SystemExit(f"the server did not start: {line!r}; its log ends:\n{self.tail()}")
        self.url = found[1]
        self.lives += 1
        return time.monotonic() - begun

    @property
    def sdk(self) -> dict[str, Any]:
        """Arguments that point the published SDK here."""
        return {"api_url": self.url, "sandbox_url": self.url, "api_key": KEY}

    @property
    def pid(self) -> int:
        """The process of now."""
        return self.process.pid

    def end(self, number: signal.Signals) -> "Remains":
        """End this life by a signal; return what was there, which has to go."""
        remains = Remains.of(self.pid)
        self.process.send_signal(number)
        self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return remains

    def faults(self) -> list[str]:
        """Return what its log has of faults of its own: an error that nobody foresaw."""
        text = self.log.read_text(errors="replace")
        # A traceback ends at the first line that is not indented: what was raised.
        found = re.findall(
            r"((?:Exception in ASGI application|never retrieved).*?\n)(.*?^[A-Za-z_][^\n]*$)",
            text.replace("Traceback (most recent call last):", "  Traceback:"),
            re.DOTALL | re.MULTILINE,
        )
        # Calls that a stopping server cuts off are told by uvicorn as if they were faults.
        cut = "timeout graceful shutdown exceeded"
        told = [(head, trace[-2_000:]) for head, trace in found if cut not in trace]
        return [f"in its log: {head}{trace}" for head, trace in told]

    def tail(self) -> str:
        """Return the end of its log."""
        return "".join(self.log.read_text(errors="replace").splitlines(keepends=True)[-30:])


@dataclass(frozen=True)
class Remains:
    """What a server had while it lived: none of it may outlive its successor's start."""

    processes: frozenset[tuple[int, str]]  # with the time of their start: ids come again
    run_folder: Path
    groups: tuple[Path, ...]

    @classmethod
    def of(cls, pid: int) -> "Remains":
        """Look at a living server."""
        folder = next(
            Path(target).parent
            for target in _links(pid)
            if target.endswith("/lock") and "/c6-" in target
        )
        walk = os.walk("/sys/fs/cgroup")
        groups = [Path(path) for path, _, _ in walk if os.path.basename(path) == folder.name]
        below = {(one, started(one)) for one in descendants(pid)}
        return cls(frozenset(below), folder, tuple(groups))

    def processes_left(self) -> list[str]:
        """Return what runs still, some time after the server's end: nothing may."""
        until = time.monotonic() + _CLEARED_S_MAX
        while (left := [one for one in self.processes if _lives(*one)] or self._members()) and (
            time.monotonic() < until
        ):
            time.sleep(0.1)
        return [f"process {pid} ({command_name(pid)})" for pid, _ in left]

    def _members(self) -> list[tuple[int, str]]:
        """Return the processes in its groups, which may be younger than the look at it."""
        found = []
        for group in self.groups:
            for file in group.rglob("cgroup.procs"):
                with contextlib.suppress(OSError):
                    pids = [int(pid) for pid in file.read_text().split()]
                    found += [(pid, started(pid)) for pid in pids]
        return [one for one in found if _lives(*one)]

    def places_left(self) -> list[str]:
        """Return folders, groups and mounts that are there after the next start."""
        mounts = Path("/proc/self/mountinfo").read_text()
        left = [str(path) for path in (self.run_folder, *self.groups) if path.exists()]
        return left + [f"mount of {self.run_folder}"] * mounts.count(str(self.run_folder))


def _links(pid: int) -> list[str]:
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(link))
    return found


def _lives(pid: int, begun: str) -> bool:
    return bool(begun) and started(pid) == begun
