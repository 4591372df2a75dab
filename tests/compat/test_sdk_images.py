"""Templates from images of a registry, through the published SDK."""

import os
import shutil
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2b import Sandbox, Template
from e2b.exceptions import BuildException
from e2b_code_interpreter import Sandbox as CodeSandbox

from support.images import (
    Registry,
    entry,
    folder,
    layer,
    link,
    registry,
    system_layer,
    write_image,
)
from support.sandbox_server import SandboxServer, wait_until

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def public() -> Iterator[Registry]:
    with registry() as it:
        yield it


@pytest.fixture(scope="module")
def server(public: Registry) -> Iterator[SandboxServer]:
    """A server that may use the registry."""
    server = SandboxServer(("--insecure-registry", public.address, "--pool", "0")).start()
    yield server
    assert server.stop() == 0


@pytest.fixture
def name() -> str:
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, public: Registry) -> str:
    """An image whose second layer adds to, hides and replaces what the first one has."""
    first = layer(
        [
            folder("data"),
            (entry("data/gone"), b"1"),
            (entry("data/kept", uid=123, gid=45, mode=0o640), b"2"),
            folder("full"),
            (entry("full/old"), b"3"),
            (entry("swapped"), b"4"),
        ]
    )
    second = layer(
        [
            entry("data/.wh.gone"),
            (entry("full/new"), b"5"),
            entry("full/.wh..wh..opq"),
            folder("swapped"),
            link("data/soft", "kept"),
            link("data/hard", "data/kept", hard=True),
            entry("data/device", type=b"3", devmajor=1, devminor=3),
            (entry("proc/1/note"), b"no"),
        ]
    )
    target = tmp_path_factory.mktemp("images") / "two-layers"
    write_image(target, [system_layer(), first, second], ["GREETING=hello there", "EMPTY="])
    return public.push(target, "tests/two-layers:1")


def build(server: SandboxServer, name: str, template: object) -> list[str]:
    lines: list[str] = []
    Template.build(
        template,  # type: ignore[arg-type]
        name,
        on_build_logs=lambda log: lines.append(log.message),
        **server.sdk,
    )
    return lines


def test_an_images_files_are_those_of_its_layers_together(
    server: SandboxServer, name: str, image: str
) -> None:
    lines = build(server, name, Template().from_image(image).run_cmd("echo $GREETING > said"))
    assert sum("Unpacking layer" in line for line in lines) == 3
    sandbox = Sandbox.create(name, **server.sdk)
    try:
        run = sandbox.commands.run
        assert run("ls /data /full").stdout.split() == [
            "/data:",
            "hard",
            "kept",
            "soft",
            "/full:",
            "new",
        ]
        assert run("readlink /data/soft; stat -c %h /data/kept").stdout.split() == ["kept", "2"]
        assert (
            run("ls -d /swapped/ && cat ~/said && echo $GREETING").stdout.count("hello there") == 2
        )
        if os.geteuid() == 0:
            assert run("stat -c '%u %g %a' /data/kept").stdout.strip() == "123 45 640"
            assert run("id -u", user="root").stdout.strip() == "0"
        assert run("id -un; pwd").stdout.split() == ["user", "/home/user"]
        assert "127.0.0.1 localhost" in run("cat /etc/hosts").stdout
        # Nothing of the host's programs is there.
        assert run("ls /usr/bin | grep -c python; ls /opt /usr/share 2>&1 || true").stdout[0] == "0"
        sandbox.files.write("/home/user/text", "written")
        assert sandbox.files.read("text") == "written"
        sandbox.pause(mode="filesystem")
        assert sandbox.connect().files.read("text") == "written"
    finally:
        sandbox.kill()


def test_what_was_pulled_is_not_pulled_again_unless_asked(
    server: SandboxServer, name: str, image: str
) -> None:
    build(server, name, Template().from_image(image))
    assert any(
        line.startswith("CACHED [base]")
        for line in build(server, name, Template().from_image(image))
    )
    again = build(server, name, Template().skip_cache().from_image(image))
    assert any("Pulling" in line for line in again)
    assert not any("Unpacking" in line for line in again)  # its layers are known by their digests


def test_a_template_of_an_image_is_a_base_and_has_no_kernels(
    server: SandboxServer, name: str, image: str
) -> None:
    build(server, name, Template().from_dockerfile(f"FROM {image}\nWORKDIR /app\nRUN echo 1 > one"))
    build(server, f"{name}-2", Template().from_template(name).run_cmd("echo 2 > two", user="root"))
    sandbox = CodeSandbox.create(f"{name}-2", **server.sdk)
    try:
        assert sandbox.commands.run("ls").stdout.split() == ["one", "two"]
        with pytest.raises(Exception, match="port is not open"):
            sandbox.run_code("1 + 1")
    finally:
        sandbox.kill()


def test_an_image_with_ids_of_another_kind_or_no_shell_says_so(
    server: SandboxServer, name: str, public: Registry, tmp_path: Path
) -> None:
    write_image(tmp_path / "bare", [layer([(entry("only"), b"a file")])])
    bare = public.push(tmp_path / "bare", "tests/bare:1")
    with pytest.raises(BuildException, match=r"error provisioning sandbox|/bin/sh"):
        build(server, name, Template().from_image(bare))
    write_image(tmp_path / "other", [layer([])], architecture="s390x")
    other = public.push(tmp_path / "other", "tests/other:1")
    with pytest.raises(BuildException, match="image architecture 's390x' does not match expected"):
        build(server, name, Template().from_image(other))


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("{registry}/no/such:1", "not found:"),
        ("{registry}/tests/two-layers:none", "the image or tag does not exist in the registry"),
        (
            "127.0.0.1:9/a/b:1",
            "has an address that is not public. Start the server with --registry",
        ),
        ("169.254.169.254/a:1", "has an address that is not public"),
        ("--all", "invalid image reference"),
        ("docker-daemon:a:b", "invalid image reference"),
        ("registry.invalid/a:1", "failed to pull image 'registry.invalid/a:1'"),
    ],
)
def test_an_image_that_cannot_be_had_is_told(
    server: SandboxServer, name: str, image: str, public: Registry, reference: str, words: str
) -> None:
    del image  # is there, so that its registry knows the repository
    with pytest.raises(BuildException, match=words):
        build(server, name, Template().from_image(reference.format(registry=public.address)))


def test_a_pull_that_is_given_up_leaves_nothing(name: str) -> None:
    """A registry that never answers, and a newer build of the same name."""
    if shutil.which("skopeo") is None:
        pytest.skip("needs skopeo: run `make extras`")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        server = SandboxServer(("--insecure-registry", address, "--pool", "0")).start()
        try:
            stuck = Template().from_image(f"{address}/never:1")
            first = Template.build_in_background(stuck, name, **server.sdk)
            silent.settimeout(60)
            asked, _ = silent.accept()  # skopeo waits for an answer now
            Template.build(Template().from_base_image(), name, **server.sdk)
            status = Template.get_build_status(first, **server.sdk)
            assert status.reason is not None
            assert status.reason.message == "build was cancelled"
            asked.settimeout(60)
            while asked.recv(4096):  # until its end: the program has ended
                pass
            asked.close()
            assert server.own_data is not None
            wait_until(lambda: not any((server.own_data / "pulls").iterdir()))
        finally:
            assert server.stop() == 0
