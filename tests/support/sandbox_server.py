"""A real embedded server in a process of its own, for tests."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SERVE = (sys.executable, "-m", "capibara6_sandbox", "serve")
START_TIMEOUT_S = 600.0  # the first start on a machine builds the templates
# A variable of the server's environment, which no sandbox may ever see.
CANARY_NAME = "CAPIBARA6_TEST_CANARY"
CANARY = "canary-5e1f0c"


@dataclass
class SandboxServer:
    """A running `python -m capibara6_sandbox serve`."""

    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    wrapper: tuple[str, ...] = ()  # a command that runs it
    process: "subprocess.Popen[str]" = field(init=False)
    url: str = field(init=False, default="")
    key: str = field(init=False, default="")
    log_lines: list[str] = field(init=False, default_factory=list)
    own_data: Path | None = field(init=False, default=None)

    def start(self) -> "SandboxServer":
        """Start it and wait until it is ready; in a data folder of its own unless one is named."""
        if "--data" not in self.arguments:
            self.own_data = self.own_data or data_folder(Path(tempfile.mkdtemp()))
            self.arguments = (*self.arguments, "--data", str(self.own_data))
        if not {"--pool", "--pool-max"} & set(
            self.arguments
        ):  # demand would change what tests count
            self.arguments = ("--pool", "2", *self.arguments)
        self.process = subprocess.Popen(
            [*self.wrapper, *SERVE, "--port", "0", *self.arguments],
            env={**os.environ, "PYTHONPATH": _source(), **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read_log, daemon=True).start()
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.match(r"export E2B_API_URL=(\S+) E2B_SANDBOX_URL=\S+ E2B_API_KEY=(\S+)", line)
        if found is None:
            self.process.wait(10)
            raise AssertionError(f"no ready line but {line!r}; log:\n" + "".join(self.log_lines))
        self.url, self.key = found.groups()
        return self

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        self.log_lines.extend(self.process.stderr)

    @property
    def sdk(self) -> dict[str, Any]:
        """Arguments that point the published SDKs here."""
        return {"api_url": self.url, "sandbox_url": self.url, "api_key": self.key}

    @property
    def environ(self) -> dict[str, str]:
        """Variables that point the published SDKs here."""
        return {
            "E2B_API_URL": self.url,
            "E2B_SANDBOX_URL": self.url,
            "E2B_API_KEY": self.key,
        }

    @property
    def has_cgroups(self) -> bool:
        """Whether it bounds each sandbox by cgroups; it logs at its start that it cannot."""
        return not any("no cgroups" in line for line in self.log_lines)

    def stop(self) -> int:
        """Ask it to stop; return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(30)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        if self.own_data is not None and self.own_data.exists():  # stopping twice is allowed
            shutil.rmtree(self.own_data)
        return status

    def descendants(self) -> list[int]:
        """Return the ids of all processes below it, zygotes and sandboxes among them."""
        return _descendants(self.process.pid)

    def memory_bytes(self) -> int:
        """Return the resident memory of the server's own process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024

    def cgroups(self) -> list[Path]:
        """Return the groups of its sandboxes; none where the machine gives it no cgroups."""
        name = self.run_folder().name
        walk = os.walk("/sys/fs/cgroup")  # past what other servers remove meanwhile
        return [
            Path(path, one) for path, below, _ in walk if Path(path).name == name for one in below
        ]

    def open_fds(self) -> int:
        """Return how many descriptors it holds."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def run_folder(self) -> Path:
        """Return its run directory, known by the lock it holds."""
        for link in Path(f"/proc/{self.process.pid}/fd").iterdir():
            target = os.readlink(link)
            if target.endswith("/lock") and "/c6-" in target:
                return Path(target).parent
        raise AssertionError("the server holds no lock")


def data_folder(empty: Path) -> Path:
    """Make `empty` a data folder whose templates are those that were built already."""
    built = Path(os.environ.get("CAPIBARA6_HOME") or Path.home() / ".local/share/capibara6")
    (built / "templates").mkdir(parents=True, exist_ok=True)
    (empty / "templates").symlink_to(built / "templates")
    return empty


def _source() -> str:
    return str(Path(__file__).parents[2] / "src")


def _threads(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").glob("*/children"))
    except FileNotFoundError:  # it has ended meanwhile
        return []


def _descendants(pid: int) -> list[int]:
    found, todo = [], [pid]
    while todo:
        below = [int(child) for path in _threads(todo[0]) for child in _read(path).split()]
        todo = todo[1:] + below
        found += below
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def wait_until(condition: Any, timeout_s: float = 30.0) -> None:
    """Poll until `condition()` holds; fail after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)
