"""Files through envd, driven by the published SDK and by plain HTTP."""

import gzip
import io
import os
import pwd
import resource
import socket
import stat
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import httpx
import pytest
from e2b import FileNotFoundException, FileType, InvalidArgumentException, SandboxException
from e2b.sandbox.filesystem.filesystem import WriteEntry

from support.envd_server import USER
from support.privileges import needs_root


@pytest.fixture(scope="module")
def sandbox(envd):
    return envd.client()


@pytest.fixture
def http(envd):
    with httpx.Client(base_url=envd.url, headers=envd.headers, timeout=30) as client:
        yield client


def test_a_file_comes_back_as_written_and_its_directories_are_made(sandbox, tmp_path):
    path = str(tmp_path / "new" / "deep" / "file.txt")
    written = sandbox.files.write(path, "¡Hola!")
    assert (written.path, written.name, written.type) == (path, "file.txt", FileType.FILE)
    assert sandbox.files.read(path) == "¡Hola!"


def test_paths_start_at_the_home(sandbox):
    home = pwd.getpwuid(os.getuid()).pw_dir
    for path in ("", ".", "~", "~/", "a/.."):
        assert sandbox.files.get_info(path).path == home
    with pytest.raises(InvalidArgumentException, match="cannot expand user-specific home dir"):
        sandbox.files.get_info("~other/file")


def test_overwriting_truncates_in_place(sandbox, tmp_path):
    target = tmp_path / "file"
    target.write_text("a long first content")
    os.link(target, tmp_path / "link")
    sandbox.files.write(str(target), "short")
    assert (tmp_path / "link").read_text() == "short"


@pytest.mark.parametrize("compressed", [False, True])
def test_a_large_file_survives_both_ways(sandbox, tmp_path, compressed):
    content = os.urandom(3_000_000) + bytes(3_000_000)
    path = str(tmp_path / "large")
    sandbox.files.write(path, io.BytesIO(content), gzip=compressed)
    assert (tmp_path / "large").read_bytes() == content
    assert bytes(sandbox.files.read(path, format="bytes", gzip=compressed)) == content
    assert b"".join(sandbox.files.read(path, format="stream", gzip=compressed)) == content


def test_a_file_of_holes_is_refused_whole_and_sent_in_parts(sandbox, http, tmp_path):
    target = tmp_path / "holes"
    with target.open("wb") as file:
        file.truncate(1 << 42)  # of these a file system on disk takes fewer than memory's
    with pytest.raises(InvalidArgumentException, match=r"4,398,046,511,104 bytes are more than"):
        sandbox.files.read(str(target))
    asked = {"path": str(target)}
    assert http.get("/files", params=asked, headers={"Range": "bytes=0-"}).status_code == 400
    part = http.get("/files", params=asked, headers={"Range": "bytes=-5"})
    assert (part.status_code, part.content) == (206, bytes(5))
    assert http.head("/files", params=asked).headers["content-length"] == str(1 << 42)


def test_many_files_are_written_at_once(sandbox, tmp_path):
    files = [
        WriteEntry(path=str(tmp_path / f"d{i}" / f"fíle {i}.txt"), data=f"content {i}")
        for i in range(10)
    ]
    written = sandbox.files.write_files(files)
    assert [info.path for info in written] == [file["path"] for file in files]
    assert [sandbox.files.read(file["path"]) for file in files] == [f["data"] for f in files]


def test_empty_files_are_files(sandbox, tmp_path):
    path = str(tmp_path / "empty")
    sandbox.files.write(path, "")
    assert sandbox.files.read(path) == ""
    sandbox.files.write(path, io.BytesIO(b""))
    assert sandbox.files.get_info(path).size == 0


def test_a_file_that_does_not_know_its_size_is_read_to_its_end(sandbox):
    assert "processor" in sandbox.files.read("/proc/cpuinfo")


def test_a_missing_file_is_not_found(sandbox):
    for attempt in (sandbox.files.read, sandbox.files.get_info, sandbox.files.list):
        with pytest.raises(FileNotFoundException, match="/no/such/thing"):
            attempt("/no/such/thing")
    assert not sandbox.files.exists("/no/such/thing")


