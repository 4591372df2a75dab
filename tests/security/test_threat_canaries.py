"""T-CAN: no secret stands in any log, error, metric, database or file but where it is kept."""

import asyncio
import contextlib
import json
import re
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from e2b_code_interpreter import Sandbox

from scripted_model import Reply, ScriptedModel
from support.platform_process import Installation
from support.sandbox_server import SandboxServer, wait_until

SERVER_KEY = "e2b_" + "ca9a41" * 6
ENV = "canary-env-7d1f"
SECRET = "canary-secret-51b2"
PROXY = "canary-proxy-0c44"
REGISTRY = "canary-registry-9e07"
PLATFORM_KEY = "canary-platform-key-33aa"
MODEL_KEY = "sk-canary-model-key-84c1"
# Where a value is kept, in files of the server's user alone: kind → what the path ends with.
KEPT = {
    "variable": r"/\.(paused|snapshots)/\w+\.json",
    "secret": r"/secrets/\w+\.json",
    "proxy": r"/\.paused/\w+\.json",
    "token": r"/\.paused/\w+\.json",
    "volume": r"/volumes/records/[\w-]+\.json",
}


@dataclass
class Heard:
    """All that was said."""

    replies: list[str] = field(default_factory=list)

    def ask(self, http: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response:
        """Ask, and keep the reply."""
        reply = http.request(method, path, **more)
        self.replies.append(f"{reply.headers}\n{reply.text}")
        return reply


def files_below(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and "templates" not in path.parts:
            yield path


def leaks(folder: Path, canaries: dict[str, str]) -> list[str]:
    """Return what stands where it should not; `canaries` are kinds by value."""
    found = []
    for path in files_below(folder):
        content = path.read_bytes()
        for value, kind in canaries.items():
            if value.encode() not in content:
                continue
            if kind in KEPT and re.search(KEPT[kind] + "$", str(path)):
                assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
                continue
            found.append(f"{kind} in {path}")
    return found


def told(said: list[str], canaries: dict[str, str]) -> list[str]:
    """Return what told a secret."""
    return [
        f"{kind} in {text[:2000]}"
        for text in said
        for value, kind in canaries.items()
        if value in text
    ]


def network() -> dict[str, Any]:
    headers = {"X-Token": "${e2b.secrets.kept}"}
    return {"rules": {"api.example": [{"transform": {"headers": headers}}]}}


def wrong_requests(heard: Heard, http: httpx.Client, sandbox: Sandbox) -> None:
    """Send secrets where they cannot be taken."""
    proxy = {"address": "198.51.100.1:1", "username": "u", "password": PROXY, "tls": 5}
    header = {"rules": {"api.example": [{"transform": {"headers": {"bad name": SECRET}}}]}}
    own = f"/sandboxes/{sandbox.sandbox_id}"
    for method, path, body in (
        ("POST", "/secrets", {"name": "Bad name!", "value": SECRET}),
        ("POST", "/secrets", {"name": 5, "value": SECRET}),
        ("POST", "/secrets", {"name": "kept", "value": SECRET}),
        ("POST", "/secrets/nobodys", {"value": SECRET}),
        ("POST", "/v2/sandboxes", {"templateID": "base", "envVars": ENV}),
        ("POST", "/v2/sandboxes", {"templateID": "base", "envVars": {"A=": ENV}}),
        ("POST", "/v2/sandboxes", {"templateID": "base", "envVars": {"A": [ENV]}}),
        ("POST", "/v2/sandboxes", {"templateID": "nobodys", "envVars": {"A": ENV}}),
        ("POST", "/v2/sandboxes", {"templateID": "base", "network": {"egressProxy": proxy}}),
        ("PUT", f"{own}/network", header),
        ("PUT", f"{own}/network", {"egressProxy": PROXY}),
    ):
        assert heard.ask(http, method, path, json=body).status_code >= 400, (path, body)
    heard.ask(http, "PUT", f"{own}/network", json={"egressProxy": {**proxy, "tls": None}})
    heard.ask(http, "POST", "/v2/sandboxes", content=f'{{"envVars": {{"A": "{ENV}"'.encode())
    heard.ask(http, "GET", "/sandboxes", headers={"X-API-KEY": SERVER_KEY[:-1]})


def wrong_data_requests(heard: Heard, url: str, sandbox: Sandbox) -> None:
    token = sandbox._envd_access_token or ""
    named = {"E2b-Sandbox-Id": sandbox.sandbox_id, "E2b-Sandbox-Port": "49983"}
    signed = sandbox.download_url("/nosuch", use_signature_expiration=60)
    with httpx.Client(base_url=url, headers=named, timeout=30) as http:
        heard.ask(http, "GET", "/files?" + signed.partition("?")[2])
        heard.ask(http, "GET", "/files?" + signed.partition("?")[2] + "0")
        held = {"X-Access-Token": token}
        for body in ({"process": {"cmd": "x", "envs": ENV}}, {"process": {"envs": {"A": [ENV]}}}):
            content = json.dumps(body).encode()
            framed = b"\0" + len(content).to_bytes(4) + content
            kind = {"Content-Type": "application/connect+json", **held}
            heard.ask(http, "POST", "/process.Process/Start", content=framed, headers=kind)
        heard.ask(http, "GET", "/files?path=/nosuch", headers=held)
        traffic = {"E2b-Traffic-Access-Token": str(sandbox.traffic_access_token)}
        port = {"E2b-Sandbox-Port": "49999", **traffic, **held}
        body = {"code": "1", "env_vars": ENV}
        assert heard.ask(http, "POST", "/execute", json=body, headers=port).status_code == 400


def failed_build(heard: Heard, http: httpx.Client) -> None:
    order = http.post("/v3/templates", json={"name": "canary"}).json()
    path = f"/templates/{order['templateID']}/builds/{order['buildID']}"
    login = {"type": "registry", "username": "u", "password": REGISTRY}
    recipe = {"fromImage": "registry.invalid/x/y", "fromImageRegistry": login, "steps": []}
    heard.ask(http, "POST", f"/v2{path}", json=recipe)

    def ended() -> bool:
        status = heard.ask(http, "GET", f"{path}/status").json()["status"]
        return status in ("error", "ready")

    wait_until(ended, 90)
    heard.ask(http, "GET", f"{path}/logs")


@pytest.mark.threat("T-CAN-1")
def test_the_sandbox_server_keeps_secrets_to_itself() -> None:
    server = SandboxServer(("--pool", "1"), {"E2B_API_KEY": SERVER_KEY}).start()
    heard, canaries = Heard(), {}
    try:
        assert server.key == SERVER_KEY
        with httpx.Client(
            base_url=server.url, headers={"X-API-KEY": SERVER_KEY}, timeout=60
        ) as http:
            assert http.post("/secrets", json={"name": "kept", "value": SECRET}).status_code == 201
            volume = http.post("/volumes", json={"name": "kept"}).json()
            closed = {"allow_public_traffic": False, **network()}
            sandbox = Sandbox.create(envs={"CANARY": ENV}, network=closed, **server.sdk)
            tokens = [sandbox._envd_access_token, sandbox.traffic_access_token]
            sandbox.commands.run("true", envs={"CANARY": ENV})
            sandbox.run_code("raise ValueError(1)", envs={"CANARY": ENV})
            heard.ask(http, "GET", f"/volumecontent/{volume['volumeID']}/path?path=/nosuch",
                      headers={"Authorization": f"Bearer {volume['token']}"})  # fmt: skip
            wrong_requests(heard, http, sandbox)
            wrong_data_requests(heard, server.url, sandbox)
            failed_build(heard, http)
            for path in ("", "/metrics", "/logs"):
                if path:  # the description itself has the token, for its owner
                    heard.ask(http, "GET", f"/sandboxes/{sandbox.sandbox_id}{path}")
            for path in ("/v2/sandboxes", "/secrets", "/volumes", "/snapshots", "/templates"):
                heard.ask(http, "GET", path)
            sandbox.create_snapshot()
            http.post(f"/sandboxes/{sandbox.sandbox_id}/pause", json={"memory": False})
        canaries = {
            SERVER_KEY: "key", ENV: "variable", SECRET: "secret", PROXY: "proxy",
            REGISTRY: "registry", volume["token"]: "volume",
            **{str(token): "token" for token in tokens},
        }  # fmt: skip
        assert server.own_data is not None
        assert leaks(server.own_data, canaries) == []
    finally:
        status = server.stop()
    assert status == 0
    assert told([*heard.replies, *server.log_lines], canaries) == []


@contextlib.contextmanager
def platform(
    home: Path, config: dict[str, Any], **environment: str
) -> Iterator[tuple[str, list[str]]]:
    """Serve the platform; give its address and what it writes on standard error."""
    installation = Installation(home, config)
    process = installation.start("serve", "--port", "0", **environment)
    said: list[str] = []
    assert process.stderr is not None
    reader = threading.Thread(target=lambda: said.extend(process.stderr or []), daemon=True)
    reader.start()
    try:
        yield _address(process, said), said
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        reader.join(10)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        installation.stop_server()


def _address(process: "subprocess.Popen[str]", said: list[str]) -> str:
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"listens on (http://\S+) ", "".join(said)):
            return found[1]
        time.sleep(0.05)
    raise AssertionError("".join(said))


@pytest.mark.threat("T-CAN-1")
async def test_the_platform_keeps_secrets_to_itself(tmp_path: Path) -> None:
    script: list[Reply | str] = [Reply("no", status=401), "```python\nprint(6 * 7)\n```"]
    async with ScriptedModel(script) as model:
        await asyncio.to_thread(_use_platform, tmp_path / "home", model.base_url)
        sent = json.dumps(model.headers)
    assert MODEL_KEY in sent  # it was used, so that this test means something


def _use_platform(home: Path, model_url: str) -> None:
    tier = {"base_url": model_url, "model": "mistral", "api_key_variable": "CANARY_MODEL_KEY"}
    config = {"tiers": {"fast_response": tier, "balanced": None, "complex": None}}
    heard = Heard()
    variables = {"CAPIBARA6_API_KEYS": PLATFORM_KEY, "CANARY_MODEL_KEY": MODEL_KEY}
    with (
        platform(home, config, **variables) as (url, said),
        httpx.Client(base_url=url, headers={"X-API-KEY": PLATFORM_KEY}, timeout=100) as http,
    ):
        for body in (
            {"code": "import os; print(len(os.environ['A']))", "env": {"A": ENV}},
            {"code": "raise ValueError(1)", "env": {"A": ENV}},
            {"code": "1", "env": ENV},
            {"code": "1", "env": {"A=": ENV}},
            {"code": "1", "env": {"A": [ENV]}},
            {"code": "1", "template": "nobodys", "env": {"A": ENV}},
        ):
            heard.ask(http, "POST", "/api/e2b/execute", json=body)
        asked = {"question": "Write code that prints six times seven"}
        heard.ask(http, "POST", "/api/query", json=asked)
        heard.ask(http, "POST", "/api/query", json=asked)
        for path in ("/metrics", "/api/runs", "/api/executions", "/api/e2b/stats",
                     "/api/health", "/api/runs/nobodys"):  # fmt: skip
            heard.ask(http, "GET", path)
        wrong = {"X-API-KEY": PLATFORM_KEY[:-1]}
        assert heard.ask(http, "GET", "/metrics", headers=wrong).status_code == 401
    canaries = {PLATFORM_KEY: "platform key", MODEL_KEY: "model key", ENV: "variable"}
    assert any(home.glob("*.db*")) or any(home.rglob("*.sqlite*"))  # the database was looked into
    assert leaks(home, canaries) == []
    assert told([*heard.replies, *said], canaries) == []
