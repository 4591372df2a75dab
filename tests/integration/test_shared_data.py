"""Two servers on one data folder: the second one serves sandboxes, and says what it cannot keep."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from e2b import Template
from e2b_code_interpreter import Sandbox

from support.sandbox_server import SandboxServer, data_folder, wait_until


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[SandboxServer]]:
    data = str(data_folder(tmp_path))
    started = []
    for number in range(2):
        state = str(tmp_path / f"{number}.json")
        started.append(SandboxServer(("--data", data, "--state", state, "--pool", "0")).start())
    yield started
    for server in started:
        assert server.stop() == 0
    assert sorted(path.name for path in (tmp_path / "layers").iterdir()) == [
        "sandboxes",
        "templates",
    ]


@pytest.mark.timeout(120)
def test_the_second_one_says_what_it_cannot_keep(
    servers: list[SandboxServer], tmp_path: Path
) -> None:
    first, second = servers
    wait_until(lambda: all((tmp_path / f"{n}.json").exists() for n in (0, 1)))
    told = [json.loads((tmp_path / f"{n}.json").read_text())["degraded"] for n in (0, 1)]
    assert not any("another server" in what for what in told[0])
    assert any("another server" in what and "--data" in what for what in told[1])
    for kind, body in (("volumes", {"name": "v"}), ("secrets", {"name": "s", "value": "x"})):
        made = [
            httpx.post(f"{s.url}/{kind}", json=body, headers={"X-API-KEY": s.key}) for s in servers
        ]
        assert [reply.status_code for reply in made] == [201, 409]
        assert "--data" in made[1].json()["message"]
        listed = httpx.get(f"{second.url}/{kind}", headers={"X-API-KEY": second.key})
        assert listed.status_code == 409
    with pytest.raises(Exception, match="--data of its own"):
        Template.build(
            Template().from_template("base"),
            "refused",
            api_url=second.url,
            api_key=second.key,
        )
    with Sandbox.create("base", timeout=120, **second.sdk) as sandbox:
        sandbox.files.write("kept", "kept")
        snapshot = sandbox.create_snapshot()
        sandbox.pause(keep_memory=False)
        sandbox.connect()
        assert sandbox.files.read("kept") == "kept"
        with Sandbox.create(snapshot.snapshot_id, **second.sdk) as copy:
            assert copy.files.read("kept") == "kept"
    with Sandbox.create("base", timeout=120, **first.sdk) as sandbox:
        assert sandbox.commands.run("echo ok").stdout == "ok\n"