def test_what_is_no_regular_file_is_refused_without_waiting(sandbox, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for path in (str(tmp_path), "/dev/zero", f"{tmp_path}/fifo", f"{tmp_path}/socket"):
            with pytest.raises(InvalidArgumentException):
                sandbox.files.read(path)
            with pytest.raises(InvalidArgumentException):
                sandbox.files.write(path, "x")
    with pytest.raises(InvalidArgumentException, match="procfs"):
        sandbox.files.write("/proc/self/comm", "x")


def test_a_file_in_the_way_of_a_directory_is_named(sandbox, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidArgumentException, match="is not a directory"):
        sandbox.files.write(str(tmp_path / "file" / "inner"), "x")
    with pytest.raises(InvalidArgumentException, match="not a directory"):
        sandbox.files.make_dir(str(tmp_path / "file"))
    with pytest.raises(InvalidArgumentException, match="not a directory"):
        sandbox.files.list(str(tmp_path / "file"))


def test_entries_are_described(sandbox, tmp_path):
    target = tmp_path / "file"
    target.write_text("12345")
    target.chmod(0o640)
    info = sandbox.files.get_info(str(target))
    assert (info.name, info.size, info.mode) == ("file", 5, 0o640)
    assert (info.permissions, info.owner, info.type) == ("-rw-r-----", USER, FileType.FILE)
    assert info.modified_time.timestamp() == pytest.approx(target.stat().st_mtime, abs=1e-3)
    assert info.symlink_target is None


def test_links_say_where_they_lead(sandbox, tmp_path):
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("directory")
    (tmp_path / "dead").symlink_to("nowhere")
    listed = {entry.name: entry for entry in sandbox.files.list(str(tmp_path), depth=5)}
    assert listed["link"].type == FileType.SYMLINK
    assert listed["link"].symlink_target == str(tmp_path / "directory")
    assert listed["link"].mode == stat.S_IMODE((tmp_path / "directory").stat().st_mode)
    assert listed["dead"].type == FileType.SYMLINK


def test_odd_times_and_names_are_listed(sandbox, tmp_path):
    for name, seconds in ((b"future", 2**40), (b"past", -(2**33)), (b"not utf-8: \xff", 0)):
        path = os.path.join(os.fsencode(tmp_path), name)
        with open(path, "w"):
            pass
        os.utime(path, (seconds, seconds))
    entries = sandbox.files.list(str(tmp_path))
    assert [entry.name for entry in entries] == ["future", "not utf-8: \ufffd", "past"]


def test_a_listing_goes_as_deep_as_asked(sandbox, tmp_path):
    for directory in ("a/aa/aaa", "b"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "a.txt").touch()

    def listed(depth):
        entries = sandbox.files.list(str(tmp_path), depth=depth)
        return [entry.path.removeprefix(f"{tmp_path}/") for entry in entries]

    assert listed(None) == listed(1) == ["a", "a.txt", "b"]
    assert listed(2) == ["a", "a/aa", "a.txt", "b"]
    assert listed(9) == ["a", "a/aa", "a/aa/aaa", "a.txt", "b"]


def test_directories_are_made_once(sandbox, tmp_path):
    path = str(tmp_path / "one" / "two")
    assert sandbox.files.make_dir(path) is True
    assert sandbox.files.make_dir(path) is False


def test_moving_makes_directories_and_replaces_files(sandbox, tmp_path):
    (tmp_path / "old").write_text("content")
    moved = sandbox.files.rename(str(tmp_path / "old"), str(tmp_path / "there" / "new"))
    assert moved.path == str(tmp_path / "there" / "new")
    assert (tmp_path / "there" / "new").read_text() == "content"
    with pytest.raises(FileNotFoundException):
        sandbox.files.rename(str(tmp_path / "old"), str(tmp_path / "else" / "where"))
    assert not (tmp_path / "else").exists()


def test_removing_takes_all_but_what_links_lead_to(sandbox, tmp_path):
    for directory in ("tree/a/b", "tree/c", "kept"):
        (tmp_path / directory).mkdir(parents=True)
    for index in range(20):
        (tmp_path / "tree" / "a" / f"file{index}").touch()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "kept")
    sandbox.files.remove(str(tmp_path / "tree"))
    sandbox.files.remove(str(tmp_path / "tree"))  # a missing path is fine
    assert not (tmp_path / "tree").exists()
    assert (tmp_path / "kept" / "file").exists()


