"""T-AUTH: nobody uses a sandbox, or the server, without its key or token."""

from collections.abc import Callable

import httpx
import pytest
from e2b_code_interpreter import Sandbox

from support import data_plane
from support.data_plane import CODE_INTERPRETER_PORT, ENVD_PORT
from support.sandbox_server import SandboxServer

CONTROL = [
    ("GET", "/sandboxes"),
    ("GET", "/v2/sandboxes"),
    ("POST", "/sandboxes"),
    ("POST", "/v2/sandboxes"),
    ("GET", "/sandboxes/x"),
    ("DELETE", "/sandboxes/x"),
    ("POST", "/sandboxes/x/timeout"),
    ("POST", "/sandboxes/x/connect"),
    ("GET", "/sandboxes/x/metrics"),
    ("GET", "/templates"),
    ("GET", "/nosuch"),
]
# Published clients send no token with these: the sandbox's id is the secret that opens them.
CONTEXTS = [
    (CODE_INTERPRETER_PORT, "GET", "/contexts", None),
    (CODE_INTERPRETER_PORT, "POST", "/contexts", {}),
    (CODE_INTERPRETER_PORT, "DELETE", "/contexts/x", None),
    (CODE_INTERPRETER_PORT, "POST", "/contexts/x/restart", None),
]
DATA = [
    (CODE_INTERPRETER_PORT, "POST", "/execute", {"code": "1"}),
    (ENVD_PORT, "GET", "/files?path=/etc/hostname", None),
    (ENVD_PORT, "POST", "/files?path=/tmp/x", None),
    (ENVD_PORT, "GET", "/envs", None),
    (ENVD_PORT, "GET", "/metrics", None),
    (ENVD_PORT, "POST", "/process.Process/List", {}),
    (ENVD_PORT, "POST", "/filesystem.Filesystem/ListDir", {"path": "/"}),
]

Ask = Callable[..., httpx.Response]


@pytest.fixture
def ask(sandbox_server: SandboxServer) -> Ask:
    def send(method: str, path: str, **more: object) -> httpx.Response:
        return httpx.request(method, sandbox_server.url + path, timeout=30, **more)  # type: ignore[arg-type]

    return send


@pytest.mark.threat("T-AUTH-1")
@pytest.mark.parametrize(("method", "path"), CONTROL)
def test_the_control_plane_asks_for_the_key(
    ask: Ask, sandbox_server: SandboxServer, method: str, path: str
) -> None:
    wrong = [
        {},
        {"X-API-KEY": ""},
        {"X-API-KEY": "e2b_" + "0" * 40},
        {"X-API-KEY": sandbox_server.key[:-1]},
        {"X-API-KEY": sandbox_server.key + "0"},
        {"Authorization": "Bearer e2b_" + "0" * 40},
        {"Authorization": f"Basic {sandbox_server.key}"},
        {"X-API-KEY": "ñ".encode("latin-1")},
    ]
    for headers in wrong:
        reply = ask(method, path, headers=headers)
        assert reply.status_code == 401, headers
        assert sandbox_server.key not in reply.text


@pytest.mark.threat("T-AUTH-2")
@pytest.mark.parametrize(("port", "method", "path", "body"), [*DATA, *CONTEXTS])
def test_the_data_plane_asks_for_the_token(
    ask: Ask, sandbox: Sandbox, port: int, method: str, path: str, body: object
) -> None:
    right = data_plane.headers(sandbox, port)
    token = right.pop("X-Access-Token")
    for wrong in ("", "0" * 32, token[:-1], token + "0"):
        headers = {**right, "X-Access-Token": wrong}
        assert ask(method, path, headers=headers, json=body).status_code == 401, wrong
    if (port, method, path, body) in DATA:
        assert ask(method, path, headers=right, json=body).status_code == 401


@pytest.mark.threat("T-AUTH-3")
def test_a_token_opens_its_own_sandbox_only(
    ask: Ask, sandbox_server: SandboxServer, sandbox: Sandbox
) -> None:
    other = Sandbox.create(**sandbox_server.sdk)
    try:
        for port, method, path, body in [*DATA, *CONTEXTS]:
            headers = {
                **data_plane.headers(other, port),
                "X-Access-Token": sandbox._envd_access_token or "",
            }
            assert ask(method, path, headers=headers, json=body).status_code == 401
    finally:
        other.kill()


