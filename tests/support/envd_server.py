"""A real agent and a real HTTP server around envd's application, for one test session."""

import contextlib
import getpass
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import uvicorn
from e2b import ConnectionConfig, Sandbox
from packaging.version import Version

from capibara6_sandbox.gateway.connections import CuttableHttpProtocol
from capibara6_sandbox.gateway.envd import create_envd_app
from capibara6_sandbox.host.guest_client import GuestClient
from capibara6_sandbox.isolation.limits import Limits
from support.sandbox_server import wait_until

USER = getpass.getuser()
TOKEN = "token-of-the-test"
SOURCES = Path(__file__).parents[2] / "src"


class TestedMachine:
    """Nobody counts how often its limits are met."""

    cgroup = None
    blueprint = SimpleNamespace(template=SimpleNamespace(limits=Limits()), disk_bytes=0)

    def disk_used_bytes(self) -> int:
        return 0


@dataclass
class TestedSandbox:
    guest: GuestClient
    machine: TestedMachine = field(default_factory=TestedMachine)
    id: str = "tested"
    envd_access_token: str = TOKEN
    variables: dict[str, str] = field(default_factory=lambda: {"SHARED": "by all"})
    default_user: str = USER
    default_workdir: str = ""


@dataclass
class Envd:
    url: str
    agent: "subprocess.Popen[bytes]"
    sandbox: TestedSandbox

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Access-Token": TOKEN}

    def client(self, kind=Sandbox):
        """Return the published SDK's sandbox (`Sandbox` or `AsyncSandbox`), pointed here."""
        config = ConnectionConfig(
            api_key="e2b_" + "0" * 40,
            sandbox_url=self.url,
            extra_sandbox_headers={"X-Access-Token": TOKEN},
        )
        return kind(
            sandbox_id=self.sandbox.id,
            sandbox_domain=None,
            envd_version=Version("0.6.4"),
            envd_access_token=TOKEN,
            traffic_access_token=None,
            connection_config=config,
        )


@contextlib.contextmanager
def running_agent(socket_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    command = [sys.executable, "-m", "capibara6_guest", str(socket_path)]
    agent = subprocess.Popen(command, env=environment, cwd="/")
    try:
        wait_until(socket_path.exists)
        yield agent
    finally:
        agent.kill()
        agent.wait()


@contextlib.contextmanager
def running_envd(socket_path: Path) -> Iterator[Envd]:
    with running_agent(socket_path) as agent:
        sandbox = TestedSandbox(GuestClient(socket_path))
        app = create_envd_app()

        async def dispatcher(scope, receive, send):
            await app({**scope, "sandbox": sandbox}, receive, send)

        with _served(dispatcher) as url:
            yield Envd(url, agent, sandbox)


@contextlib.contextmanager
def _served(app) -> Iterator[str]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, http=CuttableHttpProtocol, lifespan="off", log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join()
        listener.close()
