"""T-ARC: what hostile archives make of a server that takes them: builds, files, volumes."""

import gzip
import io
import os
import tarfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from e2b_code_interpreter import Sandbox

from support.images import entry, layer, link
from support.sandbox_server import SandboxServer

pytestmark = pytest.mark.timeout(600)
MIB = 1 << 20
MEMBER_MIB = 64
# Parts of one gzip stream may be joined: so a bomb is made of one part, as often as one likes.
ZEROS = gzip.compress(bytes(MEMBER_MIB * MIB), 9)
BUILD_MIB = 256
MEMORY_MIB_MAX = 256  # by which a server may grow meanwhile
Entries = Sequence[tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]]


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    server = SandboxServer(("--pool", "0", "--build-disk", str(BUILD_MIB))).start()
    yield server
    assert server.stop() == 0


@dataclass
class Building:
    """One build whose context is an archive of ours."""

    server: SandboxServer
    name: str

    def ask(self, method: str, path: str, **more: Any) -> Any:
        reply = httpx.request(
            method, f"{self.server.url}{path}", headers={"X-API-KEY": self.server.key}, **more
        )
        assert reply.is_success, reply.text
        return reply.json() if reply.content else None

    def run(self, archive: bytes, source: str = "a") -> dict[str, Any]:
        """Upload the archive, copy something out of it, and return the end's status."""
        ordered = self.ask("POST", "/v3/templates", json={"name": self.name})
        template, build = ordered["templateID"], ordered["buildID"]
        digest = os.urandom(32).hex()
        url = self.ask("GET", f"/templates/{template}/files/{digest}")["url"]
        assert httpx.put(url, content=archive, timeout=60).status_code == 200
        steps = [{"type": "COPY", "args": [source, "copied"], "filesHash": digest}]
        recipe = {"fromImage": "e2bdev/base", "steps": steps}
        self.ask("POST", f"/v2/templates/{template}/builds/{build}", json=recipe)
        until = time.monotonic() + 300
        while time.monotonic() < until:
            status = self.ask("GET", f"/templates/{template}/builds/{build}/status")
            if status["status"] in ("ready", "error"):
                return dict(status)
            time.sleep(0.1)
        raise AssertionError("the build does not end")


@pytest.fixture
def building(server: SandboxServer) -> Iterator[Building]:
    name = f"t-{uuid.uuid4().hex[:12]}"
    yield Building(server, name)
    httpx.delete(f"{server.url}/templates/{name}", headers={"X-API-KEY": server.key})


