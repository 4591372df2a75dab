"""How long a check takes of a program of a hundred lines.

    python bench/validation.py SOLUTIONS.jsonl[.gz] [--inventory FILE.json.gz] [--profile]

Joins the reference solutions of a suite (`prompt` and `canonical_solution` of each line) to
programs of a hundred lines and checks each as the platform does. Prints the times of a whole check
and of ruff's process alone with the load, and what was found, which should be nothing: the
solutions are right. Asserts nothing.
"""

import argparse
import asyncio
import cProfile
import gzip
import json
import os
import pstats
import statistics
import sys
import time
from pathlib import Path

from capibara6.domain.programs import Program
from capibara6.inventory import Inventory
from capibara6.validation.cells import cell_of
from capibara6.validation.processes import run_checker
from capibara6.validation.validator import ProgramValidator

LINES = 100
PROGRAMS_MAX = 120


def programs(path: Path) -> list[str]:
    """Programs of at least a hundred lines, out of whole solutions."""
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    tasks = [json.loads(line) for line in text.splitlines()]
    found, lines = list[str](), list[str]()
    for task in tasks:
        lines += f"{task['prompt']}{task['canonical_solution']}".splitlines()
        if len(lines) >= LINES:
            found.append("\n".join(lines) + "\n")
            lines = []
    return found[:PROGRAMS_MAX]


def inventory(path: Path | None) -> Inventory | None:
    """One that was kept in the data directory's `inventories`."""
    return Inventory(json.loads(gzip.decompress(path.read_bytes()))) if path else None


async def measured(found: list[str], known: Inventory | None, profile: cProfile.Profile) -> None:
    """Check all, and print."""

    async def get() -> Inventory | None:
        return known

    validator = ProgramValidator(inventory=get)
    command = validator._checkers["python"]._command
    whole, process, wrong = list[float](), list[float](), list[str]()
    await validator.validate(Program(found[0]))
    for code in found:
        start = time.perf_counter()
        await run_checker(command, cell_of(code).as_notebook(), 5.0)
        process.append(time.perf_counter() - start)
        start = time.perf_counter()
        profile.enable()
        findings = await validator.validate(Program(code))
        profile.disable()
        whole.append(time.perf_counter() - start)
        wrong += [f"{one.code} {one.message}" for one in findings]
    lines = statistics.median(code.count("\n") for code in found)
    told = f"{len(found)} programs of {lines:g} lines (median), load {os.getloadavg()[0]:.1f}"
    sys.stdout.write(f"{told}, {len(wrong)} findings\n")
    for name, times in (("whole check", whole), ("ruff alone", process)):
        middle, late = statistics.median(times), statistics.quantiles(times, n=20)[-1]
        sys.stdout.write(f"{name:12} {1000 * middle:6.1f} ms median, {1000 * late:6.1f} p95, ")
        sys.stdout.write(f"{1000 * min(times):6.1f} least\n")
    sys.stdout.writelines(f"  {one}\n" for one in sorted(set(wrong)))


def main() -> None:
    """Measure, and with --profile say where the time goes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--inventory", type=Path)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    profile = cProfile.Profile()
    known = inventory(options.inventory)
    asyncio.run(measured(programs(options.file), known, profile))
    if options.profile:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(30)


if __name__ == "__main__":
    main()
