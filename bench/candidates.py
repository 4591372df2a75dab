"""Measures ten candidates in live forks of one sandbox against ten fresh sandboxes.

    .venv/bin/python bench/candidates.py [--runs 3] [--candidates 10] [--data-mb 100]

Each candidate reads the same table and asks something else of it. In forks the table is loaded
once, before; a fresh sandbox is given the file and reads it itself. Nothing is asserted.
"""

import argparse
import asyncio
import statistics
import time
from typing import Any

from capibara6.config import load_settings
from capibara6.domain.executions import ExecutionRequest
from capibara6.domain.programs import Program
from capibara6.execution import E2BArena, Provider
from capibara6.execution.sandboxes import Sandboxes
from capibara6.search.loading import loading
from servers import real_server

PATH = "/home/user/table.csv"
ROW = ",".join(f"{number}.25" for number in range(10))


class Forkless(Sandboxes):
    """A provider that does not fork."""

    async def fork(self, origin: Any, timeout_s: float) -> Exception:
        """Refuse."""
        return RuntimeError("live forks are switched off")


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--candidates", type=int, default=10)
    parser.add_argument("--data-mb", type=int, default=100)
    asked = parser.parse_args()
    with real_server("pooled", 2) as server:
        asyncio.run(_measure(server, asked.runs, asked.candidates, asked.data_mb))


async def _measure(server: Any, runs: int, count: int, data_mb: int) -> None:
    data = _table(data_mb)
    request = ExecutionRequest("pass", template="machine_learning", files={PATH: data})
    for name, forked in (("live forks", True), ("fresh sandboxes", False)):
        arena = _arena(server, forked=forked)
        try:
            samples = [await _sample(arena, request, count, forked=forked) for _ in range(runs)]
        finally:
            await arena.close()
        print(f"{count} candidates in {name}, {len(data) / 1e6:.0f} MB of CSV, {runs} runs")
        for label, place in (("loaded after, s", 0), ("all done after, s", 1), ("killed, s", 2)):
            _print(label, [sample[place] for sample in samples])
        _print("candidates a second", [count / (one[1] - one[0]) for one in samples])


def _arena(server: Any, *, forked: bool) -> E2BArena:
    async def find() -> Provider:
        return Provider.embedded(server.url, server.key, request_timeout_s=120)

    settings = load_settings()
    return E2BArena(settings, find, None if forked else Forkless(settings))


async def _sample(
    arena: E2BArena, request: ExecutionRequest, count: int, *, forked: bool
) -> tuple[float, float, float]:
    began = time.perf_counter()
    async with arena.opened(request, loading([PATH]) if forked else "") as ring:
        loaded_s = time.perf_counter() - began
        two = asyncio.Semaphore(2)

        async def one(number: int) -> bool:
            code = (
                f"import pandas as pd\nprint(pd.read_csv({PATH!r}).iloc[:, {number % 10}].mean())"
            )
            async with two:
                entrant = await ring.run(Program(code), 300)
            assert entrant.result.success, entrant.result
            return entrant.forked

        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(one(number)) for number in range(count)]
        assert {task.result() for task in running} == {forked}
        done_s = time.perf_counter() - began
    return loaded_s, done_s, time.perf_counter() - began - done_s


def _table(data_mb: int) -> bytes:
    line = (ROW + "\n").encode()
    header = ",".join(f"c{number}" for number in range(10)) + "\n"
    return header.encode() + line * (data_mb * 1_000_000 // len(line))


def _print(label: str, values: list[float]) -> None:
    least, middle, most = min(values), statistics.median(values), max(values)
    print(f"  {label:22} median {middle:7.2f}   min {least:7.2f}   max {most:7.2f}")


if __name__ == "__main__":
    main()
