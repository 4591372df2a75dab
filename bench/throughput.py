"""How many sandboxes a second live a whole life, with several clients at once.

The clients are threads in two processes, so that the SDK's own work uses both processors as the
clients of a real server would.
"""

import bisect
import multiprocessing
import os
import threading
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from e2b_code_interpreter import Sandbox

from processes import command_name, descendants
from servers import Server

CLIENTS = 8
PROCESSES = 2
_WINDOW_S = 1.0


@dataclass(frozen=True)
class Load:
    """What a server did under sustained load, second by second."""

    lives_per_second: list[float]
    processor_ms_per_life: list[float]  # of the server, its zygotes and its ended sandboxes


def sustained(server: Server, seconds: float) -> Load:
    """Create, run 1+1, kill, again and again, with all clients at once."""
    meter = Meter(server.pid)
    context = multiprocessing.get_context("spawn")
    with context.Pool(PROCESSES) as pool:
        pool.map(abs, range(PROCESSES))  # imports the SDK before the clock runs
        running = pool.starmap_async(_live, [(server, seconds)] * PROCESSES)
        while not running.ready():
            meter.read()
            running.wait(_WINDOW_S)
        ends = sorted(end for found in running.get() for end in found)
    return _by_second(ends, meter.readings)


class Meter:
    """Reads the processor time of a server with everything below it that has ended."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.readings: list[tuple[float, float]] = []  # moment, milliseconds so far

    def read(self) -> None:
        """Take one reading."""
        keepers = [p for p in [self._pid, *descendants(self._pid)] if p == self._pid or _stays(p)]
        spent_ms = sum(_processor_ms(pid) for pid in keepers)
        self.readings.append((time.monotonic(), spent_ms))


def _stays(pid: int) -> bool:
    """Whether a process is no sandbox's; what sandboxes used shows in who reaped them."""
    return command_name(pid) in ("c6-nursery", "c6-zygote")


def _processor_ms(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = sum(int(field) for field in fields[11:15])  # own and reaped children's, user and system
    return 1000 * ticks / os.sysconf("SC_CLK_TCK")


def _by_second(ends: list[float], readings: list[tuple[float, float]]) -> Load:
    """Compare neighbouring readings; the first and last second, with less than all clients, go."""
    rates, costs = [], []
    for (start, before_ms), (end, after_ms) in pairwise(readings[1:-1]):
        lives = bisect.bisect_left(ends, end) - bisect.bisect_left(ends, start)
        rates.append(lives / (end - start))
        if lives:
            costs.append((after_ms - before_ms) / lives)
    return Load(rates, costs)


def _live(server: Server, seconds: float) -> list[float]:
    """Live with this process's share of the clients; return when each life ended."""
    ends: list[float] = []
    failures: list[str] = []
    until = time.monotonic() + seconds
    threads = [
        threading.Thread(target=_client, args=(server, until, ends, failures))
        for _ in range(CLIENTS // PROCESSES)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(f"{len(failures)} lives failed; the first: {failures[0]}")
    return ends


def _client(server: Server, until: float, ends: list[float], failures: list[str]) -> None:
    while time.monotonic() < until:
        try:
            sandbox = Sandbox.create(**server.sdk)
            if sandbox.run_code("1+1").text != "2":
                failures.append("a wrong answer")
            sandbox.kill()
        except Exception as failure:  # noqa: BLE001 - told by the parent, which then gives up
            failures.append(repr(failure))
            return
        ends.append(time.monotonic())