def disk_bytes(folder: Path) -> int:
    """Return what the files below a folder take on the disk."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))


def packed(entries: Entries, outside: Path) -> bytes:
    """Return an archive whose names lead to a folder of this machine."""
    for item in entries:
        info = item[0] if isinstance(item, tuple) else item
        info.name = info.name.format(outside=outside)
        info.linkname = info.linkname.format(outside=outside)
    return layer([entry("a", type=tarfile.DIRTYPE), *entries])


HOSTILE: dict[str, Entries] = {
    "link": [link("a/out", "{outside}"), (entry("a/out/planted"), b"x")],
    "link to a file": [link("a/out", "{outside}/secret"), (entry("a/out"), b"x")],
    "path": [(entry("a/../../../../../..{outside}/planted"), b"x")],
    "absolute path": [(entry("{outside}/planted"), b"x"), (entry("a/x"), b"x")],
    "proc": [link("a/up", "/proc/1/root"), (entry("a/up{outside}/planted"), b"x")],
    "hard link": [link("a/secret", "{outside}/secret", hard=True)],
    "hard link through a link": [
        link("a/out", "{outside}"), link("a/secret", "a/out/secret", hard=True)
    ],
    "disk": [entry("a/disk", type=tarfile.BLKTYPE, devmajor=254, devminor=0)],
    "memory": [entry("a/memory", type=tarfile.CHRTYPE, devmajor=1, devminor=1)],
    "set-user-id": [(entry("a/sh", mode=0o6755, uid=0, gid=0), b"#!/bin/sh")],
}  # fmt: skip


@pytest.mark.threat("T-ARC-1")
@pytest.mark.parametrize("kind", HOSTILE)
def test_no_entry_of_a_builds_archive_leads_outside(
    building: Building, tmp_path: Path, kind: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o777)
    (outside / "secret").write_text("kept-on-the-host")
    told = building.run(packed(HOSTILE[kind], outside))
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_text() == "kept-on-the-host"
    assert (outside / "secret").stat().st_nlink == 1
    data = building.server.own_data
    assert data is not None
    for folder in ("layers", "uploads"):
        kept = [path.lstat().st_mode >> 12 for path in (data / folder).rglob("*")]
        assert not {0o2, 0o6} & set(kept), "a device was made on this machine"
    if told["status"] != "ready":
        return
    with Sandbox.create(building.name, timeout=60, **building.server.sdk) as sandbox:
        look = "cd copied; ls -lR . 2>&1; head -c 99 -- * */* 2>/dev/null; [ ! -u sh ] || ./sh"
        assert "kept-on-the-host" not in sandbox.commands.run(f"{look}; true", user="root").stdout


@pytest.mark.threat("T-ARC-2")
def test_a_bomb_in_a_build_ends_at_its_sandboxs_disk_and_nobody_else_notices(
    building: Building,
) -> None:
    size = 32 << 30
    header = entry("a/zeros", size=size).tobuf(tarfile.GNU_FORMAT)
    bomb = gzip.compress(header) + ZEROS * (size // MEMBER_MIB // MIB)
    assert len(bomb) < 64 * MIB
    server = building.server
    assert server.own_data is not None
    memory, disk = server.memory_bytes(), disk_bytes(server.own_data / "layers")
    told = building.run(bomb)
    assert told["status"] == "error"
    assert "No space left on device" in told["reason"]["message"]
    assert server.memory_bytes() < memory + MEMORY_MIB_MAX * MIB
    assert disk_bytes(server.own_data / "layers") <= disk + MIB
    with Sandbox.create("base", timeout=60, **server.sdk) as sandbox:
        assert sandbox.commands.run("echo served").stdout == "served\n"


@pytest.mark.threat("T-ARC-2")
def test_a_file_of_holes_is_kept_as_holes(building: Building) -> None:
    if not building.server.has_cgroups:
        pytest.skip("no cgroups: no file is larger than its sandbox's memory")
    size = 1 << 40
    sparse = {"major": "1", "minor": "0", "name": "huge", "realsize": str(size)}
    holes = {f"GNU.sparse.{name}": value for name, value in sparse.items()}
    where = f"1\n{size}\n0\n".encode().ljust(512, b"\0")
    server = building.server
    assert server.own_data is not None
    archive = layer([(entry("huge", pax_headers=holes), where)])
    before = disk_bytes(server.own_data)
    assert building.run(archive, "huge")["status"] == "ready"
    assert disk_bytes(server.own_data) < before + 64 * MIB
    with Sandbox.create(building.name, timeout=60, **server.sdk) as sandbox:
        assert sandbox.commands.run("stat -c %s copied").stdout == f"{size}\n"


@pytest.mark.threat("T-ARC-2")
@pytest.mark.parametrize(
    "archive",
    [b"", b"\1" * 10_240, gzip.compress(b"x" * 10_240)[:-9], ZEROS[: len(ZEROS) // 2]],
    ids=["empty", "noise", "cut", "half a bomb"],
)
def test_what_is_no_archive_fails_its_build_alone(building: Building, archive: bytes) -> None:
    told = building.run(archive)
    assert told["status"] == "error"
    assert "failed to move files in sandbox" in told["reason"]["message"]


@pytest.mark.threat("T-ARC-3")
def test_a_compressed_body_unpacks_to_the_sandboxs_disk_and_no_further(
    server: SandboxServer,
) -> None:
    memory = server.memory_bytes()
    with Sandbox.create("base", timeout=120, **server.sdk) as sandbox:
        url = f"{server.url}/sandboxes/{sandbox.sandbox_id}"
        shown = httpx.get(url, headers={"X-API-KEY": server.key}).json()
        headers = {
            "E2b-Sandbox-Id": sandbox.sandbox_id,
            "X-Access-Token": shown["envdAccessToken"],
            "Content-Type": "application/octet-stream",
            "Content-Encoding": "gzip",
        }
        reply = httpx.post(
            f"{server.url}/files",
            params={"path": "bomb", "username": "user"},
            headers=headers,
            content=io.BytesIO(ZEROS * 256),  # 16 GiB
            timeout=300,
        )
        assert reply.status_code == 507, reply.text
        assert "no space left" in reply.text
        sandbox.files.remove("bomb")
        assert sandbox.commands.run("echo served").stdout == "served\n"
    assert server.memory_bytes() < memory + MEMORY_MIB_MAX * MIB


@pytest.mark.threat("T-ARC-3")
def test_a_volume_keeps_what_is_sent_as_it_is(server: SandboxServer) -> None:
    headers = {"X-API-KEY": server.key}
    name = f"v{uuid.uuid4().hex[:8]}"
    made = httpx.post(f"{server.url}/volumes", headers=headers, json={"name": name}).json()
    url = f"{server.url}/volumecontent/{made['volumeID']}/file"
    token = {"Authorization": f"Bearer {made['token']}"}
    sent = {**token, "Content-Encoding": "gzip"}
    reply = httpx.put(url, params={"path": "/bomb.gz"}, headers=sent, content=ZEROS)
    assert reply.is_success, reply.text
    kept = httpx.get(url, params={"path": "/bomb.gz"}, headers=token)
    assert kept.content == ZEROS
    httpx.delete(f"{server.url}/volumes/{made['volumeID']}", headers=headers)
