"""What the synchronous and the asynchronous Python SDK share, through both, method by method."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from e2b import PtySize, SandboxQuery, SandboxState

from support.both_sdks import SDKS, Sdk, Settled, settled
from support.sandbox_server import SandboxServer


@pytest.fixture(params=list(SDKS))
def sdk(request: pytest.FixtureRequest, sandbox_server: SandboxServer) -> Iterator[Sdk]:
    """One of both, which finds the server by its environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sandbox_server.environ.items():
            patch.setenv(name, value)
        patch.setenv("E2B_VOLUME_API_URL", sandbox_server.url)
        yield SDKS[request.param]


@pytest.fixture
async def box(sdk: Sdk) -> AsyncIterator[Any]:
    sandbox = Settled(await settled(sdk.Sandbox.create(timeout=60)))
    yield sandbox
    await sandbox.kill()


async def test_commands_and_their_input(box: Any) -> None:
    counting = Settled(await box.commands.run("wc -c", background=True, stdin=True))
    await counting.send_stdin("12345")
    await counting.close_stdin()
    assert (await counting.wait()).stdout.strip() == "5"
    reading = Settled(await box.commands.run("head -n 1", background=True, stdin=True))
    assert reading.inner.pid in [process.pid for process in await box.commands.list()]
    again = Settled(await box.commands.connect(reading.inner.pid))
    await box.commands.send_stdin(reading.inner.pid, "line\n")
    assert (await again.wait()).stdout == "line\n"
    sleeping = Settled(await box.commands.run("sleep 100", background=True))
    await sleeping.disconnect()
    assert await sleeping.kill() is True
    assert await box.commands.kill(sleeping.inner.pid) is False
    ending = Settled(await box.commands.run("cat; echo end", background=True, stdin=True))
    await box.commands.close_stdin(ending.inner.pid)
    assert (await ending.wait()).stdout == "end\n"


async def test_input_is_streamed(box: Any) -> None:
    def chunks() -> Iterator[str]:
        yield from (f"{number}\n" for number in range(100))

    async def chunks_async() -> AsyncIterator[str]:
        for chunk in chunks():
            yield chunk

    counting = Settled(await box.commands.run("wc -l", background=True, stdin=True))
    if isinstance(box.inner, SDKS["python"].Sandbox):
        await box.commands.stream_input(counting.inner.pid, chunks())
    else:
        async with await box.commands.stream_input(counting.inner.pid) as stream:
            async for chunk in chunks_async():
                await stream.send(chunk)
    await counting.close_stdin()
    assert (await counting.wait()).stdout.strip() == "100"


async def test_terminals(box: Any) -> None:
    heard: list[bytes] = []
    is_sync = isinstance(box.inner, SDKS["python"].Sandbox)
    on_create = () if is_sync else (heard.append,)
    on_wait = {"on_pty": heard.append} if is_sync else {}
    size, larger = PtySize(rows=24, cols=80), PtySize(rows=30, cols=100)
    terminal = Settled(await box.pty.create(size, *on_create))
    await box.pty.resize(terminal.inner.pid, larger)
    await box.pty.send_stdin(terminal.inner.pid, b"stty size; exit\n")
    await terminal.wait(**on_wait)
    assert b"30 100" in b"".join(heard)
    told = Settled(await box.pty.create(size, *on_create))
    if is_sync:
        await box.pty.stream_input(told.inner.pid, iter([b"echo $((6 * ", b"7)); exit\n"]))
    else:
        async with await box.pty.stream_input(told.inner.pid) as stream:
            await stream.send(b"echo $((6 * 7)); exit\n")
    await told.wait(**on_wait)
    assert b"42" in b"".join(heard)
    other = Settled(await box.pty.create(size, *on_create))
    pid = other.inner.pid
    await other.disconnect()
    followed = Settled(await box.pty.connect(pid, *on_create))
    await followed.disconnect()
    assert await box.pty.kill(pid) is True
    async with asyncio.timeout(60):  # until its end was seen, it is there to be killed
        while await box.pty.kill(pid):
            pass


