"""Uses many sandboxes at once for a while, and checks that nothing is lost, leaks or grows.

    .venv/bin/python bench/soak.py [--sandboxes 50] [--seconds 600] [--pause 5]

Each sandbox has a service behind a preview, an endless stream from it, a watched folder, a terminal
and a kernel, and all are asked in every round. With --pid the server is a running one, that of
$E2B_API_URL and $E2B_API_KEY. Exits with 1 if an answer never came, if the server holds more
than before, or (from five minutes on) if it or an agent grows.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field

from e2b_code_interpreter import AsyncSandbox, Sandbox

from holdings import Holdings, resident_mb
from servers import Server, real_server
from tenant import Tally, Tenant

SAMPLE_S = 2.0
SETTLE_S_MAX = 30.0
GROWTH_MB_PER_MINUTE_MAX = 0.5
JUDGED_FROM_S = 300.0
_STARTS_AT_ONCE = 5


@dataclass
class Memory:
    """Resident memory, in MB, by process and time in seconds."""

    times_s: list[float] = field(default_factory=list)
    samples_mb: dict[str, list[float]] = field(default_factory=dict)

    def add(self, time_s: float, sample: dict[str, float]) -> None:
        """Take one sample."""
        self.times_s.append(time_s)
        for name, value in sample.items():
            self.samples_mb.setdefault(name, []).append(value)

    def growth_mb_per_minute(self, name: str) -> float:
        """Return the slope of a line through the second half of the samples."""
        half = len(self.times_s) // 2
        line = statistics.linear_regression(self.times_s[half:], self.samples_mb[name][half:])
        return 60 * line.slope


def main() -> None:
    """Soak, print, judge."""
    arguments = _arguments()
    with _server(arguments.pid) as server:
        Sandbox.create(
            arguments.template, **server.sdk
        ).kill()  # what only the first one needs is there from now on
        before = settled(server.pid)
        # In a process of its own, whose end closes the connections that the SDK keeps.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as clients:
            tally, memory = clients.submit(_soaked, server, arguments).result()
        after = settled(server.pid, wanted=before)
    faults = [*tally.lost, *leaks(before, after)]
    for name in memory.samples_mb:
        growth = memory.growth_mb_per_minute(name)
        if arguments.seconds >= JUDGED_FROM_S and growth > GROWTH_MB_PER_MINUTE_MAX:
            faults.append(f"{name} grows by {growth:.2f} MB a minute")
    _report(arguments, tally, memory, before, after)
    for fault in faults[:50]:
        print(f"FAULT: {fault}")
    sys.exit(1 if faults else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sandboxes", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--pause", type=float, default=5, help="seconds between rounds")
    parser.add_argument("--template", default="quick_script")
    parser.add_argument("--pid", type=int, help="of a running server")
    arguments = parser.parse_args()
    if arguments.seconds < 4 * SAMPLE_S:
        parser.error(f"--seconds must be at least {4 * SAMPLE_S:.0f}: too few samples of memory")
    return arguments


@contextlib.contextmanager
def _server(pid: int | None) -> Iterator[Server]:
    if pid is None:
        with real_server("soaked", 2) as server:
            yield server
    else:
        yield Server("soaked", os.environ["E2B_API_URL"], os.environ["E2B_API_KEY"], pid)


def _soaked(server: Server, arguments: argparse.Namespace) -> tuple[Tally, Memory]:
    return asyncio.run(_soak(server, arguments))


async def _soak(server: Server, arguments: argparse.Namespace) -> tuple[Tally, Memory]:
    tally, memory, stop = Tally(), Memory(), asyncio.Event()
    begun = time.monotonic()
    places = asyncio.Semaphore(_STARTS_AT_ONCE)
    ready = asyncio.Barrier(arguments.sandboxes + 1)

    async def one() -> None:
        async with places:
            sandbox = await AsyncSandbox.create(
                arguments.template, timeout=int(arguments.seconds) + 600, **server.sdk
            )
        async with sandbox:
            await ready.wait()
            await Tenant(sandbox, server.url, tally).live(stop, arguments.pause)

    async with asyncio.TaskGroup() as tenants:
        for _ in range(arguments.sandboxes):
            tenants.create_task(one())
        await ready.wait()
        until = time.monotonic() + arguments.seconds
        while (rest := until - time.monotonic()) > 0:
            await asyncio.sleep(min(SAMPLE_S, rest))
            memory.add(time.monotonic() - begun, resident_mb(server.pid))
        stop.set()
    return tally, memory


def settled(pid: int, wanted: Holdings | None = None) -> Holdings:
    """Count when nothing changes any more: the pool is full again, what ended is cleared away."""
    until = time.monotonic() + SETTLE_S_MAX
    found = Holdings.of(pid)
    while time.monotonic() < until:
        time.sleep(1)
        last, found = found, Holdings.of(pid)
        if found == (wanted or last):
            break
    return found


def leaks(before: Holdings, after: Holdings) -> list[str]:
    earlier, later = asdict(before), asdict(after)
    return [
        f"{name}: {earlier[name]} before, {later[name]} after"
        for name in earlier
        if later[name] > earlier[name]
    ]


def _report(
    arguments: argparse.Namespace, tally: Tally, memory: Memory, before: Holdings, after: Holdings
) -> None:
    load = os.getloadavg()[0]
    print(f"{arguments.sandboxes} sandboxes, {arguments.seconds:.0f} s, load {load:.1f}")
    for kind, answers_s in tally.answers_s.items():
        if kind == "tick":
            print(f"{'ticks':12} {len(answers_s):7} in order")
            continue
        p50, p99 = (
            statistics.median(answers_s),
            statistics.quantiles(answers_s, n=100, method="inclusive")[-1],
        )
        print(
            f"{kind:12} {len(answers_s):7} answered, median {1000 * p50:.0f} ms, "
            f"99th {1000 * p99:.0f} ms, slowest {1000 * max(answers_s):.0f} ms"
        )
    print(f"{'lost':12} {len(tally.lost):7}")
    for name, samples in memory.samples_mb.items():
        growth = memory.growth_mb_per_minute(name)
        print(f"{name:12} {samples[0]:.1f} -> {samples[-1]:.1f} MB, {growth:+.3f} MB a minute")
    print(f"before {before}\nafter  {after}")


if __name__ == "__main__":
    main()
