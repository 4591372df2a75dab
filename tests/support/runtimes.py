"""A server whose sandboxes container runtimes run, each those of a template, for tests."""

import os
from typing import Final

import pytest

from capibara6_sandbox.isolation.runtimes import KNOWN
from support.sandbox_server import SandboxServer

TEMPLATES: Final = {
    "gvisor": "code-interpreter-v1",
    "crun": "data_analysis",
    "runc": "visualization",
}


def needs_runtime(name: str) -> None:
    """Skip a test where a runtime is missing, or this user may not use it."""
    if os.geteuid() != 0:
        pytest.skip("needs root: container runtimes get a range of ids")
    if KNOWN[name].find() is None:
        pytest.skip(f"needs the program {KNOWN[name].program} (make extras)")


def start_server(*arguments: str) -> SandboxServer:
    """Start a server that uses every runtime of this machine."""
    words: list[str] = []
    for name, template in TEMPLATES.items():
        if KNOWN[name].find() is not None:
            words += ["--isolation", f"{template}={name}"]
    return SandboxServer((*words, "--pool", "0", *arguments)).start()