async def test_files_and_watches(box: Any) -> None:
    assert await box.files.make_dir("folder") is True
    events: list[Any] = []
    is_sync = isinstance(box.inner, SDKS["python"].Sandbox)
    hear = () if is_sync else (events.append,)
    watch = Settled(await box.files.watch_dir("folder", *hear))
    assert (await box.files.write("folder/file", "12345")).name == "file"
    for _ in range(500):
        if len(events) >= 3:
            break
        if is_sync:
            events += await watch.get_new_events()
        await box.commands.run("sleep 0.02")
    await watch.stop()
    assert [event.type.value for event in events] == ["create", "chmod", "write"]
    assert (await box.files.get_info("folder/file")).size == 5
    assert await box.files.read("folder/file") == "12345"
    assert len(await box.files.write_files([{"path": "a", "data": "1"}])) == 1
    await box.files.rename("a", "b")
    assert (await box.files.exists("a"), await box.files.exists("b")) == (False, True)
    await box.files.remove("b")
    assert "b" not in [entry.name for entry in await box.files.list(".")]


async def test_the_life_of_a_sandbox(sdk: Sdk, box: Any) -> None:
    assert await box.is_running() is True
    before = (await box.get_info()).end_at
    await box.set_timeout(300)
    assert (await box.get_info()).end_at > before
    other = await settled(sdk.Sandbox.connect(box.inner.sandbox_id))
    assert other.sandbox_id == box.inner.sandbox_id
    assert await box.pause() is True
    assert (await box.get_info()).state == SandboxState.PAUSED
    await box.connect()
    assert await box.beta_pause() is True
    await box.connect()
    assert await box.is_running() is True
    assert (await box.get_host(3000)).startswith(f"3000-{box.inner.sandbox_id}.")
    await box.files.write("/etc/mcp-gateway/.token", "from the gateway", user="root")
    assert await box.get_mcp_token() == "from the gateway"
    assert (await box.get_mcp_url()).startswith(f"https://50005-{box.inner.sandbox_id}.")
    assert await settled(sdk.Sandbox.kill(box.inner.sandbox_id)) is True
    assert await box.is_running() is False


async def test_lists_and_measures(sdk: Sdk) -> None:
    mark = {"mark": secrets.token_hex(8)}
    made = [await settled(sdk.Sandbox.create(timeout=60, metadata=mark)) for _ in range(2)]
    pages = Settled(await settled(sdk.Sandbox.list(query=SandboxQuery(metadata=mark), limit=1)))
    found = [*await pages.next_items(), *await pages.next_items()]
    assert {info.sandbox_id for info in found} == {sandbox.sandbox_id for sandbox in made}
    assert pages.inner.has_next is False
    now = datetime.now(UTC)
    soon = now + timedelta(minutes=5)
    measured = await settled(made[0].get_metrics(start=now - timedelta(minutes=5), end=soon))
    assert all(one.mem_total > 0 for one in measured)
    assert await settled(made[0].get_metrics(start=soon)) == []
    for sandbox in made:
        await settled(sandbox.kill())


async def test_signed_addresses(box: Any) -> None:
    up = await box.upload_url("sent.txt", use_signature_expiration=60)
    down = await box.download_url("sent.txt", use_signature_expiration=60)
    async with httpx.AsyncClient() as client:
        assert (await client.post(up, files={"file": b"sent"})).status_code == 200
        assert (await client.get(down)).content == b"sent"


async def test_network_rules_are_changed(box: Any) -> None:
    await box.update_network({"deny_out": ["0.0.0.0/0"]})
    assert (await box.get_info()).network["deny_out"] == ["0.0.0.0/0"]
    await box.update_network({"allow_out": ["192.0.2.1"], "deny_out": ["0.0.0.0/0"]})
    assert (await box.get_info()).network["allow_out"] == ["192.0.2.1"]


