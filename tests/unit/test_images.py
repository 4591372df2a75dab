"""Layers of images by the rules of the OCI specification, and names and logins of registries."""

import base64
import io
import json
import os
from pathlib import Path

import pytest

from capibara6_guest.unpacking import ImageError, Unpacking
from capibara6_sandbox.host.builds.pulling import _explain, _variables
from capibara6_sandbox.host.builds.registries import (
    GoogleKey,
    ImageName,
    ImageRefusedError,
    Password,
    RegistrySettings,
    check_registry,
    login,
)
from support.images import entry, folder, layer, link


def unpack(root: Path, *entries: object) -> dict[str, int]:
    return Unpacking(str(root)).run(io.BytesIO(layer(entries)))  # type: ignore[arg-type]


def seen(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_entries_replace_and_whiteouts_remove_what_was_there(tmp_path: Path) -> None:
    unpack(tmp_path, folder("d"), (entry("d/a"), b"1"), (entry("d/b"), b"2"), (entry("f"), b"3"))
    unpack(tmp_path, entry("d/.wh.a"), (entry("d/b"), b"new"), folder("f"), (entry("f/x"), b"4"))
    assert seen(tmp_path) == ["d", "d/b", "f", "f/x"]
    assert (tmp_path / "d/b").read_bytes() == b"new"


@pytest.mark.parametrize("opaque_first", [True, False])
def test_an_opaque_directory_hides_what_lies_below_and_keeps_its_own(
    tmp_path: Path, *, opaque_first: bool
) -> None:
    unpack(tmp_path, (entry("d/old"), b"1"), (entry("d/sub/old"), b"2"), (entry("e"), b"3"))
    own = [folder("d/sub"), (entry("d/sub/new"), b"4"), (entry("d/new"), b"5")]
    opaque = [entry("d/.wh..wh..opq")]
    unpack(tmp_path, *(opaque + own if opaque_first else own + opaque))
    assert seen(tmp_path) == ["d", "d/new", "d/sub", "d/sub/new", "e"]


def test_links_modes_and_times_are_those_of_the_archive(tmp_path: Path) -> None:
    when = 1_000_000_000
    unpack(
        tmp_path,
        folder("usr"),
        link("lib", "usr"),
        (entry("lib/a", mode=0o4750, mtime=when), b"1"),
        link("b", "lib/a", hard=True),
        entry("d", type=b"5", mode=0o1777, mtime=when),
        (entry("d/inside"), b"2"),
        link("dangling", "/nowhere"),
    )
    status = (tmp_path / "usr/a").stat()
    assert (status.st_nlink, status.st_mode & 0o7777, status.st_mtime) == (2, 0o4750, when)
    assert (tmp_path / "d").stat().st_mtime == when
    assert os.readlink(tmp_path / "dangling") == "/nowhere"


def test_a_directory_takes_the_place_of_a_link(tmp_path: Path) -> None:
    unpack(tmp_path, folder("real"), link("d", "real"))
    unpack(tmp_path, folder("d"), (entry("d/a"), b"1"))
    assert seen(tmp_path) == ["d", "d/a", "real"]


def test_devices_and_what_a_sandbox_mounts_are_left_out(tmp_path: Path) -> None:
    done = unpack(
        tmp_path,
        entry("null", type=b"3", devmajor=1, devminor=3),
        (entry("proc/version"), b"x"),
        (entry("./dev/../dev/sda"), b"x"),
    )
    assert done == {"entries": 3, "skipped": 3}
    assert seen(tmp_path) == []


@pytest.mark.parametrize(
    "entries",
    [
        [link("out", "../.."), (entry("out/planted"), b"x")],
        [link("out", "/"), (entry("out/planted"), b"x")],
        [link("a", "none", hard=True)],
    ],
)
def test_a_link_that_leads_out_ends_the_unpacking(tmp_path: Path, entries: list[object]) -> None:
    root = tmp_path / "deep/root"
    root.mkdir(parents=True)
    with pytest.raises(ImageError):
        unpack(root, *entries)


def test_a_path_above_the_root_means_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    unpack(root, (entry("../../a"), b"1"), (entry("/b/../../c"), b"2"), entry("/../.wh.a"))
    assert seen(tmp_path) == ["root", "root/a", "root/c"]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("python", "docker.io/library/python:latest"),
        ("oven/bun:1.2", "docker.io/oven/bun:1.2"),
        ("localhost/a", "localhost/a:latest"),
        ("Host.example:5000/a/b:V1", "Host.example:5000/a/b:V1"),
        (f"a:1@sha256:{'0' * 64}", f"docker.io/library/a@sha256:{'0' * 64}"),
    ],
)
def test_names_of_images_are_read_as_docker_reads_them(text: str, whole: str) -> None:
    assert str(ImageName.parse(text)) == whole


@pytest.mark.parametrize(
    "text", ["", "-a", "a b", "a:", "UPPER", "docker-daemon:a:b", "a@md5:1", "a\n", "a" * 600]
)
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(ImageRefusedError):
        ImageName.parse(text)


@pytest.mark.parametrize("registry", ["127.0.0.1:5000", "localhost", "10.1.2.3", "[::1]:5000"])
def test_a_registry_that_is_not_public_has_to_be_named(registry: str) -> None:
    if not registry.startswith("["):
        with pytest.raises(ImageRefusedError, match="--registry"):
            check_registry(registry, RegistrySettings())
    check_registry(registry, RegistrySettings(named=(registry,)))


def test_logins_are_what_the_tools_read() -> None:
    made = login("r.example", Password(type="registry", username="u", password="p:w"))
    auth = json.loads(made)["auths"]["r.example"]["auth"]
    assert base64.b64decode(auth) == b"u:p:w"
    made = login("gcr.io", GoogleKey(type="gcp", serviceAccountJson="{}"))
    assert base64.b64decode(json.loads(made)["auths"]["gcr.io"]["auth"]) == b"_json_key:{}"
    assert "p:w" not in repr(Password(type="registry", username="u", password="p:w"))


def test_what_the_tool_says_is_told_without_the_password() -> None:
    name = ImageName.parse("a:1")
    complaint = 'time="x" level=fatal msg="odd: sesame was refused"\n'
    told = _explain(name, complaint, ["sesame"])
    assert told == "failed to pull image 'a:1': odd: *** was refused"


def test_variables_are_those_with_a_name_and_a_value() -> None:
    env = ["A=1", "B=", "=x", "C", " D = spaced ", "E=a=b"]
    assert _variables({"config": {"Env": env}}) == {"A": "1", "D": "spaced", "E": "a=b"}
    assert _variables({"config": None}) == _variables({}) == {}
