"""Volumes and secrets through the published SDK, against a server with data of its own."""

import io
import os
import secrets
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from e2b import InvalidArgumentException, Secret, Volume, VolumeException
from e2b.exceptions import NotFoundException, SandboxException, SecretNotFoundException
from e2b_code_interpreter import Sandbox

from support.sandbox_server import SandboxServer, data_folder, wait_until

VALUE = "sk-very-private-8f3a"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_folder(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[SandboxServer]:
    server = SandboxServer(arguments=("--data", str(home))).start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environ.items():
            patch.setenv(name, value)
        patch.setenv("E2B_VOLUME_API_URL", server.url)
        yield server
    assert server.stop() == 0


@pytest.fixture
def volume(server: SandboxServer) -> Iterator[Volume]:
    volume = Volume.create(secrets.token_hex(8))
    yield volume
    Volume.destroy(volume.volume_id)


def test_a_volume_is_created_found_and_destroyed(server: SandboxServer) -> None:
    made = Volume.create("one")
    assert [found.name for found in Volume.list()] == ["one"]
    assert Volume.get_info(made.volume_id).token == made.token
    with pytest.raises(Exception, match="already exists"):
        Volume.create("one")
    with pytest.raises(Exception, match="Invalid volume name"):
        Volume.create("../one")
    assert Volume.destroy(made.volume_id) is True
    assert Volume.destroy(made.volume_id) is False
    assert Volume.list() == []


def test_contents_are_written_read_and_listed(volume: Volume) -> None:
    volume.make_dir("/a/b", force=True)
    volume.write_file("/a/b/one.txt", "uno")
    volume.write_file("/a/two.bin", io.BytesIO(bytes(range(256)) * 4000), uid=1000, mode=0o600)
    assert volume.read_file("/a/b/one.txt") == "uno"
    assert volume.read_file("/a/two.bin", format="bytes") == bytes(range(256)) * 4000
    assert b"".join(volume.read_file("/a/two.bin", format="stream"))[:3] == b"\0\1\2"
    listed = {entry.path: entry.type.value for entry in volume.list("/", depth=3)}
    assert listed == {
        "/a": "directory",
        "/a/b": "directory",
        "/a/b/one.txt": "file",
        "/a/two.bin": "file",
    }
    info = volume.get_info("/a/two.bin")
    assert (info.size, info.mode, info.uid) == (1_024_000, 0o600, 1000)
    assert volume.update_metadata("/a/two.bin", mode=0o644).mode == 0o644


def test_what_is_there_is_not_overwritten_unless_told(volume: Volume) -> None:
    volume.write_file("/x", "long old text")
    with pytest.raises(Exception, match="already exists"):
        volume.write_file("/x", "new", force=False)
    volume.write_file("/x", "new", force=True)
    assert volume.read_file("/x") == "new"


def test_contents_are_removed(volume: Volume) -> None:
    volume.write_file("/d/e/f", "x", force=True)
    volume.remove("/d")
    assert volume.exists("/d") is False
    with pytest.raises(NotFoundException):
        volume.remove("/d")
    with pytest.raises(Exception, match="cannot delete root"):
        volume.remove("/")


def test_sandboxes_share_a_volume(volume: Volume) -> None:
    volume.write_file("/hello.txt", "from outside")
    mounts = {"/data": volume, "/home/user/deep/shared": volume}
    with (
        Sandbox.create(volume_mounts=mounts) as first,
        Sandbox.create("base", volume_mounts={"/data": volume.name}) as second,
    ):
        assert first.run_code("open('/data/hello.txt').read()").text == "from outside"
        first.commands.run("echo one > /data/own.txt; mkdir /data/dir")
        assert first.files.read("/home/user/deep/shared/own.txt") == "one\n"
        second.commands.run("echo two >> /data/own.txt; touch /data/dir/new")
        assert volume.read_file("/own.txt") == "one\ntwo\n"
        assert volume.get_info("/own.txt").uid == 1000
        owners = second.commands.run("stat -c %U /data /data/own.txt /data/hello.txt").stdout
        assert set(owners.split()) == {"user"}
        assert [m["name"] for m in _detail(first)["volumeMounts"]] == [volume.name] * 2
    assert volume.read_file("/own.txt") == "one\ntwo\n"


@pytest.mark.parametrize("path", ["/mnt/shared", "/srv/a/b", "/var/lib/shared", "/new/one"])
def test_a_volume_is_mounted_where_only_root_may_write(volume: Volume, path: str) -> None:
    for template in ("base", "code-interpreter-v1"):
        with Sandbox.create(template, volume_mounts={path: volume}) as sandbox:
            sandbox.files.write(f"{path}/{template}.txt", "mine")
            assert sandbox.commands.run(f"cat {path}/base.txt").stdout == "mine"


def test_names_that_are_no_text_are_listed(volume: Volume) -> None:
    with Sandbox.create("base", volume_mounts={"/mnt/v": volume}) as sandbox:
        sandbox.commands.run(r"cd /mnt/v && touch $'a\xff' && ln -s $'to\xfe' link")
        assert [entry.name for entry in volume.list("/")] == ["a\N{REPLACEMENT CHARACTER}", "link"]


@pytest.mark.timeout(180)
def test_a_directory_of_very_many_is_refused_and_removed(volume: Volume) -> None:
    with Sandbox.create("base", timeout=170, volume_mounts={"/mnt/v": volume}) as sandbox:
        sandbox.commands.run("mkdir /mnt/v/many; cd /mnt/v/many; seq 100001 | xargs touch")
        with pytest.raises(VolumeException, match="more than 100,000 entries"):
            volume.list("/many")
        with pytest.raises(InvalidArgumentException, match="more than 100000 entries"):
            sandbox.files.list("/mnt/v/many")
        sandbox.files.remove("/mnt/v/many")
        assert volume.list("/") == []


def test_a_volume_is_there_again_after_a_pause(volume: Volume) -> None:
    with Sandbox.create(volume_mounts={"/data": volume}) as sandbox:
        sandbox.commands.run("echo kept > /data/x")
        for memory in (True, False):
            sandbox.pause(keep_memory=memory)
            sandbox.connect()
            assert sandbox.commands.run("cat /data/x").stdout == "kept\n"


def test_a_mounted_volume_can_be_destroyed(server: SandboxServer) -> None:
    volume = Volume.create("doomed")
    with Sandbox.create(volume_mounts={"/data": volume}) as sandbox:
        sandbox.commands.run("echo x > /data/x")
        assert Volume.destroy(volume.volume_id) is True
        assert sandbox.commands.run("echo alive").stdout == "alive\n"
        with pytest.raises(NotFoundException):
            volume.read_file("/x")


def test_a_paused_sandbox_comes_back_without_a_destroyed_volume(server: SandboxServer) -> None:
    volume = Volume.create("short-lived")
    with Sandbox.create(volume_mounts={"/data": volume}) as sandbox:
        sandbox.commands.run("echo x > /data/x; echo y > /tmp/y")
        sandbox.pause(keep_memory=False)
        Volume.destroy(volume.volume_id)
        sandbox.connect()
        assert sandbox.commands.run("cat /tmp/y; ls /data").stdout == "y\n"


@pytest.mark.parametrize("path", ["relative", "/", "/proc/x", "/usr", "/a/../b", "/dev"])
def test_paths_that_cannot_be_mounted_on_are_refused(volume: Volume, path: str) -> None:
    with pytest.raises(SandboxException, match="invalid volume mounts"):
        Sandbox.create(volume_mounts={path: volume})


def test_an_unknown_volume_is_refused(server: SandboxServer) -> None:
    with pytest.raises(SandboxException, match="volume 'nothing' not found"):
        Sandbox.create(volume_mounts={"/data": "nothing"})


def test_volumes_and_secrets_outlive_the_server(home: Path, server: SandboxServer) -> None:
    kept = home.parent / "kept"
    kept.mkdir()
    (kept / "templates").symlink_to(home / "templates")
    first = SandboxServer(arguments=("--data", str(kept))).start()
    options = {"api_url": first.url, "api_key": first.key}
    made = Volume.create("kept", **options)
    made.write_file("/x", "still here", api_url=first.url)
    Secret.create("kept", VALUE, **options)
    assert first.stop() == 0
    stray = kept / "volumes" / str(uuid.uuid4())  # of a server that died within a create call
    (stray / "tree").mkdir(parents=True)
    second = SandboxServer(arguments=("--data", str(kept))).start()
    options = {"api_url": second.url, "api_key": second.key}
    wait_until(lambda: not stray.exists())
    found = Volume.connect(made.volume_id, **options)
    assert found.read_file("/x", api_url=second.url) == "still here"
    assert Secret.get_info("kept", **options).version == 1
    assert second.stop() == 0


def test_a_secret_is_stored_and_never_shown(home: Path, server: SandboxServer) -> None:
    made = Secret.create("OpenAI-Key", VALUE, metadata={"env": "test"})
    assert (made.name, made.version, made.metadata) == ("openai-key", 1, {"env": "test"})
    assert Secret.update(made.secret_id, VALUE + "2").version == 2
    assert Secret.exists("openai-key")
    paginator = Secret.list(limit=1)
    assert [secret.name for secret in paginator.next_items()] == ["openai-key"]
    assert paginator.has_next is False
    replies = [
        httpx.request(method, f"{server.url}/secrets{path}", headers=_key(server), json=body).text
        for method, path, body in (
            ("GET", "", None),
            ("GET", "/openai-key", None),
            ("POST", "/openai-key", {"value": VALUE}),
            ("POST", "/openai-key", {"value": [VALUE]}),
            ("POST", "", {"name": "openai-key", "value": VALUE}),
            ("POST", "", {"name": VALUE + " {}", "value": VALUE}),
            ("POST", "", {"name": "x", "value": VALUE, "metadata": VALUE}),
            ("POST", "", f"not json {VALUE}"),
        )
    ]
    assert VALUE not in "".join(replies)
    assert VALUE not in "".join(server.log_lines)
    files = [path for path in (home / "secrets").iterdir() if VALUE in path.read_text()]
    assert [path.stat().st_mode & 0o777 for path in files] == [0o600]
    assert (home / "secrets").stat().st_mode & 0o777 == 0o700
    assert Secret.destroy("openai-key") is True
    assert Secret.destroy("openai-key") is False
    with pytest.raises(SecretNotFoundException):
        Secret.get_info("openai-key")


def _key(server: SandboxServer) -> dict[str, str]:
    return {"X-API-KEY": server.key}


def _detail(sandbox: Sandbox) -> dict[str, list[dict[str, str]]]:
    url = os.environ["E2B_API_URL"]
    headers = {"X-API-KEY": os.environ["E2B_API_KEY"]}
    detail: dict[str, list[dict[str, str]]]
    detail = httpx.get(f"{url}/sandboxes/{sandbox.sandbox_id}", headers=headers).json()
    return detail
