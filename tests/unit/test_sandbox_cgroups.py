"""Both versions of cgroups, on a folder that looks like one."""

import os
from pathlib import Path

import pytest

from capibara6_sandbox.isolation import cgroup_hierarchies, cgroups, cgroups_v1
from capibara6_sandbox.isolation.cgroup_hierarchies import find_cgroups
from capibara6_sandbox.isolation.cgroups import CPU_PERIOD_US, remove_group
from capibara6_sandbox.isolation.cgroups_v1 import CgroupsV1, CgroupV1
from capibara6_sandbox.isolation.cgroups_v2 import CgroupsV2, CgroupV2
from capibara6_sandbox.isolation.limits import MIB, CgroupUsage, Limits, Refusals

LIMITS = Limits(memory_bytes=64 * MIB, cpus=0.5, processes=9)


def write(folder: Path, **files: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")
    return folder


def read(path: Path) -> str:
    return path.read_text().strip()


def test_version_2_limits(tmp_path: Path) -> None:
    folder = write(tmp_path / "group", memory__swap__max="max", cpu__max__burst=0)
    CgroupV2(folder).set_limits(LIMITS)
    assert read(folder / "memory.max") == str(64 * MIB)
    assert read(folder / "memory.swap.max") == "0"
    assert read(folder / "pids.max") == "9"
    assert read(folder / "cpu.max") == f"{CPU_PERIOD_US // 2} {CPU_PERIOD_US}"
    assert read(folder / "cpu.max.burst") == str(CPU_PERIOD_US // 2)


def test_version_2_without_swap_and_burst(tmp_path: Path) -> None:
    folder = write(tmp_path / "group")
    CgroupV2(folder).set_limits(LIMITS)
    assert not (folder / "memory.swap.max").exists()
    assert not (folder / "cpu.max.burst").exists()


def test_version_2_usage(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "group",
        memory__current=5,
        memory__peak=7,
        cpu__stat="usage_usec 1500000\nuser_usec 1",
        pids__current=3,
        memory__events="low 0\noom 4\noom_kill 2\noom_group_kill 0",
        memory__stat="anon 1\nfile 4\nfile_mapped 2",
    )
    assert CgroupV2(folder).usage() == CgroupUsage(5, 7, 1.5, 3, 2, cache_bytes=4)


def test_version_2_counts_what_it_refuses(tmp_path: Path) -> None:
    folder = write(tmp_path / "group", memory__events="oom 4\noom_kill 2", pids__events="max 7")
    assert CgroupV2(folder).refusals() == Refusals(oom_kills=2, processes=7)


def test_version_2_kills_all_at_once_where_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []
    folder = write(tmp_path / "group", cgroup__procs="12\n13", pids__max=9, cgroup__kill="")

    def end(_: float) -> None:
        write(folder, cgroup__procs="")

    monkeypatch.setattr(cgroups.time, "sleep", end)
    monkeypatch.setattr(cgroups.os, "kill", lambda pid, _: killed.append(pid))
    CgroupV2(folder).end_processes()
    assert (read(folder / "cgroup.kill"), read(folder / "pids.max"), killed) == ("1", "0", [])
    (folder / "cgroup.kill").unlink()
    write(folder, cgroup__procs="12\n13")
    CgroupV2(folder).end_processes()
    assert killed == [12, 13]


def test_version_1_counts_what_it_refuses(tmp_path: Path) -> None:
    folders = version_1(tmp_path)
    write(folders["memory"], memory__oom_control="under_oom 0\noom_kill 3")
    write(folders["pids"], pids__events="max 5")
    assert CgroupV1(folders).refusals() == Refusals(oom_kills=3, processes=5)


def test_version_2_enables_controllers_on_the_way_down(tmp_path: Path) -> None:
    write(tmp_path, cgroup__subtree_control="cpu")
    server = tmp_path / "c6-1"
    write(server, cgroup__subtree_control="")
    groups = CgroupsV2(tmp_path, "c6-1")
    assert read(tmp_path / "cgroup.subtree_control") == "+memory +pids"
    assert read(server / "cgroup.subtree_control") == "+memory +pids +cpu"
    group = groups.create("sandbox", LIMITS)
    assert group.folders == [server / "sandbox"]
    with pytest.raises(FileExistsError):
        groups.create("sandbox", LIMITS)


def version_1(tmp_path: Path) -> dict[str, Path]:
    names = ("memory", "pids", "cpu", "cpuacct")
    return {name: write(tmp_path / name) for name in names}


def test_version_1_limits(tmp_path: Path) -> None:
    folders = version_1(tmp_path)
    write(folders["cpu"], cpu__cfs_burst_us=0)
    CgroupV1(folders).set_limits(LIMITS)
    assert read(folders["memory"] / "memory.limit_in_bytes") == str(64 * MIB)
    assert read(folders["pids"] / "pids.max") == "9"
    assert read(folders["cpu"] / "cpu.cfs_period_us") == str(CPU_PERIOD_US)
    assert read(folders["cpu"] / "cpu.cfs_quota_us") == str(CPU_PERIOD_US // 2)
    assert read(folders["cpu"] / "cpu.cfs_burst_us") == str(CPU_PERIOD_US // 2)


@pytest.mark.parametrize(
    ("before", "order"),
    [
        (2**63 - 4096, ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]),
        (1 * MIB, ["memory.memsw.limit_in_bytes", "memory.limit_in_bytes"]),
    ],
)
def test_version_1_keeps_memory_below_memory_with_swap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int, order: list[str]
) -> None:
    """The kernel refuses each step that would put the one limit above the other."""
    folders = version_1(tmp_path)
    write(folders["memory"], memory__memsw__limit_in_bytes=before)
    written: list[str] = []
    monkeypatch.setattr(cgroups_v1, "write_value", lambda folder, name, value: written.append(name))
    CgroupV1(folders).set_limits(LIMITS)
    assert [name for name in written if name.startswith("memory.")] == order


def test_version_1_usage(tmp_path: Path) -> None:
    folders = version_1(tmp_path)
    write(
        folders["memory"],
        memory__usage_in_bytes=5,
        memory__max_usage_in_bytes=7,
        memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 2",
        memory__stat="cache 4\nrss 1\ntotal_cache 4",
    )
    write(folders["cpuacct"], cpuacct__usage=1_500_000_000)
    write(folders["pids"], pids__current=3)
    assert CgroupV1(folders).usage() == CgroupUsage(5, 7, 1.5, 3, 2, cache_bytes=4)


def test_version_1_counts_a_shared_folder_once(tmp_path: Path) -> None:
    parents = dict.fromkeys(("memory", "pids", "cpu"), tmp_path / "all")
    groups = CgroupsV1(parents, "c6-1")
    assert groups.roots == [tmp_path / "all/c6-1"]
    assert groups.create("sandbox", LIMITS).folders == [tmp_path / "all/c6-1/sandbox"]


def test_a_group_that_gets_no_limits_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("invalid argument")

    groups = CgroupsV1({name: tmp_path / name for name in ("memory", "pids", "cpu")}, "c6-1")
    monkeypatch.setattr(cgroups_v1, "write_value", refuse)
    with pytest.raises(OSError, match="invalid"):
        groups.create("sandbox", LIMITS)
    assert list(tmp_path.rglob("sandbox")) == []


def test_joining_is_writing_to_open_files(tmp_path: Path) -> None:
    folders = version_1(tmp_path)
    for folder in folders.values():
        write(folder, cgroup__procs="12\n34", tasks="")
    group = CgroupV1(folders)
    assert group.processes() == [12, 34]
    joins = group.open_procs()
    assert len(joins) == 4
    for fd in joins:
        os.write(fd, b"0")
        os.close(fd)
    assert read(folders["pids"] / "tasks").startswith("0")


def test_removal_goes_from_the_leaves_up_and_may_be_repeated(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a/b").mkdir(parents=True)
    remove_group(root)
    assert not root.exists()
    remove_group(root)


def test_a_group_that_stays_in_use_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "_REMOVE_PAUSE_S", 0)
    busy = write(tmp_path / "busy", holds_it="x")
    with pytest.raises(OSError, match="not empty"):
        remove_group(busy)


def test_a_machine_without_hierarchies_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cgroup_hierarchies, "_own_groups", lambda: {"": "/"})
    monkeypatch.setattr(cgroup_hierarchies, "_mounted", lambda kind: {})
    with pytest.raises(OSError, match="memory, pids, cpu"):
        find_cgroups("c6-1")


def test_a_unified_hierarchy_without_controllers_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Hybrid machines mount an empty version 2 beside version 1."""
    unified = write(tmp_path / "unified", cgroup__controllers="")
    mounts = {"cgroup2": {"": unified}, "cgroup": version_1(tmp_path)}
    monkeypatch.setattr(cgroup_hierarchies, "_own_groups", lambda: {"": "/", "memory": "/no/such"})
    monkeypatch.setattr(cgroup_hierarchies, "_mounted", mounts.__getitem__)
    found = find_cgroups("c6-1")
    assert found.version == 1
    assert {root.parent.name for root in found.roots} == {"memory", "pids", "cpu", "cpuacct"}
    found.close()
    assert [root for root in found.roots if root.exists()] == []
