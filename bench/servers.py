"""Servers to measure: the real one and the floor, each in a process of its own."""

import contextlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import floor_server

_ROOT = Path(__file__).parents[1]
_READY = re.compile(r"export E2B_API_URL=(\S+) E2B_SANDBOX_URL=\S+ E2B_API_KEY=(\S+)")


@dataclass(frozen=True)
class Server:
    """Where a running server is, and what it is called in the table."""

    name: str
    url: str
    key: str
    pid: int

    @property
    def sdk(self) -> dict[str, str]:
        """Arguments that point the published SDK here."""
        return {"api_url": self.url, "sandbox_url": self.url, "api_key": self.key}


@contextlib.contextmanager
def real_server(name: str, pool: int) -> Iterator[Server]:
    """Run the embedded server; its first start on a machine builds the templates."""
    command = ["-m", "capibara6_sandbox", "serve", "--port", "0", "--pool", str(pool)]
    with _running(command) as (process, line):
        found = _READY.match(line)
        if found is None:
            raise SystemExit(f"the server did not start: {line!r}. Run `capibara6 doctor`.")
        yield Server(name, found[1], found[2], process.pid)


@contextlib.contextmanager
def floor() -> Iterator[Server]:
    """Run the server that does nothing."""
    with _running([str(Path(__file__).with_name("floor_server.py"))]) as (process, line):
        yield Server("floor", line.strip(), floor_server.KEY, process.pid)


@contextlib.contextmanager
def _running(arguments: list[str]) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(_ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    log: list[str] = []
    threading.Thread(target=log.extend, args=(process.stderr,), daemon=True).start()
    try:
        line = process.stdout.readline()
        if not line:
            process.wait(10)
            sys.stderr.writelines(log)
        yield process, line
    finally:
        process.terminate()
        process.wait(60)
