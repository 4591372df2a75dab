"""The kill test in its smaller form: two hundred kills under load, and nothing lost, twice or left.

`make soak` does the same thousands of times.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.sandbox_server import SandboxServer

BENCH = Path(__file__).parents[2] / "bench"
pytestmark = pytest.mark.timeout(900)


def _done(program: str, *options: str) -> str:
    sources = str(Path(__file__).parents[2] / "src")
    done = subprocess.run(
        [sys.executable, BENCH / program, *options],
        env={**os.environ, "PYTHONPATH": sources},
        capture_output=True,
        text=True,
        timeout=880,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_two_hundred_kills_lose_double_and_leave_nothing(sandbox_server: SandboxServer) -> None:
    assert re.search(r"^orphans +0$", _done("kills.py", "--kills", "200"), re.MULTILINE)


def test_what_a_killed_platform_acknowledged_is_recorded_and_nothing_is_left(
    sandbox_server: SandboxServer,
) -> None:
    said = _done("platform_kills.py", "--kills", "6")
    assert re.search(r"^orphans +0$", said, re.MULTILINE)
