"""T-PREV: what previews open, and what they do not."""

import httpx
import pytest
from e2b_code_interpreter import Sandbox

from support.preview_services import get, route, seen, start_service
from support.sandbox_server import SandboxServer


@pytest.mark.threat("T-PREV-1")
def test_a_private_port_asks_for_its_token(sandbox_server: SandboxServer) -> None:
    with Sandbox.create(network={"allow_public_traffic": False}, **sandbox_server.sdk) as sandbox:
        token = sandbox.traffic_access_token
        assert token
        for wrong in ({}, {"E2b_Traffic_Access_Token": "x"}, {"Cookie": token}):
            for port in (8000, 9, 49_999):
                refused = get(sandbox_server, sandbox, port=port, **wrong)
                assert refused.status_code == 403
                assert "traffic access token" in refused.json()["message"]
        opened = get(sandbox_server, sandbox, port=9, E2b_Traffic_Access_Token=token)
        assert opened.status_code == 502


@pytest.mark.threat("T-PREV-1")
def test_the_token_does_not_reach_the_service(sandbox_server: SandboxServer) -> None:
    with Sandbox.create(**sandbox_server.sdk) as sandbox:
        start_service(sandbox_server, sandbox)
        told = seen(get(sandbox_server, sandbox, E2b_Traffic_Access_Token="secret"))
        assert "e2b-traffic-access-token" not in told["headers"]


@pytest.mark.threat("T-PREV-2")
@pytest.mark.parametrize("path", ["/sandboxes", "/health", "/"])
def test_a_foreign_name_is_not_answered(sandbox_server: SandboxServer, path: str) -> None:
    for host in ("evil.example", "localhost.evil.example", "api.evil.example:49982", ""):
        headers = {"Host": host, "X-API-KEY": sandbox_server.key}
        assert httpx.get(f"{sandbox_server.url}{path}", headers=headers).status_code == 400


@pytest.mark.threat("T-PREV-2")
def test_a_sandboxs_name_leads_only_to_the_sandbox(
    sandbox_server: SandboxServer, sandbox: Sandbox
) -> None:
    host = f"8000-{sandbox.sandbox_id}.localhost"
    headers = {"Host": host, "X-API-KEY": sandbox_server.key}
    reply = httpx.get(f"{sandbox_server.url}/sandboxes", headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (502, 502)
    evil = {"Host": f"8000-{sandbox.sandbox_id}.evil.example"}
    assert httpx.get(sandbox_server.url, headers=evil).status_code == 400
    # A page behind a sandbox's name can set any header of requests to that name.
    other = {**headers, "E2b-Sandbox-Id": "other", "E2b-Sandbox-Port": "49983"}
    reply = httpx.get(f"{sandbox_server.url}/files", headers=other)
    assert reply.json()["port"] == 8000
    envd = {**headers, "Host": f"49983-{sandbox.sandbox_id}.localhost"}
    path = f"{sandbox_server.url}/sandboxes/{sandbox.sandbox_id}"
    assert httpx.get(path, headers=envd).status_code in (401, 404)


@pytest.mark.threat("T-PREV-3")
def test_only_the_sandboxs_own_loopback_is_reached(
    sandbox_server: SandboxServer, sandbox: Sandbox
) -> None:
    port = int(sandbox_server.url.rpartition(":")[2])
    assert httpx.get(f"{sandbox_server.url}/health").status_code == 200
    assert get(sandbox_server, sandbox, "/health", port=port).status_code == 502
    assert httpx.get(sandbox_server.url, headers=route(sandbox, port)).status_code == 502
