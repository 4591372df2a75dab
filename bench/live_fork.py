"""Measures live forks of a sandbox that holds a 500 MB table, through the published SDK.

    .venv/bin/python bench/live_fork.py [--runs 10]

Nothing is asserted. The memory of a fork is what its own processes hold privately, after it has
answered; a plain start is a sandbox without the data.
"""

import argparse
import re
import statistics
import time
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
        origin = Sandbox.create(template="machine_learning", **server.sdk)
        try:
            made = origin.run_code(MAKE)
            assert made.error is None, made.error
            samples = [_fork(origin) for _ in range(runs)]
            plain = [_plain(server.sdk) for _ in range(runs)]
        finally:
            origin.kill()
    for name, index in (("fork", 0), ("fork and sum", 1), ("private memory, MB", 2)):
        values = [sample[index] for sample in samples]
        print(f"{name:24} median {statistics.median(values):7.1f}   max {max(values):7.1f}")
    print(f"{'plain create and 1+1':24} median {statistics.median(plain):7.1f}")


def _fork(origin: Sandbox) -> tuple[float, float, float]:
    started = time.perf_counter()
    (fork,) = origin.fork(count=1)
    assert isinstance(fork, Sandbox), fork
    forked_ms = 1e3 * (time.perf_counter() - started)
    answer = fork.run_code(ASK)
    answered_ms = 1e3 * (time.perf_counter() - started)
    assert answer.error is None, (answer.error, answer.logs)
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
