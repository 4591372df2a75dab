"""Secrets that reach real servers in headers, and no program, reply or log."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from e2b import Sandbox, Secret

from support.real_servers import HOST, curl, header, internet, made, rules, seen
from support.sandbox_server import SandboxServer, wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="listens on ports 80 and 443")

NAME = "api-key"
VALUE = "sk-never-shown-5c02"
URL = f"https://{HOST}/"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with internet(tmp_path_factory.mktemp("internet")) as server:
        Secret.create(NAME, VALUE, **server.sdk)
        yield server


@pytest.fixture
def sandbox(server: SandboxServer) -> Iterator[Sandbox]:
    with made(server, rules({"Authorization": f"Bearer {Secret.fill(NAME)}"})) as sandbox:
        yield sandbox


def egress_processes(server: SandboxServer) -> list[int]:
    found = []
    for pid in server.descendants():
        with contextlib.suppress(FileNotFoundError):  # it has ended meanwhile
            if Path(f"/proc/{pid}/comm").read_text() == "c6-egress\n":
                found.append(pid)
    return found


def test_a_secret_is_put_in_by_name(sandbox: Sandbox) -> None:
    assert header(seen(sandbox, URL), "Authorization") == [f"Bearer {VALUE}"]


def test_its_value_of_now_is_used_also_on_an_open_connection(
    server: SandboxServer, sandbox: Sandbox
) -> None:
    slow = f"import time, http.client as h; c = h.HTTPSConnection('{HOST}')\n" + (
        "for n in range(2):\n c.request('GET', '/'); print(c.getresponse().read().decode())\n"
        " open(f'/tmp/asked{n}', 'w').close()\n"
        " while not __import__('os').path.exists('/tmp/go'): time.sleep(0.05)\n"
    )
    sandbox.files.write("/tmp/slow.py", slow)
    asking = sandbox.commands.run("python /tmp/slow.py", background=True)
    wait_until(lambda: sandbox.files.exists("/tmp/asked0"))
    try:
        Secret.update(NAME, "renewed-81d7", **server.sdk)
        sandbox.files.write("/tmp/go", "")
        first, second = asking.wait().stdout.splitlines()
    finally:
        Secret.update(NAME, VALUE, **server.sdk)
    assert VALUE in first
    assert "renewed-81d7" in second


def test_a_secret_that_is_destroyed_or_was_never_made_sends_nothing(server: SandboxServer) -> None:
    Secret.create("short-lived", "gone-soon", **server.sdk)
    with made(server, rules({"X": Secret.fill("short-lived")})) as sandbox:
        assert header(seen(sandbox, URL), "X") == ["gone-soon"]
        assert Secret.destroy("short-lived", **server.sdk)
        refused = curl(sandbox, f"-w '%{{http_code}}' {URL}")
    assert refused == (
        "The network rule for this host could not be applied: "
        "a header refers to a secret that does not exist.\n502"
    )


def test_its_value_stands_nowhere_that_a_program_or_client_could_look(
    server: SandboxServer, sandbox: Sandbox
) -> None:
    assert header(seen(sandbox, URL), "Authorization") == [f"Bearer {VALUE}"]
    pattern = VALUE[:-1] + f"[{VALUE[-1]}]"  # which does not find itself in a command line
    look = (
        f"env; cat /etc/hosts /run/capibara6/*; grep -rs '{pattern}' /etc /tmp /home /run "
        "/proc/[0-9]*/{environ,cmdline,maps} && echo FOUND; true"
    )
    shown = sandbox.commands.run(look, user="root").stdout
    with httpx.Client(base_url=server.url, headers={"X-API-KEY": server.key}) as api:
        replies = asked(api, sandbox.sandbox_id)
    assert VALUE not in "".join([shown, *(reply.text for reply in replies), *server.log_lines])
    assert "FOUND" not in shown
    assert [reply.status_code for reply in replies] == [200, 200, 404, 200, 400, 400]
    assert "${e2b.secrets.api-key}" in replies[0].text


def asked(api: httpx.Client, sandbox_id: str) -> list[httpx.Response]:
    wrong_type = rules({"X": VALUE}) | {"allowOut": 5}
    no_text = {"rules": {HOST: [{"transform": {"headers": {"X": [VALUE]}}}]}}
    place = f"/sandboxes/{sandbox_id}"
    return [
        api.get(place),
        api.get("/sandboxes"),
        api.get("/metrics"),
        api.get(f"/v2{place}/logs"),
        api.put(f"{place}/network", json=wrong_type),
        api.put(f"{place}/network", json=no_text),
    ]


def test_its_value_is_in_no_file_but_its_own(server: SandboxServer, sandbox: Sandbox) -> None:
    assert server.own_data is not None
    sandbox.pause(keep_memory=False)
    folder = server.own_data
    holding = [
        path
        for path in folder.rglob("*")
        if path.is_file() and "templates" not in path.parts and VALUE.encode() in path.read_bytes()
    ]
    assert [path.parent for path in holding] == [folder / "secrets"]
    sandbox.connect()
    assert header(seen(sandbox, URL), "Authorization") == [f"Bearer {VALUE}"]


def test_network_comes_back_when_the_egress_process_dies(
    server: SandboxServer, sandbox: Sandbox
) -> None:
    (before,) = egress_processes(server)
    open_one = f"import socket; s = socket.create_connection(('{HOST}', 80)); print(s.recv(1))"
    waiting = sandbox.commands.run(f'python -c "{open_one}" 2>&1; true', background=True)
    assert header(seen(sandbox, URL), "Authorization") == [f"Bearer {VALUE}"]
    os.kill(before, signal.SIGKILL)
    assert "ConnectionResetError" in waiting.wait().stdout
    assert header(seen(sandbox, URL), "Authorization") == [f"Bearer {VALUE}"]
    wait_until(lambda: egress_processes(server) not in ([], [before]))
    assert sum("egress_lost" in line for line in server.log_lines) == 1
    with made(server, rules()) as other:
        assert header(seen(other, URL), "X-Token") == ["t0ken"]


def test_it_is_started_again_as_often_as_it_dies(server: SandboxServer, sandbox: Sandbox) -> None:
    for _ in range(3):
        wait_until(lambda: len(egress_processes(server)) == 1)
        os.kill(egress_processes(server)[0], signal.SIGKILL)
        assert header(seen(sandbox, URL), "Authorization") == [f"Bearer {VALUE}"]
