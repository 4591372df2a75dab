"""How long single calls take, through the published SDK."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from e2b_code_interpreter import Sandbox

from servers import Server

# Between runs: gives the pool, and whatever a kill left to do, the time to be ready again.
PAUSE_S = 0.1

FIGURE_CODE = """
import matplotlib.pyplot as plt
import pandas as pd
sales = pd.DataFrame({"month": range(1, 13), "sold": [3, 5, 4, 8, 9, 12, 15, 14, 9, 7, 4, 6]})
sales["mean"] = sales["sold"].rolling(3, min_periods=1).mean()
sales.plot(x="month", y=["sold", "mean"], title="Sales")
plt.show()
"""

Samples = dict[str, list[float]]


@contextmanager
def _timed(samples: Samples, name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    samples.setdefault(name, []).append((time.perf_counter() - start) * 1000)


def lives(servers: Sequence[Server], runs: int) -> list[Samples]:
    """Create a sandbox, run 1+1 in it, kill it; in milliseconds, in all and step by step."""
    found = _in_turn(servers, runs + 1, _live)
    # The first life opens connections.
    return [{name: values[1:] for name, values in samples.items()} for samples in found]


def _live(server: Server, samples: Samples) -> None:
    with _timed(samples, "life"):
        with _timed(samples, "create"):
            sandbox = Sandbox.create(**server.sdk)
        with _timed(samples, "first run"):
            _expect(sandbox.run_code("1+1").text, "2")
        with _timed(samples, "kill"):
            sandbox.kill()


def figures(servers: Sequence[Server], runs: int) -> list[Samples]:
    """Create a sandbox and draw the first figure in it; in milliseconds, without the kill."""
    return _in_turn(servers, runs, _draw)


def _draw(server: Server, samples: Samples) -> None:
    with _timed(samples, "figure"):
        sandbox = Sandbox.create(**server.sdk)
        execution = sandbox.run_code(FIGURE_CODE)
    _expect(bool(execution.results and execution.results[0].png), True)
    sandbox.kill()


def warm_calls(servers: Sequence[Server], runs: int) -> list[Samples]:
    """Call used sandboxes after a pause, and once more right after that; in milliseconds."""
    sandboxes = {server: Sandbox.create(**server.sdk) for server in servers}
    try:
        for sandbox in sandboxes.values():
            _call(sandbox, {})
        return _in_turn(servers, runs, lambda server, samples: _call(sandboxes[server], samples))
    finally:
        for sandbox in sandboxes.values():
            sandbox.kill()


def _call(sandbox: Sandbox, samples: Samples) -> None:
    for when in ("after a pause", "again"):
        with _timed(samples, f"run_code {when}"):
            _expect(sandbox.run_code("1+1").text, "2")
        with _timed(samples, f"command {when}"):
            _expect(sandbox.commands.run("true").exit_code, 0)


def _in_turn(
    servers: Sequence[Server], runs: int, measure: Callable[[Server, Samples], None]
) -> list[Samples]:
    """Measure all servers in turn, again and again, so that the machine's moods meet all alike."""
    found: list[Samples] = [{} for _ in servers]
    for _ in range(runs):
        for server, samples in zip(servers, found, strict=True):
            measure(server, samples)
            time.sleep(PAUSE_S)
    return found


def _expect(found: object, wanted: object) -> None:
    if found != wanted:
        raise SystemExit(f"the sandbox answered {found!r}, not {wanted!r}: nothing to measure")
