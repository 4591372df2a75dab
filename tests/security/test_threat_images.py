"""T-IMG: what hostile images, and images of others, make of a server."""

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2b import Template
from e2b.exceptions import BuildException

from support.images import PASSWORD, USER, Registry, entry, layer, link, registry, system_layer
from support.images import write_image as write
from support.sandbox_server import SandboxServer

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def private() -> Iterator[Registry]:
    with registry(private=True) as it:
        yield it


@pytest.fixture(scope="module")
def server(private: Registry) -> Iterator[SandboxServer]:
    options = ("--insecure-registry", private.address, "--pool", "0", "--image-size", "64")
    server = SandboxServer(options).start()
    yield server
    assert server.stop() == 0


def build(server: SandboxServer, image: str, *credentials: str) -> list[str]:
    lines: list[str] = []
    Template.build(
        Template().from_image(image, *credentials),
        f"t-{uuid.uuid4().hex[:12]}",
        on_build_logs=lambda log: lines.append(log.message),
        **server.sdk,
    )
    return lines


@pytest.mark.threat("T-IMG-1")
@pytest.mark.parametrize(
    "entries",
    [
        [link("out", "{outside}"), (entry("out/planted"), b"x")],
        [(entry("../../../../../..{outside}/planted"), b"x"), (entry("{outside}/planted"), b"x")],
        [link("up", "/proc/1/root"), (entry("up/planted"), b"x")],
        [link("up", "{outside}/secret", hard=True)],
        [entry("{outside}/.wh.secret"), entry("../{outside}/.wh.secret")],
        [entry("disk", type=b"4", devmajor=254, devminor=0)],
    ],
    ids=["link", "path", "proc", "hard link", "whiteout", "device"],
)
def test_a_layer_leads_nowhere_outside(
    server: SandboxServer, private: Registry, tmp_path: Path, entries: list[object]
) -> None:
    (tmp_path / "secret").write_text("kept")
    for item in entries:
        info = item[0] if isinstance(item, tuple) else item
        info.name = info.name.format(outside=tmp_path)
        info.linkname = info.linkname.format(outside=tmp_path)
    write(tmp_path / "image", [system_layer(), layer(entries)])
    image = private.push(tmp_path / "image", f"t{uuid.uuid4().hex}:1")
    with contextlib.suppress(BuildException):  # some are refused, others mean a path inside
        build(server, image, USER, PASSWORD)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image", "secret"]
    assert (tmp_path / "secret").read_text() == "kept"


@pytest.mark.threat("T-IMG-2")
def test_a_layer_that_grows_without_end_is_stopped_by_its_sandbox(
    server: SandboxServer, private: Registry, tmp_path: Path
) -> None:
    size = 1 << 40
    sparse = {"major": "1", "minor": "0", "name": "huge", "realsize": str(size)}
    holes = {f"GNU.sparse.{name}": value for name, value in sparse.items()}
    where = f"1\n{size}\n0\n".encode().ljust(512, b"\0")
    write(tmp_path / "bomb", [layer([(entry("huge", pax_headers=holes), where)])])
    with pytest.raises(BuildException, match=r"failed to unpack a layer.*No space left"):
        build(server, private.push(tmp_path / "bomb", "bomb:1"), USER, PASSWORD)
    write(tmp_path / "damaged", [b"\1" * 10_240])
    with pytest.raises(BuildException, match="failed to unpack a layer of the image"):
        build(server, private.push(tmp_path / "damaged", "damaged:1"), USER, PASSWORD)


@pytest.mark.threat("T-IMG-4")
def test_a_layer_that_unpacks_to_more_than_an_image_may_have_is_not_kept(
    server: SandboxServer, private: Registry, tmp_path: Path
) -> None:
    write(tmp_path / "bomb", [layer([(entry("zeros"), bytes(96 << 20))])])
    image = private.push(tmp_path / "bomb", "zeros:1")
    assert sum(file.stat().st_size for file in (tmp_path / "bomb").rglob("*")) < 1 << 20
    with pytest.raises(BuildException, match=r"larger than 67,108,864 bytes.*--image-size"):
        build(server, image, USER, PASSWORD)
    assert server.own_data is not None
    assert not any((server.own_data / "pulls").iterdir())


@pytest.mark.threat("T-IMG-4")
def test_a_description_without_bottom_is_refused(
    server: SandboxServer, private: Registry, tmp_path: Path
) -> None:
    deep = "[" * 5000 + "]" * 5000
    write(tmp_path / "deep", [system_layer()], more=f'"deep": {deep}')
    with pytest.raises(BuildException, match=r"failed to (inspect|pull) image"):
        build(server, private.push(tmp_path / "deep", "deep:1"), USER, PASSWORD)


@pytest.mark.threat("T-IMG-3")
def test_a_registrys_password_stands_in_no_log_and_no_file(
    server: SandboxServer, private: Registry, tmp_path: Path
) -> None:
    write(tmp_path / "image", [system_layer()])
    image = private.push(tmp_path / "image", "tests/private:1")
    for wrong in ((), (USER, "wrong-password")):
        with pytest.raises(BuildException, match="access denied to") as refusal:
            build(server, image, *wrong)
        assert "wrong-password" not in str(refusal.value)
    lines = build(server, image, USER, PASSWORD)
    assert PASSWORD not in "".join([*lines, *server.log_lines])
    assert server.own_data is not None
    assert not any((server.own_data / "pulls").iterdir())
    kept = [path for path in (server.own_data / "own-templates").rglob("*") if path.is_file()]
    assert kept
    assert not any(PASSWORD in path.read_text() for path in kept)