async def test_snapshots_and_forks(sdk: Sdk, box: Any) -> None:
    await box.files.write("mark", "here")
    name = f"s-{secrets.token_hex(6)}"
    snapshot = await box.create_snapshot(name=name)
    listed = Settled(await box.list_snapshots())
    assert snapshot.snapshot_id in [one.snapshot_id for one in await listed.next_items()]
    forks = await box.fork(timeout=60)
    started = await settled(sdk.Sandbox.create(snapshot.snapshot_id, timeout=60))
    for copy in [*forks, started]:
        assert await settled(copy.files.read("mark")) == "here"
        await settled(copy.kill())
    assert await settled(sdk.Sandbox.delete_snapshot(snapshot.snapshot_id)) is True
    assert await settled(sdk.Sandbox.delete_snapshot(snapshot.snapshot_id)) is False


async def test_volumes(sdk: Sdk) -> None:
    made = Settled(await settled(sdk.Volume.create(secrets.token_hex(8))))
    ident = made.inner.volume_id
    assert ident in [one.volume_id for one in await settled(sdk.Volume.list())]
    assert (await settled(sdk.Volume.get_info(ident))).name == made.inner.name
    volume = Settled(await settled(sdk.Volume.connect(ident)))
    await volume.make_dir("/folder")
    await volume.write_file("/folder/file", "text")
    await volume.update_metadata("/folder/file", mode=0o600)
    assert (await volume.exists("/folder/file"), await volume.exists("/no")) == (True, False)
    assert await volume.read_file("/folder/file") == "text"
    # As a method of a volume these two are about its contents.
    assert (await volume.get_info("/folder/file")).mode & 0o777 == 0o600
    assert [entry.name for entry in await volume.list("/folder")] == ["file"]
    await volume.remove("/folder/file")
    assert await settled(sdk.Volume.destroy(ident)) is True


async def test_secrets(sdk: Sdk) -> None:
    name = f"k-{secrets.token_hex(6)}"
    await settled(sdk.Secret.create(name, "value"))
    assert await settled(sdk.Secret.exists(name)) is True
    assert (await settled(sdk.Secret.get_info(name))).name == name
    await settled(sdk.Secret.update(name, "other"))
    pages = Settled(await settled(sdk.Secret.list()))
    assert name in [one.name for one in await pages.next_items()]
    token = await settled(sdk.Secret.iam_token(audience="a", token_type="JWT-SVID"))
    assert token["audience"] == "a"
    assert await settled(sdk.Secret.fill(name)) == f"${{e2b.secrets.{name}}}"
    assert await settled(sdk.Secret.destroy(name)) is True
    assert await settled(sdk.Secret.destroy(name)) is False


async def test_templates(sdk: Sdk) -> None:
    name = f"t-{secrets.token_hex(6)}"
    recipe = sdk.Template().from_base_image().run_cmd("echo built > ~/built")
    built = await settled(sdk.Template.build(recipe, name))
    assert await settled(sdk.Template.exists(name)) is True
    assert await settled(sdk.Template.alias_exists(name)) is True
    started = await settled(sdk.Template.build_in_background(recipe, name))
    status = await settled(sdk.Template.get_build_status(started))
    assert status.build_id == started.build_id
    await settled(sdk.Template.assign_tags(name, ["good"]))
    tags = await settled(sdk.Template.get_tags(built.template_id))
    assert "good" in [tag.tag for tag in tags]
    await settled(sdk.Template.remove_tags(name, ["good"]))
    tags = await settled(sdk.Template.get_tags(built.template_id))
    assert "good" not in [tag.tag for tag in tags]
    sandbox = await settled(sdk.Sandbox.create(name, timeout=60))
    assert await settled(sandbox.files.read("built")) == "built\n"
    await settled(sandbox.kill())


