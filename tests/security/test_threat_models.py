"""T-LOC: what code in the process that holds a local model can do, tried behind its very walls."""

import json
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from capibara6_sandbox.isolation import landlock
from support.hostile_model import MIB
from support.ordinary_user import ORDINARY_ID, as_ordinary_user

SUPPORT = Path(__file__).parents[1] / "support"
INSIDE = Path(__file__).parents[2] / "src/capibara6/local_models/inside"
DATA_BYTES = 500 * MIB
CONTENT = "the user's own"
REFUSALS = {"EPERM", "EACCES", "ENOMEM", "MemoryError"}

pytestmark = [
    pytest.mark.skipif(landlock.offered_abi() < 1, reason="this kernel offers no Landlock"),
    pytest.mark.skipif(
        platform.machine() not in ("x86_64", "aarch64"), reason="no seccomp table for this machine"
    ),
]


@dataclass
class Attempted:
    """What a hostile model tried, and what it was tried on."""

    walls: list[str]
    outcomes: dict[str, str]
    folder: Path
    victim: "subprocess.Popen[bytes]"
    neighbour: socket.socket
    as_root: bool

    def against(self, what: str) -> dict[str, str]:
        """The attempts against something that came through; "" is what they got."""
        found = {k: v for k, v in self.outcomes.items() if k.split()[0] == what}
        assert found
        return {k: v for k, v in found.items() if v not in REFUSALS}


@pytest.fixture(scope="module", params=["root", "ordinary user"])
def attempted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Attempted]:
    """All attempts of a process of root's, and of an ordinary user's."""
    am_root, as_root = os.geteuid() == 0, request.param == "root"
    if as_root and not am_root:
        pytest.skip("needs root: to try what root could do there")
    user = ORDINARY_ID if am_root and not as_root else os.geteuid()
    folder = _filled(tmp_path_factory.mktemp("home"), user)
    empty = tmp_path_factory.mktemp("user")
    prefix = () if as_root else as_ordinary_user(empty, SUPPORT, INSIDE, folder)
    victim = subprocess.Popen(["sleep", "600"], user=user)
    with (
        socket.create_server(("127.0.0.1", 0)) as neighbour,
        socket.create_server(("127.0.0.1", 0)) as own,
        socket.socket(socket.AF_UNIX) as service,
    ):
        service.bind(str(folder / "service"))
        os.chown(folder / "service", user, -1)
        service.listen()
        order = {
            "port": neighbour.getsockname()[1],
            "listener": own.fileno(),
            "socket": str(folder / "service"),
            "victim": victim.pid,
            "folder": str(folder),
            "too_much": DATA_BYTES + 64 * MIB,
            "data_bytes": DATA_BYTES,
            "threads": 1,
            **{name: str(folder / name) for name in ("file", "model", "secret")},
        }
        told = _told([*prefix, sys.executable, "-I", str(SUPPORT / "hostile_model.py")], order)
        walls = told.pop("walls")
        assert set(walls) >= {"limits", "landlock", "seccomp"}
        neighbour.setblocking(False)
        yield Attempted(walls, told, folder, victim, neighbour, as_root)
    victim.kill()
    victim.wait()


def _filled(folder: Path, user: int) -> Path:
    for name in ("file", "model", "secret"):
        (folder / name).write_text(CONTENT)
        (folder / name).chmod(0o600)
    for path in (folder, *folder.iterdir()):
        os.chown(path, user, -1)
    return folder


def _told(command: list[str], order: dict[str, Any]) -> dict[str, Any]:
    process = subprocess.run(
        [*command, str(INSIDE), json.dumps(order)],
        pass_fds=[order["listener"]],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    told: dict[str, Any] = json.loads(process.stdout)
    return told


@pytest.mark.threat("T-LOC-1")
def test_it_reaches_no_network_and_no_other_service(attempted: Attempted) -> None:
    assert attempted.against("network") == {}
    assert ("network namespace" in attempted.walls) == attempted.as_root
    attempted.neighbour.accept()[0].close()  # before the walls stood
    with pytest.raises(BlockingIOError):
        attempted.neighbour.accept()


@pytest.mark.threat("T-LOC-2")
def test_it_changes_no_file(attempted: Attempted) -> None:
    assert attempted.against("write") == {}
    names = {path.name for path in attempted.folder.iterdir()}
    assert names == {"file", "model", "secret", "service"}
    for name in ("file", "model"):
        file = attempted.folder / name
        assert file.read_text() == CONTENT
        assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.threat("T-LOC-2")
def test_it_reads_no_secret_of_the_data_folder_or_of_the_host(attempted: Attempted) -> None:
    assert attempted.against("read") == {}


@pytest.mark.threat("T-LOC-3")
def test_it_runs_no_program_and_reaches_no_other_process(attempted: Attempted) -> None:
    assert attempted.against("run") == {}
    assert attempted.against("processes") == {}
    assert attempted.victim.poll() is None
    limits = Path(f"/proc/{attempted.victim.pid}/limits").read_text().splitlines()
    assert next(line for line in limits if line.startswith("Max cpu time")).split()[3] != "1"


@pytest.mark.threat("T-LOC-4")
def test_it_takes_no_more_memory_than_it_may(attempted: Attempted) -> None:
    assert attempted.against("memory") == {}
    assert attempted.against("limits") == {}
