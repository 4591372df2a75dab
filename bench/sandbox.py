"""Measures the embedded server through the published SDK, beside floors measured in the same run.

    .venv/bin/python bench/sandbox.py [--runs 30] [--seconds 20] [--json]

Nothing is asserted: the goals stand beside the figures, and the machine's own noise is in both the
figures and the floors. See docs/BENCHMARKS.md.
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import latency
import memory
from capibara6_sandbox.arguments import data_folder
from capibara6_sandbox.templates.build import build
from capibara6_sandbox.templates.catalog import CODE_INTERPRETER
from figures import Figure, Row, table
from servers import Server, floor, real_server
from throughput import CLIENTS, lives_per_second

POOL = 2
FLOOR_SERVER = "the same calls of the same SDK to a server that answers at once and does nothing"
FLOOR_FORK = "the same program in a fork of a warm interpreter: no isolation, no HTTP, no IPython"
FLOOR_PYTHON = "an interpreter of its own that has imported nothing and waits"


def main() -> None:
    """Measure all, print the table."""
    arguments = _arguments()
    rows = _rows(arguments.runs, arguments.seconds)
    if arguments.json:
        about = {"machine": _machine(), "load": os.getloadavg()}
        print(json.dumps(about | {"rows": [row.as_dict() for row in rows]}, indent=2))
    else:
        print(f"{_machine()}\nload {os.getloadavg()[0]:.1f}, {arguments.runs} runs each\n")
        print(table(rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=30, help="of each measurement")
    parser.add_argument("--seconds", type=float, default=20, help="of sustained creation")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.runs < 2 or arguments.seconds < 4:
        parser.error("--runs must be at least 2, --seconds at least 4: one sample has no median")
    return arguments


def _rows(runs: int, seconds: float) -> list[Row]:
    with contextlib.ExitStack() as stack:
        _tell("starting the servers")
        servers = [
            stack.enter_context(real_server("pooled", POOL)),
            stack.enter_context(real_server("unpooled", 0)),
            stack.enter_context(floor()),
        ]
        return [
            *_latency_rows(servers, runs),
            _throughput_row(servers, seconds),
            *_memory_rows(servers[1], runs),
        ]


def _latency_rows(servers: list[Server], runs: int) -> list[Row]:
    _tell("single calls")
    lives, warm = latency.lives(servers, runs), latency.warm_calls(servers, runs)
    figures = [Figure.of(found["figure"]) for found in latency.figures(servers[:2], runs)]
    fork = Figure.of(_forked_figures(runs))

    def row(label: str, samples: list[latency.Samples], name: str, goal: str = "") -> Row:
        return Row(label, "ms", goal, *(Figure.of(one[name]) for one in samples), FLOOR_SERVER)

    return [
        row("a  create, run 1+1, kill", lives, "life", "<= 40"),
        row("a1   create", lives, "create"),
        row("a2   first run", lives, "first run"),
        row("a3   kill", lives, "kill"),
        Row("b  create, pandas and a figure", "ms", "<= 250", *figures, fork, FLOOR_FORK),
        row("c  warm run_code, after a pause", warm, "run_code after a pause", "<= 6"),
        row("c1   again at once", warm, "run_code again"),
        row("d  commands.run, after a pause", warm, "command after a pause", "<= 12"),
        row("d1   again at once", warm, "command again"),
    ]


def _throughput_row(servers: list[Server], seconds: float) -> Row:
    lives: list[Figure] = []
    for server in servers:
        _tell(f"{CLIENTS} clients for {seconds:.0f} s: {server.name}")
        lives.append(Figure.of(lives_per_second(server, seconds)))
    return Row(f"e  lives, {CLIENTS} clients", "per s", ">= 25", *lives, FLOOR_SERVER)


def _memory_rows(server: Server, runs: int) -> list[Row]:
    _tell(f"memory of {runs} idle sandboxes")
    idle, bare = memory.idle_sandboxes(server, runs), memory.bare_pythons(5)

    def row(label: str, name: str, goal: str = "") -> Row:
        found, lowest = Figure.of(idle[name]), Figure.of(bare[name])
        return Row(label, "MB", goal, None, found, lowest, FLOOR_PYTHON)

    return [
        row("f  private memory, idle", "private", "<= 8"),
        row("f1   page tables besides", "page tables"),
    ]


def _forked_figures(runs: int) -> list[float]:
    built = build(CODE_INTERPRETER, data_folder() / "templates", lambda *_: None)
    python = built.folder / "rootfs/opt/venv/bin/python"
    done = subprocess.run(
        [python, Path(__file__).with_name("warm_fork.py"), str(runs)],
        input=latency.FIGURE_CODE,
        env={"PATH": os.defpath, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    samples: list[float] = json.loads(done.stdout)
    return samples


def _machine() -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    processors = len(os.sched_getaffinity(0))
    python = platform.python_version()
    return f"{now}, {processors} processors, Linux {platform.release()}, Python {python}"


def _tell(what: str) -> None:
    print(f"... {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
