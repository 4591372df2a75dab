"""A server whose folders for temporary files are full: as root, and as an ordinary user."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from e2b import Template
from e2b_code_interpreter import Sandbox

from support.ordinary_user import ORDINARY_ID, as_ordinary_user
from support.privileges import needs_root
from support.sandbox_server import SandboxServer, wait_until

pytestmark = [pytest.mark.timeout(300), needs_root("mounts a small disk")]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Give a folder of 256 KiB and few files, for whoever wants it."""
    place = Path(tempfile.mkdtemp(dir="/tmp"))  # its sockets need a short path
    options = "size=256k,nr_inodes=64,mode=1777"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
        place.rmdir()


@contextlib.contextmanager
def filled(place: Path) -> Iterator[None]:
    """Leave neither bytes nor names in a folder."""
    fillers = []
    with contextlib.suppress(OSError):
        while True:
            fillers.append(place / f"filler-{len(fillers)}")
            with fillers[-1].open("wb", buffering=0) as file:
                file.write(b"\0" * 65536)
    with contextlib.suppress(OSError):
        while True:
            fillers.append(place / f"filler-{len(fillers)}")
            fillers[-1].touch(exist_ok=False)
    try:
        yield
    finally:
        for filler in fillers:
            filler.unlink(missing_ok=True)


@contextlib.contextmanager
def stopping(server: SandboxServer) -> Iterator[None]:
    """Stop a server that is started inside, also when something fails there."""
    try:
        yield
    finally:
        status = server.stop()
    assert status == 0


def test_a_full_tmp_costs_a_server_with_root_nothing(
    sandbox_server: SandboxServer, small: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("copied")
    server = SandboxServer(("--pool", "0"), environment={"TMPDIR": str(small)})
    with filled(small), stopping(server):
        server.start()
        with Sandbox.create("code-interpreter-v1", timeout=120, **server.sdk) as sandbox:
            assert sandbox.run_code("6 * 7").text == "42"
            sandbox.files.write("f", "kept")
            sandbox.pause(keep_memory=False)
            sandbox.connect(timeout=120)
            assert sandbox.files.read("f") == "kept"
        template = Template(file_context_path=str(tmp_path)).from_base_image().copy("file", "file")
        Template.build(template, "of-a-full-tmp", **server.sdk)
    assert not any(small.iterdir())
    assert "Traceback" not in "".join(server.log_lines)


def test_a_full_folder_for_sockets_is_told_and_costs_nobody_else(
    sandbox_server: SandboxServer, small: Path
) -> None:
    home = Path(tempfile.mkdtemp())
    wrapper = as_ordinary_user(home, Path(__file__).parents[2] / "src")
    os.chown(small, ORDINARY_ID, ORDINARY_ID)
    places = (f"XDG_RUNTIME_DIR={small}", f"TMPDIR={small}")
    arguments = ("--data", str(home), "--pool", "0")
    server = SandboxServer(arguments, wrapper=(*wrapper, *places))
    asked = {"templateID": "base", "timeout": 60}
    with (
        stopping(server),
        Sandbox.create("base", timeout=300, **server.start().sdk) as sandbox,
    ):
        headers = {"X-API-KEY": server.key}
        held = server.open_fds()
        with filled(small):
            for _ in range(3):
                reply = httpx.post(f"{server.url}/v2/sandboxes", json=asked, headers=headers)
                assert reply.status_code == 507, reply.text
                assert "No space left on device" in reply.text
            assert sandbox.commands.run("echo on").stdout == "on\n"
        wait_until(lambda: server.open_fds() <= held)
        assert Sandbox.create("base", timeout=60, **server.sdk).kill()
    assert "Traceback" not in "".join(server.log_lines)
