"""T-FS: a sandbox sees and changes its own files only, by whatever way."""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from e2b.exceptions import FileNotFoundException, SandboxException
from e2b_code_interpreter import Sandbox

from support.sandbox_server import SandboxServer

SECRET = "only for the host"
ROOT_NAMES = {
    "bin", "sbin", "lib", "lib32", "lib64", "libx32", "dev", "etc", "home", "mnt", "opt", "proc",
    "root", "run", "srv", "sys", "tmp", "usr", "var",
}  # fmt: skip
DEVICES = {
    "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty",
    "urandom", "zero",
}  # fmt: skip


@pytest.fixture
def secret(tmp_path: Path) -> Iterator[Path]:
    """A file of the host that all its users may read."""
    path = tmp_path / "secret.txt"
    path.write_text(SECRET)
    path.chmod(0o644)
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & stat.S_IXOTH and folder.stat().st_uid == os.getuid():
            folder.chmod(folder.stat().st_mode | 0o711)
    assert path.read_text() == SECRET
    return path


@pytest.mark.threat("T-FS-1")
def test_files_of_the_host_are_not_there(value_as: Callable[[str], Any], secret: Path) -> None:
    code = f"import os\n[os.path.exists(p) for p in ({str(secret)!r}, {str(secret.parent)!r})]"
    assert value_as(code) == [False, False]


@pytest.mark.threat("T-FS-1")
def test_the_root_holds_what_is_needed_and_no_more(
    value: Callable[[str], Any], sandbox_server: SandboxServer
) -> None:
    names = set(value("import os\nos.listdir('/')"))
    prefix = Path(os.path.realpath(sys.base_prefix)).parts[1]  # where the host's Python lies
    assert names <= ROOT_NAMES | {prefix}
    assert value("import os\nos.listdir('/home')") == ["user"]
    assert value("import os\nos.listdir('/sys')") == []
    run = str(sandbox_server.run_folder())
    assert value(f"import os\nos.path.exists({run!r})") is False


@pytest.mark.threat("T-FS-1")
@pytest.mark.parametrize(
    "way", ["/proc/1/root", "/proc/self/root", "/proc/1/cwd", "/proc/2/cwd/.."]
)
def test_no_way_through_proc_leads_to_the_host(
    value_as: Callable[[str], Any], secret: Path, way: str
) -> None:
    code = f"import os\nos.path.exists({way + str(secret)!r})"
    assert value_as(code) is False


@pytest.mark.threat("T-FS-1")
def test_accounts_of_the_host_are_not_shown(value: Callable[[str], Any]) -> None:
    names = "sorted(line.split(':')[0] for line in open('/etc/passwd'))"
    assert value(names) == ["daemon", "nobody", "root", "user"]
    assert value("import os\nos.path.exists('/etc/shadow')") is False


@pytest.mark.threat("T-FS-2")
@pytest.mark.parametrize(
    "path",
    [
        "/usr/bin/planted",
        "/usr/bin/env",
        "/bin/sh",
        "/proc/sys/kernel/hostname",
        "/proc/sys/kernel/core_pattern",
        "/proc/sysrq-trigger",
        "/dev/planted",
        "/opt/capibara6/capibara6_guest/agent.py",
        "/opt/capibara6/capibara6_guest/planted.py",
    ],
)
def test_what_all_sandboxes_share_cannot_be_written(
    value_as: Callable[[str], Any], path: str
) -> None:
    code = f"""
def attempt():
    try:
        open({path!r}, "r+b" if __import__("os").path.exists({path!r}) else "wb").write(b"x")
    except OSError as failure:
        return type(failure).__name__
    return "written"
attempt()
"""
    assert value_as(code) in ("OSError", "PermissionError", "FileNotFoundError")


@pytest.mark.threat("T-FS-2")
def test_a_changed_template_is_changed_for_one_sandbox_only(
    sandbox_server: SandboxServer, sandbox: Sandbox
) -> None:
    folder = "/opt/venv/lib/python3*/site-packages"
    sandbox.commands.run(f"touch $(echo {folder})/planted.py")
    other = Sandbox.create(**sandbox_server.sdk)
    try:
        found = f"ls {folder} | grep -c planted || true"
        assert sandbox.commands.run(found).stdout == "1\n"
        assert other.commands.run(found).stdout == "0\n"
    finally:
        other.kill()


@pytest.mark.threat("T-FS-3")
@pytest.mark.parametrize(
    "prefix", ["../../../../../..", "/..", "/home/user/../../..", "/proc/self/root"]
)
def test_paths_of_the_files_api_stay_inside(sandbox: Sandbox, secret: Path, prefix: str) -> None:
    with pytest.raises(FileNotFoundException):
        sandbox.files.read(f"{prefix}{secret}", user="root")
    assert sandbox.files.exists(f"{prefix}/etc/hostname", user="root")
    assert sandbox.files.read(f"{prefix}/etc/hostname").strip() == sandbox.sandbox_id


@pytest.mark.threat("T-FS-3")
def test_writing_by_a_path_of_the_host_writes_inside(sandbox: Sandbox, secret: Path) -> None:
    sandbox.files.write(f"../../../../..{secret}", "from inside", user="root")
    assert secret.read_text() == SECRET
    assert sandbox.files.read(str(secret), user="root") == "from inside"


@pytest.mark.threat("T-FS-4")
def test_links_are_followed_inside(sandbox: Sandbox, secret: Path) -> None:
    sandbox.commands.run(f"ln -s {secret} /home/user/link; ln -s {secret.parent} /home/user/folder")
    sandbox.commands.run(f"rm -rf {secret.parent}", user="root")
    for path in ("link", f"folder/{secret.name}"):
        with pytest.raises(FileNotFoundException):
            sandbox.files.read(path)
    with pytest.raises((FileNotFoundException, SandboxException)):
        sandbox.files.list("folder")
    sandbox.files.remove("folder")
    assert secret.read_text() == SECRET


@pytest.mark.threat("T-FS-5")
def test_sandboxes_do_not_see_each_others_files(
    sandbox_server: SandboxServer, sandbox: Sandbox
) -> None:
    other = Sandbox.create(**sandbox_server.sdk)
    try:
        for path in ("/home/user/mine", "/tmp/mine", "/dev/shm/mine"):
            sandbox.run_code(f"open({path!r}, 'w').write('mine')")
            assert sandbox.files.exists(path)
            assert not other.files.exists(path, user="root")
    finally:
        other.kill()


@pytest.mark.threat("T-FS-6")
def test_device_nodes_cannot_be_made(value_as: Callable[[str], Any]) -> None:
    code = """
import os, stat
def attempt(kind, major, minor):
    try:
        os.mknod("/tmp/node", kind | 0o666, os.makedev(major, minor))
    except OSError as failure:
        return type(failure).__name__
    return "made"
[attempt(stat.S_IFCHR, 1, 1), attempt(stat.S_IFBLK, 254, 0), attempt(stat.S_IFBLK, 8, 0)]
"""
    assert value_as(code) == ["PermissionError"] * 3


@pytest.mark.threat("T-FS-6")
def test_only_harmless_devices_are_there(value: Callable[[str], Any]) -> None:
    assert value("import os\nset(os.listdir('/dev'))") == DEVICES


@pytest.mark.threat("T-FS-7")
def test_set_user_id_gives_nothing(sandbox: Sandbox) -> None:
    sandbox.commands.run("cp /usr/bin/id /tmp/id && chmod 4755 /tmp/id", user="root")
    assert sandbox.commands.run("/tmp/id -un").stdout == "user\n"
