"""Measures live forks of a sandbox that holds a 500 MB table, through the published SDK.

    .venv/bin/python bench/live_fork.py [--runs 10]

Nothing is asserted. The memory of a fork is what its own processes hold privately, after it has
answered. Three floors, measured in the same run: the sum itself (timed in the origin's kernel), the
sum asked of the origin, which no fork can undercut, and a plain start of a sandbox without data.
"""

import argparse
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from e2b_code_interpreter import Sandbox

from servers import real_server

MAKE = "import numpy as np, pandas as pd; df = pd.DataFrame(np.ones((8_192_000, 8)))"
ASK = "float(df.to_numpy().sum())"


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs
    with real_server("pooled", 2) as server:
        origin = Sandbox.create(template="machine_learning", timeout=600, **server.sdk)
        try:
            made = origin.run_code(MAKE)
            assert made.error is None, made.error
            sums = [_sum(origin) for _ in range(runs)]
            samples = [_sample(lambda: origin.fork(count=1)[0]) for _ in range(runs)]
            snapshot = origin.create_snapshot().snapshot_id
            starts = [_sample(lambda: Sandbox.create(snapshot, **server.sdk)) for _ in range(runs)]
            plain = [_plain(server.sdk) for _ in range(runs)]
        finally:
            origin.kill()
    for name, values in (
        ("the sum alone, ms", [alone for alone, _ in sums]),
        ("asked of the origin, ms", [asked for _, asked in sums]),
        ("plain create and 1+1, ms", plain),
        ("fork, ms", [forked for forked, _, _ in samples]),
        ("fork and sum, ms", [answered for _, answered, _ in samples]),
        ("private memory, MB", [memory for _, _, memory in samples]),
        ("of snapshot, ms", [started for started, _, _ in starts]),
        ("of snapshot and sum, ms", [answered for _, answered, _ in starts]),
        ("private memory, MB", [memory for _, _, memory in starts]),
    ):
        least, middle, most = min(values), statistics.median(values), max(values)
        print(f"{name:26} median {middle:7.1f}   min {least:7.1f}   max {most:7.1f}")


def _sum(origin: Sandbox) -> tuple[float, float]:
    started = time.perf_counter()
    answer = origin.run_code(
        f"import time; t = time.perf_counter(); {ASK}; time.perf_counter() - t"
    )
    asked_ms = 1e3 * (time.perf_counter() - started)
    assert answer.text is not None, answer.error
    return 1e3 * float(answer.text), asked_ms


def _sample(start: Callable[[], Sandbox | Exception]) -> tuple[float, float, float]:
    started = time.perf_counter()
    fork = start()
    assert isinstance(fork, Sandbox), fork
    forked_ms = 1e3 * (time.perf_counter() - started)
    answer = fork.run_code(ASK)
    answered_ms = 1e3 * (time.perf_counter() - started)
    assert answer.error is None, (answer.error, answer.logs)
    assert answer.logs.stderr == [], answer.logs
    memory = _private_mb(fork.sandbox_id)
    fork.kill()
    return forked_ms, answered_ms, memory


def _plain(sdk: dict[str, str]) -> float:
    started = time.perf_counter()
    with Sandbox.create(template="machine_learning", **sdk) as sandbox:
        sandbox.run_code("1+1")
        return 1e3 * (time.perf_counter() - started)


def _private_mb(sandbox_id: str) -> float:
    """Sum up the private memory of all processes in a sandbox, known by its host name."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "root/etc/hostname").read_text().strip()
            text = (folder / "smaps_rollup").read_text() if name == sandbox_id else ""
        except OSError:
            continue
        total += sum(int(kib) for kib in re.findall(r"Private_\w+:\s+(\d+) kB", text))
    return total / 1024


if __name__ == "__main__":
    main()
