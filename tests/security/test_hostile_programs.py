"""Every hostile program of `doctor --attack` is contained, with a server of root's and of a user's.

Each runs in a sandbox of its own, and is judged from outside of it (`capibara6_sandbox.attack`).
"""

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from capibara6_sandbox.attack.decoys import Decoys
from capibara6_sandbox.attack.programs import Program, programs
from capibara6_sandbox.attack.provider import Provider
from capibara6_sandbox.attack.runner import Attack
from capibara6_sandbox.attack.settings import Settings
from capibara6_sandbox.attack.verdicts import Verdict
from support.ordinary_user import as_ordinary_user
from support.sandbox_server import CANARY, SandboxServer

ALL_S = 300
# Promises that these programs alone hold the server to; the others have tests of their own too.
OWN = {
    "T-HOG-1": pytest.mark.threat("T-HOG-1"),
    "T-HOG-2": pytest.mark.threat("T-HOG-2"),
}
PROGRAMS = [
    pytest.param(program, id=program.id, marks=pytest.mark.threat(program.promise))
    for program in programs()
]


class Attacker:
    """Runs programs one at a time."""

    def __init__(self, attack: Attack, runner: asyncio.Runner) -> None:
        self._attack = attack
        self._runner = runner

    def run(self, program: Program) -> Verdict:
        return self._runner.run(self._attack.run(program))


@pytest.fixture(scope="module")
def attacker(sandbox_server: SandboxServer, tmp_path_factory: Any) -> Iterator[Attacker]:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    decoys = Decoys(folder)
    secrets = {"environment of the server": CANARY, "key of the server": sandbox_server.key}
    provider = Provider(sandbox_server.sdk, secrets, sandbox_server.process.pid)
    attack = Attack(provider, "base", decoys, Settings(()), programs())
    with asyncio.Runner() as runner:
        entered = attack.prepared()
        yield Attacker(runner.run(entered.__aenter__()), runner)
        runner.run(entered.__aexit__(None, None, None))
    decoys.close()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def verdicts_of_a_user() -> dict[str, dict[str, Any]]:
    """What the command says when an ordinary user gives it."""
    home = Path(tempfile.mkdtemp())
    command = (sys.executable, "-m", "capibara6_sandbox", "doctor", "--attack", "--json")
    source = str(Path(__file__).parents[2] / "src")
    done = subprocess.run(
        [*as_ordinary_user(home), f"PYTHONPATH={source}", *command, "--attack-seconds", str(ALL_S)],
        capture_output=True,
        text=True,
        check=False,
    )
    shutil.rmtree(home)
    assert done.stdout.startswith("{"), done.stderr
    found = json.loads(done.stdout)
    assert found["contained"] is (done.returncode == 0)
    return {program["id"]: program for program in found["programs"]}


@pytest.mark.parametrize("program", PROGRAMS)
def test_contained(attacker: Attacker, program: Program) -> None:
    verdict = attacker.run(program)
    if verdict.skipped:
        pytest.skip(verdict.skipped)
    assert verdict.breaches == ()


@pytest.mark.timeout(ALL_S + 60)
@pytest.mark.parametrize("program", PROGRAMS)
def test_contained_by_the_server_of_an_ordinary_user(
    verdicts_of_a_user: dict[str, dict[str, Any]], program: Program
) -> None:
    verdict = verdicts_of_a_user[program.id]
    if verdict["skipped"]:
        pytest.skip(verdict["skipped"])
    assert verdict["breaches"] == []