@pytest.mark.threat("T-AUTH-3")
def test_a_token_that_names_no_sandbox_is_for_its_own(ask: Ask, sandbox: Sandbox) -> None:
    """SDKs before the summer of 2026 send no more than this after `Sandbox.connect`."""
    own = {"X-Access-Token": sandbox._envd_access_token or ""}
    assert ask("GET", "/files", params={"path": "/etc/hostname"}, headers=own).text == (
        f"{sandbox.sandbox_id}\n"
    )
    assert ask("POST", "/execute", headers=own, json={"code": "1"}).status_code == 404
    assert ask("GET", "/sandboxes", headers=own).status_code == 404
    assert ask("GET", f"/sandboxes/{sandbox.sandbox_id}", headers=own).status_code == 401
    for token in ("x", own["X-Access-Token"][:-1], "é"):
        reply = ask("GET", "/health", headers={"X-Access-Token": token.encode()})
        assert (reply.status_code, reply.json()["message"]) == (502, "The sandbox was not found")


@pytest.mark.threat("T-AUTH-6")
def test_an_id_cannot_be_guessed(sandbox_server: SandboxServer) -> None:
    made = [Sandbox.create("base", **sandbox_server.sdk) for _ in range(3)]
    for sandbox in made:
        sandbox.kill()
    assert {len(sandbox.sandbox_id) for sandbox in made} == {20}  # of 36 letters: 103 bits
    assert len({sandbox.sandbox_id[:4] for sandbox in made}) == 3


@pytest.mark.threat("T-AUTH-3")
def test_the_servers_key_is_no_token(
    ask: Ask, sandbox_server: SandboxServer, sandbox: Sandbox
) -> None:
    headers = {**data_plane.headers(sandbox), "X-Access-Token": sandbox_server.key}
    assert ask("POST", "/execute", headers=headers, json={"code": "1"}).status_code == 401


@pytest.mark.threat("T-AUTH-4")
@pytest.mark.parametrize("name", ["nosuch", "../x", "0" * 10_000, "%00", "*"])
def test_unknown_sandboxes_are_not_found(ask: Ask, sandbox: Sandbox, name: str) -> None:
    for port, method, path, body in DATA:
        headers = {**data_plane.headers(sandbox, port), "E2b-Sandbox-Id": name}
        reply = ask(method, path, headers=headers, json=body)
        assert reply.status_code == 502
        assert reply.json()["message"] == "The sandbox was not found"


@pytest.mark.threat("T-AUTH-4")
@pytest.mark.parametrize("port", ["22", "0", "65536", "99999999999999999999", "x", "-1", ""])
def test_other_ports_are_closed(ask: Ask, sandbox: Sandbox, port: str) -> None:
    headers = {**data_plane.headers(sandbox), "E2b-Sandbox-Port": port}
    assert ask("GET", "/", headers=headers).status_code in (400, 401, 404, 502)


@pytest.mark.threat("T-AUTH-5")
def test_forged_signatures_open_nothing(ask: Ask, sandbox: Sandbox) -> None:
    sandbox.files.write("/tmp/signed", "content")
    url = httpx.URL(sandbox.download_url("/tmp/signed", use_signature_expiration=60))
    headers = {"E2b-Sandbox-Id": sandbox.sandbox_id, "E2b-Sandbox-Port": str(ENVD_PORT)}
    query = dict(url.params)

    def status(**changed: str) -> int:
        return ask("GET", "/files", params={**query, **changed}, headers=headers).status_code

    assert status() == 200
    assert status(path="/etc/passwd") == 401
    assert status(username="root") == 401
    assert status(signature=query["signature"][:-1]) == 401
    assert status(signature_expiration="9999999999") == 401
    reply = ask("POST", "/files", params=query, headers=headers, content=b"x")
    assert reply.status_code == 401
