"""Rules that change requests on their way out of a sandbox, to real servers on loopback."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2b import Sandbox, Secret
from e2b.sandbox.commands.command_handle import CommandExitException

from support.real_servers import Trusted, http_server, name_server
from support.sandbox_server import SandboxServer

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="listens on ports 80 and 443")

ADDRESS = "127.77.0.3"  # of all servers here
OTHER_ADDRESS = "127.77.0.2"  # of one whose certificate nobody trusts
HOST = "api.test"
# Inside, 127/8 is the sandbox's own; where a program believes a host to be does not matter.
HOSTS = "198.51.100.7 api.test other.test unknown.test sub.wild.test a.b.wild.test\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    trusted = Trusted(tmp_path_factory.mktemp("trusted"))
    unknown = Trusted(tmp_path_factory.mktemp("unknown"))
    with (
        name_server({"unknown.test": OTHER_ADDRESS}, ADDRESS) as (names, _),
        http_server(ADDRESS, 80),
        http_server(ADDRESS, 443, trusted.context(HOST)),
        http_server(OTHER_ADDRESS, 443, unknown.context("unknown.test")),
    ):
        options = ("--network-allow", f"{ADDRESS}/30", "--network-dns", names, "--pool", "1")
        server = SandboxServer(options, {"SSL_CERT_FILE": str(trusted.file)}).start()
        yield server
        assert server.stop() == 0


@pytest.fixture(scope="module")
def sandbox(server: SandboxServer) -> Iterator[Sandbox]:
    sandbox = Sandbox.create("code-interpreter-v1", timeout=300, network=rules(), **server.sdk)
    know_hosts(sandbox)
    yield sandbox
    sandbox.kill()


def know_hosts(sandbox: Sandbox) -> None:
    known = sandbox.files.read("/etc/hosts", user="root")
    sandbox.files.write("/etc/hosts", known + HOSTS, user="root")


def rules(headers: dict[str, str] | None = None, host: str = HOST) -> dict[str, Any]:
    return {"rules": {host: [{"transform": {"headers": headers or {"X-Token": "t0ken"}}}]}}


def curl(sandbox: Sandbox, arguments: str) -> str:
    return sandbox.commands.run(f"curl -sS --max-time 10 {arguments}").stdout


def seen(sandbox: Sandbox, arguments: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(curl(sandbox, arguments))
    return told


def header(told: dict[str, Any], name: str) -> list[str]:
    return [value for key, value in told["headers"] if key.lower() == name.lower()]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_header_is_set_and_replaces_the_programs_own(sandbox: Sandbox, scheme: str) -> None:
    told = seen(sandbox, f"{scheme}://{HOST}/a?b=c -H 'x-token: forged' -H 'X-Own: kept'")
    assert header(told, "X-Token") == ["t0ken"]
    assert header(told, "X-Own") == ["kept"]
    assert header(told, "Host") == [HOST]
    assert (told["method"], told["path"]) == ("GET", "/a?b=c")
