"""A short soak of the session's server: sandboxes in use at once, nothing lost, nothing left."""

import os
import subprocess
import sys
from pathlib import Path

from support.sandbox_server import SandboxServer

SOAK = Path(__file__).parents[2] / "bench/soak.py"


def test_sandboxes_in_use_at_once_lose_and_leave_nothing(sandbox_server: SandboxServer) -> None:
    options = ("--sandboxes", "8", "--seconds", "20", "--pause", "1")
    pid = str(sandbox_server.process.pid)
    sources = str(Path(__file__).parents[2] / "src")
    done = subprocess.run(
        [sys.executable, SOAK, "--pid", pid, *options],
        env={**os.environ, **sandbox_server.environ, "PYTHONPATH": sources},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
