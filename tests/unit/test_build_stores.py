"""What builds keep on disk: logs, archives, records of templates and steps."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from capibara6_sandbox.errors import BadRequestError, NotFoundError, UnauthorizedError
from capibara6_sandbox.host.build_records import (
    Build,
    CachedStep,
    OwnTemplate,
    Reason,
    StepContext,
)
from capibara6_sandbox.host.builds import library as build_library
from capibara6_sandbox.host.builds import log as build_log
from capibara6_sandbox.host.builds import uploads as build_uploads
from capibara6_sandbox.host.builds.library import INTERRUPTED, Library, now
from capibara6_sandbox.host.builds.log import BuildLog
from capibara6_sandbox.host.builds.names import Name
from capibara6_sandbox.host.builds.uploads import Uploads
from capibara6_sandbox.host.states import BuildState

HASH = "a" * 64


def test_a_log_is_read_page_by_page_also_by_another_server(tmp_path: Path) -> None:
    log = BuildLog(tmp_path / "log")
    for number in range(250):
        log.add(f"line {number}", level="debug" if number % 2 else "info", step=str(number))
    for reader in (log, BuildLog(tmp_path / "log")):
        assert [e["message"] for e in reader.page(0)] == [f"line {n}" for n in range(100)]
        assert len(reader.page(200)) == 50
        assert reader.page(250) == []
        assert len(reader.page(0, 1000)) == 100
        assert reader.page(0, 1, "info")[0]["step"] == "0"
        assert len(reader.page(100, level="info")) == 25


def test_a_log_that_grows_without_end_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_log, "ENTRIES_MAX", 3)
    log = BuildLog(tmp_path / "log")
    for _ in range(10):
        log.add("x" * 10_000)
    lines = log.page(0)
    assert len(lines) == 4
    assert lines[-1]["level"] == "warn"
    assert len(lines[0]["message"]) == 4000


def test_half_a_line_of_a_killed_server_is_left_out(tmp_path: Path) -> None:
    log = BuildLog(tmp_path / "log")
    log.add("whole")
    with (tmp_path / "log").open("a") as file:
        file.write('{"message": "ha')
    assert [e["message"] for e in BuildLog(tmp_path / "log").page(0)] == ["whole"]


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_an_archive_is_kept_under_its_hash(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    assert not uploads.path(HASH).exists()
    await uploads.receive(HASH, _pieces(b"one", b"two"))
    assert uploads.path(HASH).read_bytes() == b"onetwo"


async def test_the_oldest_archives_make_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_uploads, "KEPT_BYTES_MAX", 10)
    uploads = Uploads(tmp_path)
    for number, letter in enumerate("abc"):
        await uploads.receive(letter * 64, _pieces(b"12345"))
        os.utime(uploads.path(letter * 64), ns=(number, number))
    await uploads.receive("d" * 64, _pieces(b"1" * 20))
    assert os.listdir(tmp_path) == [f"{'d' * 64}.tar"]


async def test_half_an_archive_is_not_kept(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"one"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await Uploads(tmp_path).receive(HASH, broken())
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("text", ["", "../../etc/passwd", "A" * 64, "a" * 63])
def test_a_hash_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadRequestError, match="Invalid files hash"):
        Uploads(tmp_path).path(text)


def test_only_a_signed_address_opens_an_upload(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    query = {name: values[0] for name, values in parse_qs(uploads.query("t1", HASH)).items()}
    uploads.check("t1", HASH, query["expires"], query["signature"])
    refused = [
        ("t2", HASH, query["expires"], query["signature"]),
        ("t1", "b" * 64, query["expires"], query["signature"]),
        ("t1", HASH, str(int(query["expires"]) + 1), query["signature"]),
        ("t1", HASH, query["expires"], "0" * 64),
        ("t1", HASH, "", ""),
        ("t1", HASH, "9" * 30, "ñ"),
    ]
    for case in refused:
        with pytest.raises(UnauthorizedError):
            uploads.check(*case)


def _build(template: OwnTemplate, build_id: str, *tags: str) -> Build:
    moment = now()
    return Build(
        id=build_id,
        template_id=template.id,
        tags=list(tags),
        cpu_count=1,
        memory_mb=512,
        created_at=moment,
        updated_at=moment,
    )


def _template(alias: str) -> OwnTemplate:
    return OwnTemplate(id=f"id{alias}", alias=alias, created_at=now(), updated_at=now())


def test_a_library_outlives_its_server(tmp_path: Path) -> None:
    library = Library(tmp_path)
    template = _template("mine")
    build = _build(template, "b1", "v1", "default")
    library.add(template, build)
    build.layers = ("templates/x",)
    library.settle(build, BuildState.BUILDING)
    library.settle(build, BuildState.READY)
    library.keep_step(
        CachedStep(id="k", template_id=template.id, layers=("templates/y",), context=StepContext())
    )
    again = Library(tmp_path)
    found = again.get("mine")
    assert again.ready_build(found, Name("mine", "v1")) == build
    assert again.layers() == {"templates/x", "templates/y"}
    again.remove(found)
    assert Library(tmp_path).find("mine") is None
    assert Library(tmp_path).layers() == set()
    with pytest.raises(NotFoundError, match="template 'mine' not found"):
        again.get("mine")


def test_a_build_that_ran_when_the_server_ended_has_failed(tmp_path: Path) -> None:
    library = Library(tmp_path)
    template = _template("mine")
    build = _build(template, "b1", "default")
    library.add(template, build)
    library.settle(build, BuildState.BUILDING)
    found = Library(tmp_path).build(template.id, "b1")
    assert found is not None
    assert found.status == "error"
    assert found.reason is not None
    assert found.reason.message == INTERRUPTED


def test_a_tag_whose_newest_build_failed_means_the_one_before(tmp_path: Path) -> None:
    library = Library(tmp_path)
    template = _template("mine")
    first, second = _build(template, "b1", "default"), _build(template, "b2", "default")
    library.add(template, first)
    library.settle(first, BuildState.BUILDING)
    library.settle(first, BuildState.READY)
    library.add(template, second)
    library.fail(second, Reason(message="a step failed"))
    assert library.ready_build(template, Name("mine")) == first


def test_old_builds_are_forgotten_but_those_that_tags_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_library, "BUILDS_MAX", 2)
    library = Library(tmp_path)
    template = _template("mine")
    for number in range(6):
        build = _build(template, f"b{number}", "v0" if number == 0 else "default")
        library.add(template, build)
        library.settle(build, BuildState.BUILDING)
        if number < 3:
            library.settle(build, BuildState.READY)
        else:
            library.fail(build, Reason(message="a step failed"))
    left = {build.id for build in Library(tmp_path).builds(template)}
    assert left == {"b0", "b2", "b4", "b5"}
    assert template.build_count == 6
