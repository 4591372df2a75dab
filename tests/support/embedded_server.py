"""The real embedded server, as a process of its own on a free port."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KEY = "e2b_" + "c" * 40
START_TIMEOUT_S = 900  # the first start on a machine builds the template
SOURCES = Path(__file__).parents[2] / "src"


@dataclass(frozen=True)
class EmbeddedServer:
    url: str
    key: str


@contextlib.contextmanager
def running_embedded_server(*options: str) -> Iterator[EmbeddedServer]:
    """Start the server and stop it again. Templates are shared with the user's installation."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "capibara6_sandbox", "serve", "--port=0", f"--api-key={KEY}",
             *options],
            env={**os.environ, "PYTHONPATH": str(SOURCES)},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )  # fmt: skip
        try:
            yield EmbeddedServer(_address(process, errors), KEY)
        finally:
            process.terminate()
            process.wait(timeout=30)
            assert process.stdout is not None
            process.stdout.close()


def _address(process: "subprocess.Popen[str]", errors: "tempfile._TemporaryFileWrapper") -> str:
    """Return the URL from the line that the server prints when it is ready."""
    assert process.stdout is not None
    started = time.monotonic()
    for text in process.stdout:
        if text.startswith("export E2B_API_URL="):
            return text.split()[1].removeprefix("E2B_API_URL=")
        assert time.monotonic() - started < START_TIMEOUT_S
    errors.seek(0)
    raise AssertionError(f"The server did not start: {errors.read()[-2000:]!r}")
