"""Both HTTP faces asked by their OpenAPI descriptions: a short turn of what `make fuzz` does."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("schemathesis", reason="schemathesis, which `make fuzz` installs, is not here")

SCRIPT = Path(__file__).parents[2] / "scripts/fuzz_http.py"


@pytest.mark.timeout(600)
def test_the_platform_answers_as_it_describes_itself() -> None:
    command = [sys.executable, str(SCRIPT), "--examples", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=590)
    assert done.returncode == 0, done.stdout[-5000:]