def test_metadata_is_kept_until_overwritten(sandbox, tmp_path):
    path = str(tmp_path / "file")
    written = sandbox.files.write(path, "x", metadata={"Author": "Ana", "stage": "1"})
    assert written.metadata == {"author": "Ana", "stage": "1"}
    assert sandbox.files.get_info(path).metadata == {"author": "Ana", "stage": "1"}
    assert sandbox.files.write(path, "x", metadata={"stage": "2"}).metadata == {"stage": "2"}
    assert sandbox.files.write(path, "x").metadata is None
    with pytest.raises(InvalidArgumentException, match="limit is 4096"):
        sandbox.files.write(path, "x", metadata={"long": "x" * 5000})


@needs_root("it acts as somebody else")
def test_files_are_used_with_the_users_rights(sandbox, tmp_path):
    above = Path(tempfile.gettempdir())
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to(above) and folder != above:
            folder.chmod(0o711)
    (tmp_path / "secret").touch(mode=0o600)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    for attempt in (
        lambda: sandbox.files.read(str(tmp_path / "secret"), user="nobody"),
        lambda: sandbox.files.write(str(tmp_path / "secret"), "x", user="nobody"),
        lambda: sandbox.files.remove(str(tmp_path / "secret"), user="nobody"),
        lambda: sandbox.files.list(str(tmp_path), user="nobody"),
    ):
        with pytest.raises(SandboxException, match="denied"):
            attempt()
    sandbox.files.write(str(tmp_path / "open" / "new" / "file"), "x", user="nobody")
    info = sandbox.files.get_info(str(tmp_path / "open" / "new" / "file"))
    assert info.owner == "nobody"
    assert sandbox.files.get_info(str(tmp_path / "open" / "new")).owner == "nobody"


def test_a_range_is_sent_alone(http, tmp_path):
    target = tmp_path / "file.txt"
    target.write_bytes(b"0123456789")

    def fetched(header):
        reply = http.get("/files", params={"path": str(target)}, headers={"Range": header})
        return reply.status_code, reply.content, reply.headers.get("content-range")

    assert fetched("bytes=2-4") == (206, b"234", "bytes 2-4/10")
    assert fetched("bytes=7-") == (206, b"789", "bytes 7-9/10")
    assert fetched("bytes=-3") == (206, b"789", "bytes 7-9/10")
    assert fetched("bytes=5-500") == (206, b"56789", "bytes 5-9/10")
    assert fetched("bytes=10-")[0::2] == (416, "bytes */10")
    assert fetched("bytes=0-1,4-5") == (200, b"0123456789", None)
    assert fetched("lines=1-2") == (200, b"0123456789", None)


def test_a_download_says_what_it_is(http, tmp_path):
    (tmp_path / "página.txt").write_text("x")
    reply = http.get("/files", params={"path": str(tmp_path / "página.txt")})
    assert reply.headers["content-type"] == "text/plain"
    assert reply.headers["content-length"] == "1"
    assert reply.headers["content-disposition"] == "inline; filename*=UTF-8''p%C3%A1gina.txt"
    head = http.head("/files", params={"path": str(tmp_path / "página.txt")})
    assert (head.status_code, head.headers["content-length"]) == (200, "1")


