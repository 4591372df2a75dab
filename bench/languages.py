"""Measures the first and the later runs of code in each language, through the published SDK.

    .venv/bin/python bench/languages.py [--runs 10]

The first run of a sandbox starts its kernel, but for Python's, which waits; its floor is the start
of the language's own program on the host. Languages whose program is not installed are left out,
and said so. Nothing is asserted.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time

from e2b_code_interpreter import Sandbox

from figures import Figure, Row, table
from servers import Server, floor, real_server

FLOOR_SERVER = "the same call of the same SDK to a server that answers at once and does nothing"
FLOOR_PROGRAM = "the language's own program, started on the host to run the same and end"
CODE = {"bash": "echo $((1+1))"}
PROGRAMS = {
    "python": [sys.executable, "-c", "print(1+1)"],
    "javascript": ["node", "-e", "console.log(1+1)"],
    "typescript": ["node", "-e", "console.log(1+1)"],
    "bash": ["bash", "-c", "echo $((1+1))"],
    "r": ["R", "--vanilla", "--no-echo", "-e", "1+1"],
    "java": ["jshell", "-s", "-"],
}


def main() -> None:
    """Measure all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs
    if runs < 2:
        parser.error("--runs must be at least 2: one sample has no median")
    rows = []
    with real_server("pooled", 2) as server, floor() as nothing:
        lowest = Figure.of(_calls(Sandbox.create(**nothing.sdk), "python", runs))
        for letter, (language, program) in zip("abcdef", PROGRAMS.items(), strict=True):
            if shutil.which(program[0]) is None:
                print(f"no {program[0]} here: {language} is left out", file=sys.stderr)
                continue
            rows += _rows(server, letter, language, runs, lowest)
    print(f"load {os.getloadavg()[0]:.1f}\n{table(rows)}")


def _rows(server: Server, letter: str, language: str, runs: int, lowest: Figure) -> list[Row]:
    firsts = []
    for _ in range(runs):
        with Sandbox.create(**server.sdk) as sandbox:
            firsts += _calls(sandbox, language, 1)
    with Sandbox.create(**server.sdk) as sandbox:
        later = _calls(sandbox, language, runs + 1)[1:]
    start = Figure.of([_start(language) for _ in range(runs)])
    return [
        Row(
            f"{letter}  {language}, first run",
            "ms",
            "",
            Figure.of(firsts),
            None,
            start,
            FLOOR_PROGRAM,
        ),
        Row(
            f"{letter}1 {language}, later runs",
            "ms",
            "",
            Figure.of(later),
            None,
            lowest,
            FLOOR_SERVER,
        ),
    ]


def _calls(sandbox: Sandbox, language: str, count: int) -> list[float]:
    samples = []
    for _ in range(count):
        begun = time.perf_counter()
        execution = sandbox.run_code(CODE.get(language, "1+1"), language=language, timeout=60)
        samples.append(1000 * (time.perf_counter() - begun))
        answer = (execution.text or "".join(execution.logs.stdout)).strip()
        if not answer.endswith("2"):
            raise SystemExit(
                f"{language} answered {answer!r} {execution.error}: nothing to measure"
            )
    return samples


def _start(language: str) -> float:
    begun = time.perf_counter()
    subprocess.run(PROGRAMS[language], input=b"1+1\n", capture_output=True, check=True)
    return 1000 * (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
