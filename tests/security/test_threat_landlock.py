"""T-LAND: Landlock holds by itself, as root and with no other wall in place."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from e2b_code_interpreter import Sandbox

from capibara6_sandbox.isolation import landlock, linux, mounts
from support.privileges import needs_root

needs_landlock = pytest.mark.skipif(
    landlock.offered_abi() < landlock.ABI_NEEDED, reason="this kernel offers no Landlock"
)


def alone(restrict: Callable[[], object], attempt: Callable[[], Any]) -> Any:
    """Return what `attempt` returns in a process with a mount namespace and this one wall."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        answer: Any = "it failed"
        try:
            if os.geteuid() == 0:
                linux.unshare(linux.CLONE_NEWNS)
            restrict()
            answer = attempt()
        finally:
            os.write(writing, json.dumps(answer).encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = json.loads(pipe.read())
    os.waitpid(pid, 0)
    return answer


def error(action: Callable[[], object]) -> str:
    try:
        action()
    except OSError as failure:
        return errno.errorcode[failure.errno or 0]
    return ""


@needs_landlock
@needs_root("without root there is nothing to refuse")
@pytest.mark.threat("T-LAND-1")
def test_root_behind_it_mounts_nothing_and_makes_no_device(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "one/file").write_text("1")

    def attempt() -> list[str]:
        return [
            error(lambda: mounts.mount("none", str(tmp_path), "tmpfs")),
            error(lambda: mounts.mount("/usr", str(tmp_path), None, mounts.MS_BIND)),
            error(lambda: mounts.umount("/proc", mounts.MNT_DETACH)),
            error(lambda: os.mknod(tmp_path / "null", 0o020666, os.makedev(1, 3))),
            error(lambda: os.mknod(tmp_path / "disk", 0o060666, os.makedev(7, 0))),
            error(lambda: os.mkfifo(tmp_path / "pipe")),
            error(lambda: os.rename(tmp_path / "one/file", tmp_path / "other/file")),
            error(lambda: os.link(tmp_path / "other/file", tmp_path / "one/again")),
        ]

    refused = ["EPERM", "EPERM", "EPERM", "EACCES", "EACCES", "", "", ""]
    assert alone(lambda: landlock.restrict_to("/"), attempt) == refused


@needs_landlock
@pytest.mark.threat("T-LAND-1")
def test_what_renounces_files_opens_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("1")

    def attempt() -> list[str]:
        return [
            error(lambda: os.open(tmp_path / "file", os.O_RDONLY)),
            error(lambda: os.open(tmp_path / "new", os.O_WRONLY | os.O_CREAT)),
            error(lambda: os.unlink(tmp_path / "file")),
            error(lambda: os.listdir("/")),
            error(lambda: os.execv("/bin/true", ["true"])),
            error(lambda: os.close(os.memfd_create("x"))),
        ]

    refused = ["EACCES", "EACCES", "EACCES", "EACCES", "EACCES", ""]
    assert alone(landlock.renounce_files, attempt) == refused


@needs_landlock
@pytest.mark.threat("T-LAND-2")
def test_programs_cannot_look_into_kernels_that_others_started(sandbox: Sandbox) -> None:
    pid = sandbox.run_code("import os\nos.getpid()").text
    look = f"cd /proc/{pid} && for f in environ mem maps; do head -c 1 $f 2>&1 >/dev/null; done"
    shown = sandbox.commands.run(
        f"exec 2>&1; {look}; readlink -v fd/0; ls cwd/ root/ exe; true"
    ).stdout
    assert shown.count("ermission denied") == 7
    own = sandbox.commands.run(
        "sleep 60 >/dev/null 2>&1 & head -c 0 /proc/$!/environ /proc/$!/maps && echo seen; kill $!"
    )
    assert own.stdout.endswith("seen\n")