async def test_steps_of_a_recipe(sdk: Sdk, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("one")
    (tmp_path / "two.txt").write_text("two")
    (tmp_path / "package").mkdir()
    (tmp_path / "package/package.json").write_text('{"name": "local-one", "version": "1.0.0"}')
    name, origin = f"t-{secrets.token_hex(6)}", "/home/user/origin"
    commit = "git -c user.name=n -c user.email=e@example.com commit -q --allow-empty -m first"
    recipe = (
        sdk.Template(file_context_path=tmp_path)
        .skip_cache()
        .from_template("code-interpreter-v1")
        .copy_items([{"src": "one.txt", "dest": "/srv-a/"}, {"src": "two.txt", "dest": "b.txt"}])
        .copy("package", "/home/user/package")
        .rename("b.txt", "c.txt")
        .run_cmd("touch d.txt")
        .remove("d.txt")
        .make_symlink("c.txt", "e.txt")
        .run_cmd(f"git init -q {origin} && cd {origin} && {commit}")
        .git_clone(f"file://{origin}", "/home/user/clone")
        .npm_install("./package")
        .set_user("root")
        .run_cmd("echo $HOME > /who.txt")
        .set_user("user")
        .set_ready_cmd("echo asked >> ~/asked; test $(wc -l < ~/asked) -ge 2")
    )
    assert "COPY" in await settled(sdk.Template.to_json(recipe))
    plain = sdk.Template().from_image("debian:13").run_cmd("true")
    assert (await settled(sdk.Template.to_dockerfile(plain))).startswith("FROM debian:13")
    await settled(sdk.Template.build(recipe, name))
    sandbox = Settled(await settled(sdk.Sandbox.create(name, timeout=60)))
    there = "cat /srv-a/one.txt e.txt /who.txt; ls d.txt clone/.git/HEAD node_modules 2>&1; true"
    shown = (await sandbox.commands.run(there)).stdout
    assert shown.startswith("onetwo/root\n")
    assert "cannot access 'd.txt'" in shown
    assert "clone/.git/HEAD" in shown
    assert "local-one" in shown
    assert (await sandbox.files.read("asked")).startswith("asked\nasked\n")
    await sandbox.kill()


async def test_git(box: Any) -> None:
    git = box.git
    await git.init("/tmp/origin", bare=True, initial_branch="main")
    await git.init("/tmp/work", initial_branch="main")
    await git.configure_user("A Name", "a@example.com")
    await git.set_config("core.editor", "true")
    assert await git.get_config("core.editor") == "true"
    await box.files.write("/tmp/work/file", "one\n")
    assert (await git.status("/tmp/work")).has_changes is True
    await git.add("/tmp/work")
    await git.commit("/tmp/work", "first")
    await git.remote_add("/tmp/work", "origin", "/tmp/origin")
    assert await git.remote_get("/tmp/work", "origin") == "/tmp/origin"
    await git.push("/tmp/work", remote="origin", branch="main")
    await git.clone("/tmp/origin", path="/tmp/clone")
    await git.create_branch("/tmp/work", "other")
    assert (await git.branches("/tmp/work")).current_branch == "other"
    await git.checkout_branch("/tmp/work", "main")
    await git.delete_branch("/tmp/work", "other", force=True)
    await box.files.write("/tmp/work/file", "two\n")
    await git.restore("/tmp/work", ["file"])
    assert await box.files.read("/tmp/work/file") == "one\n"
    await box.files.write("/tmp/work/file", "two\n")
    await git.add("/tmp/work")
    await git.reset("/tmp/work", mode="hard")
    await box.files.write("/tmp/work/file", "three\n")
    await git.add("/tmp/work")
    await git.commit("/tmp/work", "second")
    await git.push("/tmp/work")
    await git.pull("/tmp/clone")
    assert await box.files.read("/tmp/clone/file") == "three\n"
    await git.dangerously_authenticate("name", "word", host="git.example")
    assert "git.example" in await box.files.read("/home/user/.git-credentials")
