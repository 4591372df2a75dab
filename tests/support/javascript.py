"""E2B's published JS SDK and CLI: installed from a lock file, run by Node.js."""

import functools
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from support.cache import cached

INSTALL_TIMEOUT_S = 300.0
SCRIPT_TIMEOUT_S = 110.0


@functools.cache
def program(name: str) -> str:
    """Return the path of node or npm: the template's pinned one, else the machine's; or skip."""
    template = Path(os.environ.get("TEMPLATE_PYTHON", "/nowhere")).parent
    found = shutil.which(name, path=f"{template}:{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"needs {name}: make extras, or make test, which uses the template's")
    return found


def installed(packages: Path) -> Path:
    """Return a folder with what the lock file in `packages` names; install it the first time."""
    lock = (packages / "package-lock.json").read_bytes()
    return cached(f"js-{hashlib.sha256(lock).hexdigest()[:12]}", partial(_install, packages))


def _install(packages: Path, folder: Path) -> None:
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(packages / name, folder)
    subprocess.run(
        [program("npm"), "ci", "--ignore-scripts"],
        cwd=folder,
        env=_environment(),
        check=True,
        timeout=INSTALL_TIMEOUT_S,
    )


@dataclass(frozen=True)
class Outcome:
    """How a test of `node:test` went."""

    failure: str  # an empty text if it passed
    calls: frozenset[str]  # what the script `calls.mjs` beside it, if there is one, has noted


def outcomes(script: Path, packages: Path, server: dict[str, str]) -> dict[str, Outcome]:
    """Run a script of `node:test` beside installed packages; return how each of its tests went."""
    with tempfile.TemporaryDirectory() as folder:
        for source in script.parent.glob("*.mjs"):
            shutil.copy(source, folder)
        Path(folder, "node_modules").symlink_to(packages / "node_modules")
        noted = Path(folder, "calls.json")
        notes = ("--import", "./calls.mjs") if Path(folder, "calls.mjs").exists() else ()
        ended = subprocess.run(
            [program("node"), *notes, "--test-reporter=junit", script.name],
            cwd=folder,
            env=_environment() | server | {"HOME": folder, "E2B_TEST_CALLS": str(noted)},
            capture_output=True,
            text=True,
            timeout=SCRIPT_TIMEOUT_S,
            check=False,
        )
        calls = json.loads(noted.read_text()) if noted.exists() else {}
    failures = _parsed(ended.stdout, ended.stderr)
    return {
        name: Outcome(failure, frozenset(calls.get(name, ()))) for name, failure in failures.items()
    }


def _environment() -> dict[str, str]:
    """Node.js first in PATH, and nothing of E2B's but what a test gives."""
    kept: dict[str, Any] = {k: v for k, v in os.environ.items() if not k.startswith("E2B_")}
    return kept | {"PATH": f"{Path(program('node')).parent}:{os.environ['PATH']}"}


def _parsed(report: str, complaint: str) -> dict[str, str]:
    try:
        cases = ElementTree.fromstring(report).iter("testcase")
    except ElementTree.ParseError:
        raise AssertionError(f"no report of tests but {report[-1000:]!r}; {complaint}") from None
    return {str(case.get("name")): _failure(case) for case in cases}


def _failure(case: ElementTree.Element) -> str:
    failure = case.find("failure")
    return "" if failure is None else (failure.text or failure.get("message") or "failed")
