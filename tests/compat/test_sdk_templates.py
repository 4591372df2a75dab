"""Template.build and all about templates, through the published SDK."""

import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from e2b import Sandbox, Template, wait_for_file
from e2b.exceptions import BuildException, SandboxException
from e2b.template.types import TemplateBuildStatus

from support.sandbox_server import SandboxServer, data_folder, wait_until


@pytest.fixture
def name(sandbox_server: SandboxServer) -> Iterator[str]:
    alias = f"t-{uuid.uuid4().hex[:12]}"
    yield alias
    _delete(sandbox_server, alias)


def _delete(server: SandboxServer, alias: str) -> httpx.Response:
    headers = {"X-API-KEY": server.key}
    return httpx.delete(f"{server.url}/templates/{alias}", headers=headers)


def _post(server: SandboxServer, path: str, body: dict[str, Any]) -> httpx.Response:
    return httpx.post(f"{server.url}{path}", json=body, headers={"X-API-KEY": server.key})


def _order(server: SandboxServer, name: str) -> dict[str, Any]:
    reply = _post(server, "/v3/templates", {"name": name})
    assert reply.status_code == 202, reply.text
    ordered: dict[str, Any] = reply.json()
    return ordered


def _status(server: SandboxServer, ordered: dict[str, Any]) -> dict[str, Any]:
    path = f"/templates/{ordered['templateID']}/builds/{ordered['buildID']}/status"
    reply = httpx.get(f"{server.url}{path}", headers={"X-API-KEY": server.key})
    assert reply.status_code == 200, reply.text
    status: dict[str, Any] = reply.json()
    return status


