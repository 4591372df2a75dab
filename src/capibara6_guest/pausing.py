"""Standing still: a clock that can be stopped, and stopping all programs where no cgroup does it.

While a sandbox is paused its time limits do not run, as if its machine had been switched off. The
agent itself is stopped by the server, after it has said that it is ready for that.
"""

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Final

_STOP_S_MAX: Final = 2.0  # with what was forked meanwhile
_LOOK_AGAIN_S: Final = 0.001  # a signal takes effect when its process gets its turn
_STOPPED: Final = ("T", "t", "Z", "X")


class PausableLoop(asyncio.SelectorEventLoop):
    """An event loop whose time, and with it every timer, stands still while it is paused."""

    def __init__(self) -> None:
        self._lost_s = 0.0
        self._stopped_at_s: float | None = None
        super().__init__()

    def time(self) -> float:
        """Return the seconds that passed while the loop was not paused."""
        if self._stopped_at_s is not None:
            return self._stopped_at_s
        return super().time() - self._lost_s

    def stop_time(self) -> None:
        """Let no more time pass. Idempotent."""
        if self._stopped_at_s is None:
            self._stopped_at_s = self.time()

    def continue_time(self) -> None:
        """Let time pass again. Idempotent."""
        if self._stopped_at_s is not None:
            self._lost_s = super().time() - self._stopped_at_s
            self._stopped_at_s = None


class Programs:
    """All other processes of the sandbox, which its PID 1 can stop without any cgroup."""

    def __init__(self) -> None:
        self._stopped: list[int] = []

    def stop(self) -> None:
        """Stop every process; those that were stopped before stay so afterwards.

        Raises:
            RuntimeError: some ran on, or new ones appeared all the time; all go on.
        """
        running = set(_running())
        seen = set(running)
        last_s = time.monotonic() + _STOP_S_MAX
        while time.monotonic() < last_s:
            if not running:
                self._stopped = sorted(seen)
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGSTOP)
            time.sleep(_LOOK_AGAIN_S)
            running = set(_running())
            seen |= running
        self._stopped = sorted(seen)
        self.go_on()
        raise RuntimeError(f"{len(running)} processes did not stop")

    def go_on(self) -> None:
        """Let those processes run again that `stop` stopped. Idempotent."""
        stopped, self._stopped = self._stopped, []
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _running() -> list[int]:
    """Return the processes, but this one, of which any thread can run."""
    own = os.getpid()
    pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    # The first process waits only; the agent of a live fork is another one.
    return [pid for pid in pids if pid not in (1, own) and not _is_stopped(pid)]


def _is_stopped(pid: int) -> bool:
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            status = Path(f"/proc/{pid}/task/{thread}/stat").read_text()
            if status.rpartition(")")[2].split()[0] not in _STOPPED:
                return False
    return True
