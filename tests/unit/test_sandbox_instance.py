"""What dead servers left behind is found and removed; what living ones hold is not touched."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from capibara6_sandbox.host import instance
from capibara6_sandbox.host.instance import Instance, clean_up_after_dead, run_folder
from capibara6_sandbox.isolation.cgroups import Cgroups


class FolderGroups:
    """Groups of a dead server, as a folder with the ids of their processes."""

    def __init__(self, root: Path) -> None:
        self.roots = [root]


@pytest.fixture(autouse=True)
def no_cgroups(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> Cgroups:
        raise OSError(f"no cgroups for {name} in this test")

    monkeypatch.setattr(instance, "find_cgroups", find)


def left_behind(parent: Path) -> Path:
    folder = parent / "c6-dead"
    (folder / "view").mkdir(parents=True)
    (folder / "lock").touch()
    (folder / "some.sock").touch()
    return folder


def test_a_dead_servers_folder_is_removed_and_logged(tmp_path: Path) -> None:
    folder, lines = left_behind(tmp_path), list[str]()
    assert clean_up_after_dead(tmp_path, lines.append) == 1
    assert not folder.exists()
    assert len(lines) == 1
    assert "c6-dead" in lines[0]
    assert clean_up_after_dead(tmp_path, lines.append) == 0


def test_a_living_servers_folder_stays(tmp_path: Path) -> None:
    living = Instance(tmp_path)
    try:
        assert clean_up_after_dead(tmp_path, print) == 0
        assert living.folder.exists()
    finally:
        living.close()
    living.close()
    assert not living.folder.exists()


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from capibara6_sandbox.host.instance import Instance
instance = Instance(Path(sys.argv[1]))
print(instance.name, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    source = str(Path(__file__).parents[2] / "src")
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
    )
    name = ended.stdout.strip()
    assert (tmp_path / name).exists()
    assert clean_up_after_dead(tmp_path, lambda line: None) == 1
    assert not (tmp_path / name).exists()


def test_other_folders_are_not_ours(tmp_path: Path) -> None:
    for name in ("other", "6c-lock"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "lock").touch()
    assert clean_up_after_dead(tmp_path, print) == 0
    assert (tmp_path / "other").exists()
    assert (tmp_path / "6c-lock").exists()


def test_a_folder_without_lock_is_of_a_server_killed_while_it_was_made(tmp_path: Path) -> None:
    (tmp_path / "c6-0123abcd").mkdir()
    assert clean_up_after_dead(tmp_path, print) == 1
    assert not (tmp_path / "c6-0123abcd").exists()


def test_a_group_that_is_removed_meanwhile_is_no_hindrance(tmp_path: Path) -> None:
    assert instance._members(tmp_path / "gone/cgroup.procs") == []


def test_processes_in_a_dead_servers_groups_are_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_behind(tmp_path)
    orphan = subprocess.Popen(["sleep", "1000"])
    group = tmp_path / "cgroup/c6-dead"
    (group / "sandbox").mkdir(parents=True)
    (group / "sandbox/cgroup.procs").write_text(f"{orphan.pid}\n")
    removed: list[Path] = []
    monkeypatch.setattr(instance, "find_cgroups", lambda name: FolderGroups(group))
    monkeypatch.setattr(instance, "remove_group", removed.append)
    clean_up_after_dead(tmp_path, lambda line: None)
    assert orphan.wait(10) == -9
    assert removed == [group]


def test_a_run_folder_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(instance.os, "geteuid", lambda: 12345)
    with pytest.raises(OSError, match="belongs to user"):
        run_folder()


def test_a_link_in_place_of_the_run_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "capibara6").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(instance.os, "geteuid", lambda: os.getuid() or 12345)
    with pytest.raises(OSError, match="belongs to user"):
        run_folder()


def test_groups_are_found_where_their_server_wrote_them_down(tmp_path: Path) -> None:
    folder = left_behind(tmp_path)
    group = tmp_path / "elsewhere" / folder.name
    (group / "sandbox").mkdir(parents=True)
    other = tmp_path / "other"
    other.mkdir()
    (folder / "groups").write_text(f"{group}\n{other}\n")
    assert clean_up_after_dead(tmp_path, print) == 1
    assert not group.exists()
    assert other.exists()