def test_only_who_asks_for_gzip_alone_gets_it(http, tmp_path):
    (tmp_path / "file").write_bytes(bytes(100_000))
    path = {"path": str(tmp_path / "file")}
    packed = http.get("/files", params=path, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == bytes(100_000)
    plain = http.get("/files", params=path, headers={"Accept-Encoding": "gzip, deflate, br"})
    assert "content-encoding" not in plain.headers


@pytest.mark.parametrize(
    ("headers", "content", "problem"),
    [
        ({"Content-Type": "text/plain"}, b"x", "unsupported content type"),
        ({"Content-Type": "multipart/form-data"}, b"x", "no boundary"),
        ({"Content-Type": "multipart/form-data; boundary=b"}, b"--b\r\n\r\nx", "it is cut"),
        ({"Content-Type": "multipart/form-data; boundary=b"}, b"nonsense", "error reading form"),
        (
            {"Content-Type": "application/octet-stream", "Content-Encoding": "gzip"},
            b"not gzip",
            "error decompressing",
        ),
        (
            {"Content-Type": "application/octet-stream", "Content-Encoding": "gzip"},
            gzip.compress(b"content", mtime=0)[:-4],
            "it is cut",
        ),
        (
            {"Content-Type": "application/octet-stream", "Content-Encoding": "br"},
            b"x",
            "unsupported Content-Encoding: br",
        ),
    ],
)
def test_bodies_that_cannot_be_read_are_refused(http, tmp_path, headers, content, problem):
    path = {"path": str(tmp_path / "file")}
    reply = http.post("/files", params=path, headers=headers, content=content)
    assert reply.status_code == 400
    assert reply.json()["code"] == 400
    assert problem in reply.json()["message"]


def test_two_parts_cannot_have_one_path(http, tmp_path):
    files = [("file", (str(tmp_path / "same"), b"1")), ("file", (str(tmp_path / "same"), b"2"))]
    reply = http.post("/files", files=files)
    assert reply.status_code == 400
    assert (tmp_path / "same").read_bytes() == b"1"


def test_parts_that_are_not_named_file_are_ignored(http, tmp_path):
    files = [("other", ("x", b"1")), ("file", (str(tmp_path / "kept"), b"2"))]
    reply = http.post("/files", files=files, data={"field": "value"})
    assert [entry["path"] for entry in reply.json()] == [str(tmp_path / "kept")]


def test_an_unknown_user_is_401(http):
    reply = http.get("/files", params={"path": "x", "username": "nobody-here"})
    assert reply.status_code == 401
    assert reply.json() == {"code": 401, "message": "invalid username: 'nobody-here'"}


def test_signed_urls_work_until_they_expire(sandbox, tmp_path):
    path = str(tmp_path / "sígned.txt")
    sandbox.files.write(path, "signed")
    for url in (
        sandbox.download_url(path, USER),
        sandbox.download_url(path),
        sandbox.download_url(path, USER, use_signature_expiration=60),
    ):
        with urllib.request.urlopen(url) as reply:
            assert reply.read() == b"signed"
    with httpx.Client() as client:
        upload = client.post(sandbox.upload_url(path, USER), files={"file": b"uploaded"})
    assert upload.status_code == 200
    assert sandbox.files.read(path) == "uploaded"
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(sandbox.download_url(path, USER, use_signature_expiration=-60))
    assert refusal.value.code == 401
    assert b"signature is already expired" in refusal.value.read()


def test_a_signature_for_one_thing_is_not_for_another(sandbox, tmp_path):
    url = sandbox.download_url(str(tmp_path / "one"), USER)
    with httpx.Client() as client:
        assert client.post(url, files={"file": b"x"}).status_code == 401
        assert client.get(url.replace("one", "two")).status_code == 401
        assert client.get(url.replace("username", "other")).status_code == 401


def test_a_write_that_finds_no_room_is_507_and_others_go_on(envd, http, tmp_path):
    room = 1024 * 1024
    resource.prlimit(envd.agent.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        reply = http.post(
            "/files",
            params={"path": str(tmp_path / "large")},
            headers={"Content-Type": "application/octet-stream"},
            content=(bytes(room) for _ in range(64)),
        )
        small = http.post(
            "/files", params={"path": str(tmp_path / "small")}, files={"file": b"fits"}
        )
    finally:
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(envd.agent.pid, resource.RLIMIT_FSIZE, unlimited)
    assert reply.status_code == 507
    assert "large" in reply.json()["message"]
    assert small.status_code == 200
