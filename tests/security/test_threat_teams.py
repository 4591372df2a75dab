"""T-TEAM: what one team has is for another as if it did not exist."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from e2b import RateLimitException
from e2b_code_interpreter import Sandbox

from capibara6_sandbox.gateway.control import create_control_app
from capibara6_sandbox.gateway.metering import Meters
from capibara6_sandbox.host.keeper import Keeper
from capibara6_sandbox.host.keeper_settings import KeeperSettings
from support.sandbox_server import SandboxServer, wait_until

SOURCES = str(Path(__file__).parents[2] / "src")
# Ids of the same forms that nobody has.
NOBODYS = {
    "sandbox": "a" * 20,
    "snapshot": "b" * 20,
    "volume": "00000000-0000-4000-8000-000000000000",
    "secret": "sec_" + "0" * 32,
    "template": "c" * 20,
    "alias": "nobodystemplate",
    "volume_name": "nobodysvolume",
    "secret_name": "nobodyssecret",
    "snapshot_name": "nobodyssnapshot",
    "build": "00000000-0000-4000-8000-000000000001",
}


@dataclass
class Teams:
    """A server with two teams, the first of which has one of everything."""

    server: SandboxServer
    sandbox: Sandbox
    theirs: dict[str, str]
    own: httpx.Client
    foreign: httpx.Client
    foreign_key: str


def added(server: SandboxServer, *arguments: str) -> str:
    command = [sys.executable, "-m", "capibara6_sandbox", "keys", "--data", str(server.own_data)]
    done = subprocess.run(
        [*command, "add", *arguments],
        env={"PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    key = done.stdout.strip()
    with client(server, key) as http:  # a running server looks for new keys once a second
        wait_until(lambda: http.get("/v2/sandboxes").status_code != 401)
    return key


def client(server: SandboxServer, key: str) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers={"X-API-KEY": key}, timeout=60)


@pytest.fixture(scope="module")
def teams() -> Iterator[Teams]:
    server = SandboxServer(("--pool", "1")).start()
    try:
        yield from _teams(server)
    finally:
        assert server.stop() == 0


def _teams(server: SandboxServer) -> Iterator[Teams]:
    foreign_key = added(server, "b", "--team", "b")
    with client(server, server.key) as own, client(server, foreign_key) as foreign:
        sandbox = Sandbox.create(timeout=600, metadata={"of": "a"}, **server.sdk)
        sandbox.commands.run("true")
        volume = own.post("/volumes", json={"name": "theirsvolume"}).json()
        secret = own.post("/secrets", json={"name": "theirssecret", "value": "v"}).json()
        taken = own.post(
            f"/sandboxes/{sandbox.sandbox_id}/snapshots", json={"name": "theirssnapshot"}
        )
        order = own.post("/v3/templates", json={"name": "theirstemplate"}).json()
        theirs = {
            "sandbox": sandbox.sandbox_id,
            "snapshot": taken.json()["snapshotID"].partition(":")[0],
            "volume": volume["volumeID"],
            "secret": secret["secretID"],
            "template": order["templateID"],
            "alias": "theirstemplate",
            "volume_name": "theirsvolume",
            "secret_name": "theirssecret",
            "snapshot_name": "theirssnapshot",
            "build": order["buildID"],
        }
        yield Teams(server, sandbox, theirs, own, foreign, foreign_key)
        sandbox.kill()


def told(reply: httpx.Response, ids: dict[str, str]) -> tuple[int, str]:
    """Return a reply without the ids that it repeats, and without times."""
    text = reply.text
    for name in ids.values():
        text = text.replace(name, "…")
    return reply.status_code, re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z?", "T", text)


def routes(folder: Path) -> list[tuple[str, str]]:
    keeper = Keeper(KeeperSettings(folder))
    app = create_control_app(keeper, Meters(keeper.keys.limits, 1), "x", 0)
    return [
        (method, route.path)  # type: ignore[attr-defined]
        for route in app.routes
        for method in sorted(route.methods)  # type: ignore[attr-defined]
        if "{" in route.path and not route.path.startswith("/volumecontent")  # type: ignore[attr-defined]
    ]


@pytest.mark.threat("T-TEAM-1")
def test_ids_of_another_team_are_as_unknown_as_nobodys(teams: Teams, tmp_path: Path) -> None:
    asked = routes(tmp_path)
    assert len(asked) > 30
    for method, path in asked:
        for kind in NOBODYS:
            replies = []
            for ids in (teams.theirs, NOBODYS):
                filled = path.replace("{build}", ids["build"]).replace("{hash}", "0" * 64)
                filled = re.sub(r"{[^}]+}", ids[kind], filled)
                body = None if method in ("GET", "HEAD", "DELETE") else bodies(ids)
                replies.append(told(teams.foreign.request(method, filled, json=body), ids))
            assert replies[0] == replies[1], (method, path, kind)
            told_nothing = replies[0][0] >= 400 or "logs" in path or "metrics" in path
            assert told_nothing, (method, path, kind)
    assert teams.sandbox.is_running()
    for path in ("/volumes/{volume}", "/secrets/{secret}", "/templates/{template}"):
        assert teams.own.get(path.format(**teams.theirs)).status_code == 200


def bodies(ids: dict[str, str]) -> dict[str, Any]:
    """Return a body that every route takes what it needs of."""
    return {
        "timeout": 60,
        "duration": 60,
        "value": "other",
        "public": True,
        "fromTemplate": ids["template"],
        "steps": [],
    }


@pytest.mark.threat("T-TEAM-1")
@pytest.mark.parametrize(
    "path",
    [
        "/sandboxes",
        "/v2/sandboxes",
        "/v2/sandboxes?metadata=of%3Da",
        "/snapshots",
        "/snapshots?sandboxID={sandbox}",
        "/volumes",
        "/secrets",
        "/sandboxes/metrics?sandbox_ids={sandbox}",
        "/sandboxes/{sandbox}/logs",
        "/v2/sandboxes/{sandbox}/logs",
    ],
)
def test_lists_hold_nothing_of_another_team(teams: Teams, path: str) -> None:
    filled = path.format(**teams.theirs)
    if "metrics" in path and any("no cgroups" in line for line in teams.server.log_lines):
        pytest.skip("no cgroups: what sandboxes use is not measured")
    empty = ([], {"sandboxes": {}}, {"logs": []}, {"logs": [], "logEntries": []})
    wait_until(lambda: teams.own.get(filled).json() not in empty)  # metrics come in their time
    held, shown = teams.own.get(filled), teams.foreign.get(filled)
    assert (held.status_code, shown.status_code) == (200, 200)
    assert shown.json() in empty


@pytest.mark.threat("T-TEAM-1")
def test_templates_of_another_team_are_not_listed(teams: Teams) -> None:
    assert "theirstemplate" in teams.own.get("/templates").text
    assert "theirstemplate" not in teams.foreign.get("/templates").text


@pytest.mark.threat("T-TEAM-1")
@pytest.mark.parametrize("kind", ["snapshot", "snapshot_name", "template", "alias"])
def test_nothing_starts_from_what_another_team_has(teams: Teams, kind: str) -> None:
    replies = [
        told(teams.foreign.post("/v2/sandboxes", json={"templateID": ids[kind]}), ids)
        for ids in (teams.theirs, NOBODYS)
    ]
    assert replies[0] == replies[1]
    assert replies[0][0] == 404


@pytest.mark.threat("T-TEAM-1")
def test_volumes_of_another_team_are_not_mounted_and_names_are_each_teams_own(
    teams: Teams,
) -> None:
    mount = [{"name": "theirsvolume", "path": "/data"}]
    body = {"templateID": "base", "volumeMounts": mount}
    assert teams.foreign.post("/v2/sandboxes", json=body).status_code == 400
    for path, named in (("/volumes", "theirsvolume"), ("/secrets", "theirssecret")):
        made = teams.foreign.post(path, json={"name": named, "value": "w"})
        assert made.status_code == 201
        own_id = made.json().get("volumeID") or made.json()["secretID"]
        assert teams.foreign.delete(f"{path}/{own_id}").status_code == 204
    assert teams.own.get(f"/volumes/{teams.theirs['volume']}").status_code == 200


@pytest.mark.threat("T-TEAM-1")
def test_a_key_used_twice_for_repeats_gives_nobody_anothers_sandbox(teams: Teams) -> None:
    made = []
    for http in (teams.own, teams.foreign):
        repeat = {"Idempotency-Key": "the-same"}
        reply = http.post("/v2/sandboxes", json={"templateID": "base"}, headers=repeat)
        made.append(reply.json()["sandboxID"])
        http.delete(f"/sandboxes/{made[-1]}")
    assert made[0] != made[1]


@pytest.mark.threat("T-TEAM-2")
def test_a_key_has_limits_of_its_own(teams: Teams) -> None:
    key = added(teams.server, "small", "--team", "small", "--max-sandboxes", "1")
    sdk = {**teams.server.sdk, "api_key": key}
    only = Sandbox.create(**sdk)
    try:
        with pytest.raises(RateLimitException, match="maximum number of concurrent E2B sandboxes"):
            Sandbox.create(**sdk)
        Sandbox.create(**teams.server.sdk).kill()  # others are not kept out
    finally:
        only.kill()
    Sandbox.create(**sdk).kill()


@pytest.mark.threat("T-TEAM-2")
def test_requests_beyond_a_keys_rate_are_told_when_to_come_again(teams: Teams) -> None:
    key = added(teams.server, "slow", "--team", "slow", "--max-requests", "2")
    with client(teams.server, key) as http:
        replies = [http.get("/v2/sandboxes") for _ in range(12)]
    refused = [reply for reply in replies if reply.status_code == 429]
    assert refused
    assert all(int(reply.headers["retry-after"]) >= 1 for reply in refused)
    assert teams.own.get("/v2/sandboxes").status_code == 200


@pytest.mark.threat("T-TEAM-3")
def test_a_removed_key_opens_nothing(teams: Teams) -> None:
    key = added(teams.server, "gone", "--team", "gone")
    with client(teams.server, key) as http:
        assert http.get("/v2/sandboxes").status_code == 200
        command = [sys.executable, "-m", "capibara6_sandbox", "keys", "remove", "gone"]
        env = {"PYTHONPATH": SOURCES, "CAPIBARA6_HOME": str(teams.server.own_data)}
        subprocess.run(command, env=env, check=True, timeout=60)
        wait_until(lambda: http.get("/v2/sandboxes").status_code == 401)


@pytest.mark.threat("T-TEAM-3")
def test_no_key_is_kept_in_plain(teams: Teams) -> None:
    assert teams.server.own_data is not None
    keys = [teams.foreign_key.encode(), teams.server.key.encode()]
    for file in teams.server.own_data.rglob("*"):
        if file.is_file() and "templates" not in file.parts:
            content = file.read_bytes()
            assert not any(key in content for key in keys), file