def test_every_instruction_leaves_its_mark(
    sandbox_server: SandboxServer, name: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file.txt").write_text("copied")
    (tmp_path / "folder/link.txt").symlink_to("file.txt")
    template = (
        Template(file_context_path=str(tmp_path))
        .from_base_image()
        .copy("folder/*", "folder")
        .copy("folder/file.txt", "/srv-like/one.txt", mode=0o640)
        .set_envs({"GREETING": "hello", "BOTH": "$GREETING you"})
        .run_cmd('echo "$BOTH" > said.txt')
        .make_dir("/home/user/made")
        .set_workdir("/app/deep")
        .run_cmd("touch here")
    )
    Template.build(template, name, cpu_count=1, memory_mb=512, **sandbox_server.sdk)
    sandbox = Sandbox.create(name, **sandbox_server.sdk)
    try:
        run = sandbox.commands.run
        assert run("pwd").stdout.strip() == "/app/deep"
        assert run("ls").stdout.split() == ["here"]
        assert run("cat ~/said.txt").stdout.strip() == "hello you"
        assert run("cat ~/folder/link.txt").stdout == "copied"
        assert run("readlink ~/folder/link.txt").stdout.strip() == "file.txt"
        assert run("stat -c %a /srv-like/one.txt").stdout.strip() == "640"
        assert run("ls -A /tmp").stdout == ""
        assert sandbox.get_info().memory_mb == 512
    finally:
        sandbox.kill()


def test_the_same_steps_are_not_run_again(sandbox_server: SandboxServer, name: str) -> None:
    def build(salt: str, *, skip_cache: bool = False) -> list[str]:
        template = (
            Template().from_template("base").run_cmd(f"echo {name} > a").run_cmd(f"echo {salt} > b")
        )
        logs: list[str] = []
        Template.build(
            template,
            name,
            skip_cache=skip_cache,
            on_build_logs=lambda entry: logs.append(entry.message),
            **sandbox_server.sdk,
        )
        return [line for line in logs if "RUN echo" in line]

    assert not any(line.startswith("CACHED") for line in build("one"))
    assert all(line.startswith("CACHED") for line in build("one"))
    assert [line.startswith("CACHED") for line in build("two")] == [True, False]
    assert not any(line.startswith("CACHED") for line in build("two", skip_cache=True))


def test_a_template_of_ones_own_is_a_base_too(sandbox_server: SandboxServer, name: str) -> None:
    first = Template().from_template("base").set_workdir("/app").run_cmd("echo 1 > one; echo x > y")
    Template.build(first, f"{name}:v1", **sandbox_server.sdk)
    second = Template().from_template(f"{name}:v1").run_cmd("echo 2 > two && rm y")
    Template.build(second, f"{name}:v2", **sandbox_server.sdk)
    seen = {}
    for tag in ("v1", "v2"):
        sandbox = Sandbox.create(f"{name}:{tag}", **sandbox_server.sdk)
        seen[tag] = sandbox.commands.run("ls").stdout.split()
        sandbox.kill()
    assert seen == {"v1": ["one", "y"], "v2": ["one", "two"]}


def test_kernels_see_what_a_build_installed(sandbox_server: SandboxServer, name: str) -> None:
    from e2b_code_interpreter import Sandbox as CodeSandbox

    where = "$(echo /opt/venv/lib/python3.*/site-packages)"
    template = (
        Template()
        .from_template("code-interpreter-v1")
        .run_cmd(f"echo 'answer = 42' > {where}/{name.replace('-', '_')}.py")
    )
    Template.build(template, name, **sandbox_server.sdk)
    sandbox = CodeSandbox.create(name, **sandbox_server.sdk)
    try:
        assert sandbox.run_code(f"import {name.replace('-', '_')} as m; m.answer").text == "42"
    finally:
        sandbox.kill()


@pytest.mark.parametrize(
    "for_all",
    [True, pytest.param(False, marks=pytest.mark.skipif(os.geteuid() != 0, reason="needs root"))],
)
def test_a_package_of_a_folder_is_installed_where_programs_look(
    sandbox_server: SandboxServer, name: str, tmp_path: Path, *, for_all: bool
) -> None:
    """pip_install, from a wheel made here: an index would need the Internet."""
    import zipfile

    from e2b_code_interpreter import Sandbox as CodeSandbox

    info = "tiny_answer-1.0.dist-info"
    with zipfile.ZipFile(tmp_path / "tiny_answer-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_answer.py", "value = 42")
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-answer\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    for base in ("base", "code-interpreter-v1"):
        template = (
            Template(file_context_path=str(tmp_path))
            .from_template(base)
            .copy("*.whl", "/tmp/wheels/")
            .pip_install("--no-index /tmp/wheels/tiny_answer-1.0-py3-none-any.whl", g=for_all)
        )
        Template.build(template, name, **sandbox_server.sdk)
        sandbox = CodeSandbox.create(name, **sandbox_server.sdk)
        found = sandbox.commands.run("python -c 'import tiny_answer as t; print(t.value)'").stdout
        if base != "base":
            assert sandbox.run_code("import tiny_answer as t; t.value").text == "42"
        sandbox.kill()
        assert found == "42\n"


def test_the_start_command_runs_before_a_client_gets_its_sandbox(
    sandbox_server: SandboxServer, name: str
) -> None:
    start = "sleep 0.3; echo yes > /tmp/ready; sleep 1000"
    template = Template().from_base_image().set_start_cmd(start, wait_for_file("/tmp/ready"))
    Template.build(template, name, **sandbox_server.sdk)
    sandbox = Sandbox.create(name, **sandbox_server.sdk)
    try:
        assert sandbox.files.read("/tmp/ready") == "yes\n"
        assert sandbox.commands.run("pgrep -f 'sleep 1000'").stdout.strip()
    finally:
        sandbox.kill()


def test_the_start_command_runs_again_after_a_cold_start(
    sandbox_server: SandboxServer, name: str
) -> None:
    start = "echo again >> starts; exec sleep 1234"
    ready = "pgrep -fx 'sleep 1234'"
    template = Template().from_base_image().set_start_cmd(start, ready)
    Template.build(template, name, **sandbox_server.sdk)
    sandbox = Sandbox.create(name, **sandbox_server.sdk)
    try:
        sandbox.pause(mode="filesystem")
        again = sandbox.connect()
        assert again.files.read("starts") == "again\nagain\n"
        assert again.commands.run(ready).stdout.strip()
    finally:
        sandbox.kill()


def test_variables_of_a_template_are_its_sandboxes_unless_a_client_sets_them(
    sandbox_server: SandboxServer, name: str
) -> None:
    template = Template().from_base_image().set_envs({"COLOUR": "red", "SHAPE": "round"})
    Template.build(template, name, min_free_disk_mb=2048, **sandbox_server.sdk)
    sandbox = Sandbox.create(name, envs={"SHAPE": "square"}, **sandbox_server.sdk)
    try:
        assert sandbox.commands.run("echo $COLOUR $SHAPE").stdout == "red square\n"
        size_kb = sandbox.commands.run("df --output=size / | tail -1").stdout
        assert int(size_kb) >= 2048 * 1024
    finally:
        sandbox.kill()


def test_a_builds_log_is_paged_by_time(sandbox_server: SandboxServer, name: str) -> None:
    template = Template().from_base_image().run_cmd(f"echo {name}; echo oops >&2")
    built = Template.build(template, name, **sandbox_server.sdk)
    url = f"{sandbox_server.url}/templates/{built.template_id}/builds/{built.build_id}/logs"

    def page(**query: Any) -> list[str]:
        reply = httpx.get(url, params=query, headers={"X-API-KEY": sandbox_server.key})
        assert reply.status_code == 200, reply.text
        return [entry["message"] for entry in reply.json()["logs"]]

    lines = page()
    assert any(line.endswith("[stderr]: oops") for line in lines)
    assert page(direction="backward") == lines[::-1]
    assert page(limit=2) == lines[:2]
    assert page(level="error") == []
    assert page(cursor=1) == lines
    assert page(cursor=1, direction="backward") == []


@pytest.mark.parametrize(
    ("command", "user", "words"),
    [
        ("exit 3", None, r"failed to run command 'exit 3': exit status 3"),
        (
            "whoami",
            "root123",
            r"failed to run command 'whoami': command failed: unauthenticated: "
            r"invalid username: 'root123'",
        ),
    ],
)
def test_a_step_that_fails_is_told_in_e2bs_words(
    sandbox_server: SandboxServer, name: str, command: str, user: str | None, words: str
) -> None:
    template = Template().from_base_image().run_cmd("true").run_cmd(command, user=user)
    with pytest.raises(BuildException, match=words):
        Template.build(template, name, **sandbox_server.sdk)
    with pytest.raises(SandboxException, match="tag 'default' does not exist"):
        Sandbox.create(name, **sandbox_server.sdk)


@pytest.mark.parametrize(
    ("recipe", "step", "words"),
    [
        ({"fromImage": "e2bdev/base", "steps": [{"type": "FETCH"}]}, "1", "FETCH is not implem"),
        ({"fromImage": "e2bdev/base", "steps": [{"type": "RUN"}]}, "1", "requires command"),
        (
            {"fromImage": "e2bdev/base", "steps": [{"type": "ENV", "args": ["A"]}]},
            "1",
            "both a key",
        ),
        (
            {"fromImage": "e2bdev/base", "steps": [{"type": "COPY", "args": ["a", "b"]}]},
            "1",
            "requires files hash",
        ),
        (
            {"fromImage": "e2bdev/base", "steps": [{"type": "USER", "args": ["; exit 1"]}]},
            "1",
            "failed to create user",
        ),
        (
            {"fromImage": "e2bdev/base", "steps": [{"type": "WORKDIR", "args": ["/etc/passwd"]}]},
            "1",
            "failed to create workdir",
        ),
        ({"fromTemplate": "no-such"}, "base", "template 'no-such' not found"),
        ({"fromImage": "nobody/knows:1"}, "base", "failed to pull image 'nobody/knows:1'"),
        ({}, "base", "Exactly one of"),
        (
            {"fromImage": "e2bdev/base", "startCmd": "no-such-program", "readyCmd": "sleep 5"},
            "finalize",
            "start command failed",
        ),
    ],
)
def test_a_wrong_recipe_names_its_step(
    sandbox_server: SandboxServer, name: str, recipe: dict[str, Any], step: str, words: str
) -> None:
    ordered = _order(sandbox_server, name)
    path = f"/v2/templates/{ordered['templateID']}/builds/{ordered['buildID']}"
    assert _post(sandbox_server, path, recipe).status_code == 202
    wait_until(lambda: _status(sandbox_server, ordered)["status"] == "error", 30)
    reason = _status(sandbox_server, ordered)["reason"]
    assert reason["step"] == step
    assert words in reason["message"]
    assert _post(sandbox_server, path, recipe).status_code == 400  # it is not waiting any more


def test_a_newer_build_cancels_one_that_runs(sandbox_server: SandboxServer, name: str) -> None:
    slow = Template().from_base_image().run_cmd(f"sleep 1000; echo {name}")
    first = Template.build_in_background(slow, name, **sandbox_server.sdk)
    status = Template.get_build_status(first, **sandbox_server.sdk)
    assert status.status == TemplateBuildStatus.BUILDING
    Template.build(Template().from_base_image().run_cmd("true"), name, **sandbox_server.sdk)
    wait_until(
        lambda: Template.get_build_status(first, **sandbox_server.sdk).status.value == "error"
    )
    reason = Template.get_build_status(first, **sandbox_server.sdk).reason
    assert reason is not None
    assert reason.message == "build was cancelled"


def test_a_template_built_again_has_its_new_limits(
    sandbox_server: SandboxServer, name: str
) -> None:
    seen = []
    for memory_mb in (512, 256):
        empty = Template().from_base_image()
        Template.build(empty, name, memory_mb=memory_mb, **sandbox_server.sdk)
        sandbox = Sandbox.create(name, **sandbox_server.sdk)
        seen.append(sandbox.get_info().memory_mb)
        sandbox.kill()
    assert seen == [512, 256]


def test_tags(sandbox_server: SandboxServer, name: str) -> None:
    sdk = sandbox_server.sdk
    Template.build(Template().from_base_image(), f"{name}:v1", tags=["first"], **sdk)
    assigned = Template.assign_tags(f"{name}:v1", ["production", "latest"], **sdk)
    assert sorted(assigned.tags) == ["latest", "production"]
    Template.remove_tags(name, "latest", **sdk)
    assert {t.tag for t in Template.get_tags(name, **sdk)} == {"v1", "first", "production"}
    for wrong in (":x", f"{name}:"):
        with pytest.raises(SandboxException, match="invalid"):
            Template.assign_tags(f"{name}:v1", wrong, **sdk)
    with pytest.raises(SandboxException, match="Cannot delete the 'default' tag"):
        Template.remove_tags(name, "default", **sdk)
    with pytest.raises(SandboxException, match="not found"):
        Template.get_tags("no-such-template", **sdk)


def test_names(sandbox_server: SandboxServer, name: str) -> None:
    sdk = sandbox_server.sdk
    assert not Template.exists(name, **sdk)
    Template.build(Template().from_base_image(), name, **sdk)
    assert Template.exists(name, **sdk)
    assert Template.alias_exists("base", **sdk)
    assert not Template.exists(f"{name}:none", **sdk)
    with pytest.raises(BuildException, match="already used"):
        Template.build(Template().from_base_image(), "base", **sdk)
    headers = {"X-API-KEY": sandbox_server.key}
    listed = httpx.get(f"{sandbox_server.url}/templates", headers=headers).json()
    assert [t["buildStatus"] for t in listed if name in t["aliases"]] == ["ready"]


def test_a_template_in_use_is_not_deleted(sandbox_server: SandboxServer, name: str) -> None:
    template = Template().from_base_image().run_cmd(f"echo {name} > mark")
    Template.build(template, name, **sandbox_server.sdk)
    sandbox = Sandbox.create(name, **sandbox_server.sdk)
    refusal = _delete(sandbox_server, name)
    assert refusal.status_code == 400
    assert "sandboxes using it" in refusal.json()["message"]
    sandbox.kill()
    assert _delete(sandbox_server, name).status_code == 204
    assert _delete(sandbox_server, name).status_code == 404
    assert not Template.exists(name, **sandbox_server.sdk)


def test_a_template_outlives_its_server_and_a_step_has_an_end(tmp_path: Path) -> None:
    arguments = ("--data", str(data_folder(tmp_path)), "--build-step-timeout", "1", "--pool", "0")
    server = SandboxServer(arguments).start()
    try:
        marked = Template().from_base_image().run_cmd("echo kept > mark")
        Template.build(marked, "kept", **server.sdk)
        begun = time.monotonic()
        with pytest.raises(BuildException, match="command timed out after 1s"):
            Template.build(Template().from_base_image().run_cmd("sleep 100"), "slow", **server.sdk)
        assert time.monotonic() - begun < 60
    finally:
        server.stop()
    server = SandboxServer(arguments).start()
    try:
        sandbox = Sandbox.create("kept", **server.sdk)
        assert sandbox.files.read("mark") == "kept\n"
        sandbox.kill()
    finally:
        server.stop()
