"""The real command line in processes of its own, with a data directory of the test's."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

SOURCES = Path(__file__).parents[2] / "src"
EXAMPLES = Path(__file__).parents[2] / "examples"
NO_MODELS = {"tiers": {"fast_response": None, "balanced": None, "complex": None}}
_SECRETS = ("E2B_API_KEY", "E2B_API_URL", "E2B_SANDBOX_URL", "OPENAI_API_KEY")
COMMAND_S_MAX = 100
# As from a terminal, though the tests themselves may run in the background, where shells have
# programs ignore interrupts.
HEEDING = ("env", "--default-signal=INT,QUIT")


def shared_home() -> Path:
    """The user's own data directory, whose built templates the tests use too."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(os.environ.get("CAPIBARA6_HOME") or Path(data, "capibara6"))


@dataclass
class Installation:
    """A data directory and a configuration."""

    home: Path
    config: dict[str, Any] = field(default_factory=lambda: dict(NO_MODELS))
    pid: int = 0  # of what serves

    def __post_init__(self) -> None:
        templates = shared_home() / "templates"
        templates.mkdir(parents=True, exist_ok=True)
        self.home.mkdir(exist_ok=True)
        (self.home / "templates").symlink_to(templates)
        (self.home / "config.json").write_text(json.dumps(self.config))

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in _SECRETS}
        return {
            **kept,
            "CAPIBARA6_HOME": str(self.home),
            "CAPIBARA6_CONFIG": str(self.home / "config.json"),
            "PYTHONPATH": str(SOURCES),
            "LC_ALL": "C.UTF-8",
            **more,
        }

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*HEEDING, sys.executable, "-m", "capibara6", *arguments],
            env=self.environment(**environment),
            cwd=self.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> "Finished":
        process = self.start(*arguments, **environment)
        output, messages = process.communicate(stdin, timeout=COMMAND_S_MAX)
        return Finished(process.returncode, output, messages)

    def server_state(self) -> dict[str, Any] | None:
        file = self.home / "sandbox-server.json"
        return json.loads(file.read_text()) if file.exists() else None

    def sandboxes(self) -> Sequence[str]:
        """The ids of the sandboxes that the embedded server runs now."""
        state = self.server_state()
        assert state is not None
        reply = httpx.get(
            f"{state['api_url']}/v2/sandboxes", headers={"X-API-KEY": state["api_key"]}
        )
        return [item["sandboxID"] for item in reply.raise_for_status().json()]

    def stop_server(self) -> None:
        if state := self.server_state():
            os.kill(state["pid"], signal.SIGTERM)

    @contextmanager
    def serving(self, *options: str) -> Iterator[str]:
        """`capibara6 serve` on a free port; yields its URL."""
        process = self.start("serve", "--port", "0", *options)
        self.pid = process.pid
        assert process.stderr is not None
        said: list[str] = []
        try:
            for line in process.stderr:
                said.append(line)
                if found := re.search(r"listens on (http://\S+) ", line):
                    break
            else:
                raise AssertionError("".join(said))
            drain = threading.Thread(target=process.stderr.read, daemon=True)
            drain.start()
            yield found[1]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
            for stream in (process.stdin, process.stdout, process.stderr):
                stream.close()


@dataclass(frozen=True)
class Finished:
    """A command that ended."""

    status: int
    output: str
    messages: str

    @property
    def json(self) -> Any:
        return json.loads(self.output)
