"""How long builds of templates take: one small package, the same again, and a sandbox of it.

    python bench/templates.py [--rounds N] [--package P]

The server is the one of $E2B_API_URL. The package comes from its index, so the first figure holds a
download. Nothing is asserted.
"""

import argparse
import statistics
import time
import uuid
from collections.abc import Callable

from e2b import Sandbox, Template


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--package", default="cowsay")
    arguments = parser.parse_args()
    name = f"bench-{uuid.uuid4().hex[:8]}"
    recipe = Template().from_template("code-interpreter-v1").pip_install(arguments.package)
    built = [
        _timed(lambda: Template.build(recipe, name, skip_cache=True))
        for _ in range(arguments.rounds)
    ]
    recipe = Template().from_template("code-interpreter-v1").pip_install(arguments.package)
    Template.build(recipe, name)
    again = [_timed(lambda: Template.build(recipe, name)) for _ in range(arguments.rounds)]
    _report(f"build: pip install {arguments.package}", built)
    _report("build: the same, cached", again)
    _report("create: a sandbox of it", _creates(name, arguments.rounds))
    _report("create: code-interpreter-v1", _creates("code-interpreter-v1", arguments.rounds))


def _creates(name: str, rounds: int) -> list[float]:
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        sandbox = Sandbox.create(name)
        times.append(time.perf_counter() - begun)
        sandbox.kill()
    return times


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _report(what: str, times: list[float]) -> None:
    median, worst = statistics.median(times), max(times)
    print(f"{what:<40} median {median * 1000:8.1f} ms   worst {worst * 1000:8.1f} ms")


if __name__ == "__main__":
    main()
