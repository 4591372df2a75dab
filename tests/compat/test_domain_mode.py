"""The SDKs' own mode: E2B_DOMAIN alone, HTTPS, and a name for every port of every sandbox."""

import asyncio
import json
import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import websockets
from e2b_code_interpreter import Sandbox

from support.preview_services import PORT, seen, start_service
from support.sandbox_server import SandboxServer
from support.wildcard_proxy import wildcard_proxy

CLIENT = """
import json, os, time
import httpx
from e2b_code_interpreter import Sandbox

proxy = os.environ["TEST_PROXY"]
told = {}
with Sandbox.create("code-interpreter-v1", timeout=120, proxy=proxy) as sandbox:
    told["domain"] = sandbox.sandbox_domain
    told["code"] = sandbox.run_code("6 * 7").text
    told["command"] = sandbox.commands.run("echo hello").stdout
    sandbox.files.write("/tmp/page/index.html", "x" * 300_000)
    told["file"] = len(sandbox.files.read("/tmp/page/index.html"))
    told["again"] = Sandbox.connect(sandbox.sandbox_id, proxy=proxy).is_running()
    sandbox.commands.run("python -m http.server 3000 -d /tmp/page", background=True)
    with httpx.Client(proxy=proxy) as client:
        told["signed"] = len(client.get(sandbox.download_url("/tmp/page/index.html")).content)
        for _ in range(100):
            preview = client.get("https://" + sandbox.get_host(3000))
            if preview.status_code == 200:
                break
            time.sleep(0.1)
        told["preview"] = len(preview.content)
        told["closed"] = client.get("https://" + sandbox.get_host(3001)).status_code
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    server = SandboxServer(arguments=("--tls-port", "0")).start()
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def environment(server: SandboxServer) -> dict[str, str]:
    """What the server prints for clients of its HTTPS."""
    assert server.process.stdout is not None
    return dict(re.findall(r"(\w+)=(\S+)", server.process.stdout.readline()))


def test_the_sdk_works_with_a_domain_alone(environment: dict[str, str]) -> None:
    with wildcard_proxy() as proxy:
        done = subprocess.run(
            [sys.executable, "-c", CLIENT],
            env={"PATH": os.defpath, "TEST_PROXY": proxy, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "domain": environment["E2B_DOMAIN"],
        "code": "42",
        "command": "hello\n",
        "file": 300_000,
        "again": True,
        "signed": 300_000,
        "preview": 300_000,
        "closed": 502,
    }


async def test_a_web_socket_passes_through_https(
    server: SandboxServer, environment: dict[str, str]
) -> None:
    sandbox = Sandbox.create(**server.sdk)
    await asyncio.to_thread(start_service, server, sandbox)
    trust = ssl.create_default_context(cafile=environment["SSL_CERT_FILE"])
    url = f"wss://{sandbox.get_host(PORT)}/socket"
    with wildcard_proxy() as proxy:
        async with websockets.connect(url, ssl=trust, proxy=proxy) as echo:
            for text in ("one", "two" * 10_000):
                await echo.send(text)
                assert await echo.recv() == text
        async with httpx.AsyncClient(proxy=proxy, verify=trust) as client:
            body = b"x" * 3_000_000
            told = seen(await client.post(f"https://{sandbox.get_host(PORT)}/", content=body))
    assert (told["bytes"], told["headers"]["x-forwarded-proto"]) == (3_000_000, "https")
    await asyncio.to_thread(sandbox.kill)


def test_the_control_plane_answers_to_its_own_name_only(environment: dict[str, str]) -> None:
    trust = ssl.create_default_context(cafile=environment["SSL_CERT_FILE"])
    domain = environment["E2B_DOMAIN"]
    headers = {"X-API-KEY": environment["E2B_API_KEY"]}
    with wildcard_proxy() as proxy, httpx.Client(proxy=proxy, verify=trust) as client:
        assert client.get(f"https://api.{domain}/sandboxes", headers=headers).status_code == 200
        assert client.get(f"https://api.{domain}/sandboxes").status_code == 401
        evil = {**headers, "Host": "evil.example"}
        assert client.get(f"https://api.{domain}/sandboxes", headers=evil).status_code == 400


def test_keys_are_private_and_the_authoritys_is_gone(environment: dict[str, str]) -> None:
    folder = Path(environment["SSL_CERT_FILE"]).parent
    names = {path.name for path in folder.iterdir()}
    assert names == {"authority.pem", "server.pem", "server.key"}
    assert (folder / "server.key").stat().st_mode & 0o777 == 0o600


def test_tls_options_that_do_not_fit_are_refused() -> None:
    for arguments in (["--tls-cert", "x"], ["--tls-port", "0", "--tls-key", "x"]):
        done = subprocess.run(
            [sys.executable, "-m", "capibara6_sandbox", "serve", "--port", "0", *arguments],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 2
        assert "--tls-cert" in done.stderr


def test_sandboxes_reach_each_others_previews_where_the_server_shows_its_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ("--tls-port", str(port), "--domain", "e2b.test", "--network-host-port", str(port))
    server = SandboxServer((*options, "--pool", "0")).start()
    try:
        with Sandbox.create(**server.sdk) as one, Sandbox.create(**server.sdk) as other:
            one.files.write("/tmp/page/index.html", "from the other")
            one.commands.run("python -m http.server 3000 -d /tmp/page", background=True)
            ask = "curl -sSfk --retry 20 --retry-all-errors --retry-delay 1 https://"
            assert other.commands.run(ask + one.get_host(3000)).stdout == "from the other"
            host = f"api.e2b.test:{port}"
            refused = other.commands.run(f"curl -sSk https://{host}/sandboxes 2>&1; true").stdout
            assert "Could not resolve host: api.e2b.test" in refused
    finally:
        assert server.stop() == 0
