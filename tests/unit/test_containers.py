"""How container runtimes are told what to run; no runtime is started."""

import json
from dataclasses import replace

import pytest

from capibara6_sandbox.host.isolations import Isolations, group_limits
from capibara6_sandbox.isolation import runtimes
from capibara6_sandbox.isolation.oci import Container, Folder, build_config
from capibara6_sandbox.isolation.runtimes import KNOWN, NAMESPACES, find_runtime, is_container
from capibara6_sandbox.templates.catalog import TEMPLATES

CONTAINER = Container(
    root="/root",
    host_name="abc",
    arguments=("/usr/bin/python3", "-c", "pass"),
    environment=("A=1",),
    shm_bytes=1024,
    open_files=(256, 1024),
    folders=(Folder("/a", "/b"), Folder("/c", "/d", read_only=True)),
)


@pytest.fixture
def everything_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes.shutil, "which", lambda name, path: f"/usr/bin/{name}")


def test_the_description_is_json_with_what_was_asked_for() -> None:
    config = json.loads(json.dumps(build_config(CONTAINER)))
    assert config["root"] == {"path": "/root", "readonly": False}
    assert config["hostname"] == "abc"
    assert config["process"]["args"] == ["/usr/bin/python3", "-c", "pass"]
    mounts = {mount["destination"]: mount for mount in config["mounts"]}
    assert "size=1024" in mounts["/dev/shm"]["options"]
    assert mounts["/b"]["options"][-1] == "rw"
    assert mounts["/d"]["options"][-1] == "ro"


def test_no_container_gains_privileges_or_keeps_those_of_the_machine() -> None:
    process = build_config(CONTAINER)["process"]
    assert process["noNewPrivileges"] is True
    for names in process["capabilities"].values():
        assert not {"CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_NET_RAW"} & set(names)
    assert {limit["type"]: limit["hard"] for limit in process["rlimits"]}["RLIMIT_CORE"] == 0


def test_namespaces_that_the_supervisor_has_made_are_not_made_again() -> None:
    kinds = {namespace["type"] for namespace in build_config(CONTAINER)["linux"]["namespaces"]}
    assert kinds == {"pid", "mount", "ipc", "uts"}


def test_a_command_names_its_state_and_verb() -> None:
    words = KNOWN["gvisor"].command("/state", "pause", "id")
    assert words[:3] == ["runsc", "--root", "/state"]
    assert words[-2:] == ["pause", "id"]
    assert "--platform=ptrace" in words


def test_an_unknown_runtime_is_called_by_its_name() -> None:
    assert find_runtime("youki").command("/s", "state", "i") == [
        "youki", "--root", "/s", "state", "i",
    ]  # fmt: skip


def test_only_runtimes_make_containers() -> None:
    assert [is_container(name) for name in ("", NAMESPACES, "gvisor")] == [False, False, True]


@pytest.mark.usefixtures("everything_installed")
def test_isolation_is_chosen_for_all_or_by_template() -> None:
    settings = Isolations.parse(["crun", "base=gvisor"])
    assert settings.settle(TEMPLATES["base"]).isolation == "gvisor"
    paused = settings.settle(settings.settle(TEMPLATES["default"]))
    assert paused.isolation == "crun"
    assert Isolations().settle(paused).isolation == "crun"  # what was paused keeps it
    assert Isolations().settle(TEMPLATES["base"]).isolation == NAMESPACES


def test_a_group_counts_what_a_runtime_takes_of_its_own() -> None:
    plain = TEMPLATES["base"]
    assert group_limits(plain) == plain.limits
    walled = group_limits(replace(plain, isolation="gvisor"))
    assert walled.processes == plain.limits.processes * KNOWN["gvisor"].host_tasks
    assert walled.memory_bytes == plain.limits.memory_bytes


@pytest.mark.parametrize("word", ["no-such-runtime-here", "base=", "=gvisor", ""])
def test_what_cannot_be_is_refused_with_its_word(
    word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"runsc": "/usr/bin/runsc"}
    monkeypatch.setattr(runtimes.shutil, "which", lambda name, path: found.get(name))
    with pytest.raises(ValueError, match=repr(word)):
        Isolations.parse([word])
