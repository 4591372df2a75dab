"""Both generations of the control plane's protocol, as raw requests."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from support.sandbox_server import SandboxServer


@pytest.fixture
def api(sandbox_server: SandboxServer) -> Iterator[httpx.Client]:
    headers = {"X-API-KEY": sandbox_server.key}
    with httpx.Client(base_url=sandbox_server.url, headers=headers, timeout=30) as client:
        yield client


@pytest.fixture(params=["/sandboxes", "/v2/sandboxes"])
def created(request: pytest.FixtureRequest, api: httpx.Client) -> Iterator[dict[str, Any]]:
    body = {"templateID": "base", "timeout": 60, "secure": True, "metadata": {"by": request.param}}
    reply = api.post(request.param, json=body)
    assert reply.status_code == 201
    made = reply.json()
    yield made
    api.delete(f"/sandboxes/{made['sandboxID']}")


def test_a_created_sandbox_is_described(api: httpx.Client, created: dict[str, Any]) -> None:
    assert {"sandboxID", "templateID", "clientID", "envdVersion", "domain"} <= created.keys()
    assert created["envdAccessToken"]
    detail = api.get(f"/sandboxes/{created['sandboxID']}").json()
    assert detail["state"] == "running"
    assert detail["metadata"]["by"] in ("/sandboxes", "/v2/sandboxes")


def test_the_first_generation_is_unsecured_unless_asked(api: httpx.Client) -> None:
    made = api.post("/sandboxes", json={"templateID": "base"}).json()
    try:
        assert made["envdAccessToken"] is None
        headers = {"E2b-Sandbox-Id": made["sandboxID"], "E2b-Sandbox-Port": "49983"}
        assert api.get("/files", params={"path": "/etc/hostname"}, headers=headers).text == (
            f"{made['sandboxID']}\n"
        )
    finally:
        api.delete(f"/sandboxes/{made['sandboxID']}")


@pytest.mark.parametrize("path", ["/sandboxes", "/v2/sandboxes"])
def test_lists(api: httpx.Client, created: dict[str, Any], path: str) -> None:
    ids = [sandbox["sandboxID"] for sandbox in api.get(path).json()]
    assert created["sandboxID"] in ids


def test_lists_since_a_moment(api: httpx.Client, created: dict[str, Any]) -> None:
    def since(moment: datetime) -> list[str]:
        reply = api.get("/v2/sandboxes", params={"startedAfter": moment.isoformat()})
        assert reply.status_code == 200
        return [sandbox["sandboxID"] for sandbox in reply.json()]

    now = datetime.now(UTC)
    assert created["sandboxID"] in since(now - timedelta(minutes=1))
    assert created["sandboxID"] not in since(now + timedelta(minutes=1))
    assert api.get("/v2/sandboxes", params={"startedAfter": "yesterday"}).status_code == 400


@pytest.mark.parametrize("path", ["/sandboxes/{}/connect", "/v2/sandboxes/{}/connect"])
def test_connects(api: httpx.Client, created: dict[str, Any], path: str) -> None:
    reply = api.post(path.format(created["sandboxID"]), json={"timeout": 100})
    assert reply.status_code in (200, 201)
    assert reply.json()["envdAccessToken"] == created["envdAccessToken"]
    detail = api.get(f"/sandboxes/{created['sandboxID']}").json()
    life = datetime.fromisoformat(detail["endAt"]) - datetime.fromisoformat(detail["startedAt"])
    assert life > timedelta(seconds=90)


def test_a_refresh_lengthens_the_life(api: httpx.Client, created: dict[str, Any]) -> None:
    reply = api.post(f"/sandboxes/{created['sandboxID']}/refreshes", json={"duration": 200})
    assert reply.status_code == 204
    detail = api.get(f"/sandboxes/{created['sandboxID']}").json()
    life = datetime.fromisoformat(detail["endAt"]) - datetime.fromisoformat(detail["startedAt"])
    assert life > timedelta(seconds=190)


def test_metrics_of_an_interval(api: httpx.Client, created: dict[str, Any]) -> None:
    path = f"/sandboxes/{created['sandboxID']}/metrics"
    now = int(datetime.now(UTC).timestamp())
    whole = api.get(path).json()
    assert len(api.get(path, params={"start": now - 60, "end": now}).json()) == len(whole)
    assert api.get(path, params={"start": now - 60, "end": now - 30}).json() == []
    assert api.get(path, params={"start": now + 60}).json() == []


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "templateID"),
        ({"templateID": 5}, "templateID"),
        ({"templateID": "base", "timeout": "soon"}, "timeout"),
        ({"templateID": "base", "timeout": -1}, "timeout"),
        ({"templateID": "base", "metadata": {"a": 1}}, "metadata"),
        ({"templateID": "base", "envVars": ["a"]}, "envVars"),
        ({"templateID": "base", "autoPause": "x"}, "autoPause"),
        ({"templateID": "base", "autoPauseMemory": False}, "autoPauseMemory"),
    ],
)
def test_a_wrong_field_is_named(api: httpx.Client, body: dict[str, Any], named: str) -> None:
    reply = api.post("/v2/sandboxes", json=body)
    assert reply.status_code == 400
    assert named in reply.json()["message"]


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b'"text"', b"{" * 100_000])
def test_a_body_that_is_no_object_is_refused(api: httpx.Client, content: bytes) -> None:
    assert api.post("/v2/sandboxes", content=content).status_code == 400


def test_unknown_paths_and_sandboxes_are_not_found(api: httpx.Client) -> None:
    for method, path in [
        ("GET", "/nosuch"),
        ("GET", "/sandboxes/nosuch"),
        ("DELETE", "/sandboxes/nosuch"),
        ("POST", "/sandboxes/nosuch/connect"),
        ("PATCH", "/sandboxes"),
    ]:
        reply = api.request(method, path, json={} if method == "POST" else None)
        assert reply.status_code in (404, 405), path
        assert reply.json()["message"]


def test_the_key_belongs_to_one_team(sandbox_server: SandboxServer) -> None:
    headers = {"Authorization": f"Bearer {sandbox_server.key}"}  # as the CLI sends it
    (team,) = httpx.get(f"{sandbox_server.url}/teams", headers=headers).json()
    assert (team["apiKey"], team["isDefault"]) == (sandbox_server.key, True)
    assert httpx.get(f"{sandbox_server.url}/teams").status_code == 401
