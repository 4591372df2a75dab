"""What judges hostile programs notices those that get out of a server without walls, in a lab."""

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

from support.privileges import needs_root
from support.walls_off import LAYERS

ROOT = Path(__file__).parents[2]
# One for each way of being noticed: descriptors, namespaces, mounts, root, tracer, rights, secrets
# and files of the machine, its sockets, its processes, its connections, later sandboxes.
ESCAPES = (
    "io-uring-ring",
    "new-user-namespace",
    "mount-anything",
    "pivot-root",
    "ptrace-own-child",
    "read-the-canary",
    "write-to-the-machine",
    "machine-on-loopback",
    "listen-on-the-machine",
    "processes-of-the-machine",
    "personality",
    "daemons",
)


@pytest.fixture(scope="module")
def breaches() -> dict[str, list[str]]:
    path = ROOT / "scripts/hostile_programs.py"
    spec = importlib.util.spec_from_file_location("hostile_programs", path)
    assert spec is not None
    assert spec.loader is not None
    script: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    built = Path(os.environ.get("CAPIBARA6_HOME") or Path.home() / ".local/share/capibara6")
    measured: dict[str, list[str]] = script.measure("no layer", set(LAYERS), built, list(ESCAPES))
    return measured


@needs_root("makes a throwaway machine with ids of its own")
@pytest.mark.parametrize("program", ESCAPES)
def test_a_program_that_gets_out_is_noticed(breaches: dict[str, list[str]], program: str) -> None:
    found = [breach for breach in breaches[program] if "outlived" not in breach]
    assert found or (program == "daemons" and breaches[program])
