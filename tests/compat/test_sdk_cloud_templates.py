"""What the SDK builds upon templates of E2B's cloud that are not here: with ones of one's own.

Their programs are stand-ins that tell how they were asked; that they are asked is the server's.
"""

import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from e2b import Sandbox, Template
from e2b.exceptions import BuildException, SandboxException

from support.sandbox_server import SandboxServer

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="builds change /usr where root serves"),
]
# Notes what it pulls; serves in the background whoever has the token, and returns.
GATEWAY = """\
#!/usr/bin/env python3
import http.server, json, os, pathlib, socket, sys
if sys.argv[1] == "pull":
    pathlib.Path("/opt/pulled").write_text(" ".join(sys.argv[2:]))
    sys.exit()
config, token = json.loads(sys.argv[2]), os.environ["GATEWAY_ACCESS_TOKEN"]
pathlib.Path("/etc/mcp-gateway").mkdir(exist_ok=True)
pathlib.Path("/etc/mcp-gateway/.token").write_text(token)
class Gateway(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.headers.get("Authorization") == f"Bearer {token}"
        body = json.dumps({"path": self.path, "servers": sorted(config)}).encode() if known else b""
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = http.server.HTTPServer(("127.0.0.1", 50005), Gateway)
if os.fork():
    sys.exit()
os.setsid()
for fd in (0, 1, 2):
    os.dup2(os.open("/dev/null", os.O_RDWR), fd)
server.serve_forever()
"""
DEVCONTAINER = "#!/bin/sh\nprintf '%s\\n' \"$*\" >> /opt/asked\n"


def programs(texts: dict[str, str]) -> Any:
    """Return a recipe that puts programs into their places."""
    recipe = Template().from_template("base").run_cmd("mkdir -p /opt && chmod 777 /opt", "root")
    for path, text in texts.items():
        recipe = recipe.run_cmd(f"cat > {path} <<'END'\n{text}END\nchmod 755 {path}", "root")
    return recipe


@pytest.fixture(scope="module")
def sandbox_server() -> Iterator[SandboxServer]:
    """One of its own: other tests build templates of these names too."""
    server = SandboxServer(("--pool", "0")).start()
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def gateway(sandbox_server: SandboxServer) -> Iterator[str]:
    with pytest.raises(SandboxException, match="Build one of that name whose program"):
        Sandbox.create(mcp={"time": {}}, **sandbox_server.sdk)
    recipe = programs({"/opt/mcp-gateway": GATEWAY})
    recipe = recipe.run_cmd("ln -sf /opt/mcp-gateway /usr/local/bin/mcp-gateway", "root")
    Template.build(recipe, "mcp-gateway", **sandbox_server.sdk)
    yield "mcp-gateway"
    httpx.delete(f"{sandbox_server.url}/templates/mcp-gateway", headers=key(sandbox_server))


def key(server: SandboxServer) -> dict[str, str]:
    return {"X-API-KEY": server.key}


def test_a_gateway_of_ones_own_is_started(sandbox_server: SandboxServer, gateway: str) -> None:
    sandbox = Sandbox.create(mcp={"time": {}, "duckduckgo": {}}, **sandbox_server.sdk)
    try:
        assert sandbox.get_info().name == gateway
        token = sandbox.get_mcp_token()
        assert token == sandbox.files.read("/etc/mcp-gateway/.token", user="root")
        address = {"E2b-Sandbox-Id": sandbox.sandbox_id, "E2b-Sandbox-Port": "50005"}
        url = f"{sandbox_server.url}/mcp"
        told = httpx.get(url, headers={**address, "Authorization": f"Bearer {token}"})
        assert told.json() == {"path": "/mcp", "servers": ["duckduckgo", "time"]}
        assert httpx.get(url, headers=address).status_code == 401
    finally:
        sandbox.kill()


def test_servers_are_pulled_by_the_gateway(sandbox_server: SandboxServer, gateway: str) -> None:
    recipe = Template().from_template(gateway).add_mcp_server(["time", "duckduckgo"])
    Template.build(recipe, "with-servers", **sandbox_server.sdk)
    sandbox = Sandbox.create("with-servers", **sandbox_server.sdk)
    assert sandbox.files.read("/opt/pulled") == "time duckduckgo"
    sandbox.kill()
    httpx.delete(f"{sandbox_server.url}/templates/with-servers", headers=key(sandbox_server))


def test_a_dev_container_of_ones_own_is_built_and_started(sandbox_server: SandboxServer) -> None:
    missing = Template().from_template("devcontainer").beta_dev_container_prebuild("/work")
    with pytest.raises(BuildException, match="E2B does not publish its own"):
        Template.build(missing, "started", **sandbox_server.sdk)
    recipe = programs(
        {"/opt/devcontainer": DEVCONTAINER, "/prepare-exec.sh": "#!/bin/sh\necho prepared\n"}
    )
    recipe = recipe.run_cmd("ln -sf /opt/devcontainer /usr/local/bin/devcontainer", "root")
    Template.build(recipe, "devcontainer", **sandbox_server.sdk)
    started = missing.beta_set_dev_container_start("/work")
    Template.build(started, "started", **sandbox_server.sdk)
    sandbox = Sandbox.create("started", **sandbox_server.sdk)
    asked = sandbox.files.read("/opt/asked").splitlines()
    assert asked == ["build --workspace-folder /work", "up --workspace-folder /work"]
    assert sandbox.files.read("/devcontainer.sh") == "prepared\n"
    sandbox.kill()
    for name in ("started", "devcontainer"):
        httpx.delete(f"{sandbox_server.url}/templates/{name}", headers=key(sandbox_server))
