"""Rules that change requests on their way out of a sandbox, to real servers on loopback."""

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from e2b import Sandbox
from e2b.sandbox.commands.command_handle import CommandExitException
from e2b_code_interpreter import Sandbox as CodeInterpreter

from support.real_servers import Trusted, http_server, name_server
from support.sandbox_server import SandboxServer

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="listens on ports 80 and 443")

# Loopback has room for the tests of others at the same time, who need these ports too.
ADDRESS = f"127.77.{1 + os.getpid() % 250}.3"  # of all servers here
OTHER_ADDRESS = ADDRESS[:-1] + "2"  # of one whose certificate nobody trusts
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
    sandbox = Sandbox.create(
        "code-interpreter-v1", timeout=300, network=LOCAL | rules(), **server.sdk
    )
    know_hosts(sandbox)
    yield sandbox
    sandbox.kill()


def know_hosts(sandbox: Sandbox) -> None:
    known = sandbox.files.read("/etc/hosts", user="root")
    sandbox.files.write("/etc/hosts", known + HOSTS, user="root")


@contextlib.contextmanager
def made(server: SandboxServer, network: dict[str, Any]) -> Iterator[Sandbox]:
    sandbox = Sandbox.create(timeout=120, network=LOCAL | network, **server.sdk)  # type: ignore[arg-type]
    try:
        know_hosts(sandbox)
        yield sandbox
    finally:
        sandbox.kill()


def rules(headers: dict[str, str] | None = None, host: str = HOST) -> dict[str, Any]:
    return {"rules": {host: [{"transform": {"headers": headers or {"X-Token": "t0ken"}}}]}}


# Nothing here leaves this machine.
LOCAL = {"deny_out": ["0.0.0.0/0"], "allow_out": ["*.test"]}


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


def test_other_hosts_are_passed_on_untouched(sandbox: Sandbox) -> None:
    assert header(seen(sandbox, "http://other.test/"), "X-Token") == []
    shown = curl(sandbox, "-kv https://other.test/ 2>&1")
    assert "issuer: CN=capibara6 of a test" in shown
    assert "X-Token" not in shown


@pytest.mark.parametrize(
    "client",
    [
        "import requests; told = requests.get(URL).json()",
        "import urllib.request, json; told = json.load(urllib.request.urlopen(URL))",
    ],
)
def test_programs_believe_the_sandboxs_own_authority(sandbox: Sandbox, client: str) -> None:
    code = f"URL = 'https://{HOST}/'\n{client}\nprint('t0ken' in str(told))\n"
    sandbox.files.write("/tmp/client.py", code)
    assert sandbox.commands.run("python /tmp/client.py").stdout == "True\n"


def test_kernels_believe_it_too(server: SandboxServer, sandbox: Sandbox) -> None:
    interpreter = CodeInterpreter.connect(sandbox.sandbox_id, **server.sdk)
    code = f"import urllib.request; urllib.request.urlopen('https://{HOST}/').status"
    assert interpreter.run_code(code).text == "200"
    script = f"console.log((await (await fetch('https://{HOST}/')).json()).method)"
    assert interpreter.run_code(script, language="javascript").logs.stdout == ["GET\n"]


def test_bodies_pass_in_every_framing(sandbox: Sandbox) -> None:
    sandbox.files.write("/tmp/body", b"x" * 3_000_000)
    url = f"https://{HOST}/upload"
    assert seen(sandbox, f"{url} --data-binary @/tmp/body")["bytes"] == 3_000_000
    chunked = seen(sandbox, f"{url} -T /tmp/body -H 'Transfer-Encoding: chunked'")
    assert (chunked["method"], chunked["bytes"]) == ("PUT", 3_000_000)
    assert seen(sandbox, f"http://{HOST}/ --http1.0 -d abc")["bytes"] == 3
    assert "X-Kept: as it came" in curl(sandbox, f"-I {url}")
    assert curl(sandbox, f"https://{HOST}/to-the-end") == "until the end"


def test_events_come_as_they_are_sent(sandbox: Sandbox) -> None:
    assert curl(sandbox, f"-N https://{HOST}/events") == "data: 0\n\ndata: 1\n\ndata: 2\n\n"


def test_one_connection_carries_many_requests(sandbox: Sandbox) -> None:
    url = f"https://{HOST}/"
    shown = curl(sandbox, f"-v {url}1 {url}2 {url}3 2>&1")
    assert shown.count("t0ken") == 3
    assert shown.count("SSL connection using") == 1


WEB_SOCKET = """
import os, socket, ssl, base64
raw = socket.create_connection(("api.test", 443), 10)
talk = ssl.create_default_context().wrap_socket(raw, server_hostname="api.test")
key = base64.b64encode(os.urandom(16)).decode()
talk.sendall(f"GET /socket HTTP/1.1\\r\\nHost: api.test\\r\\nConnection: Upgrade\\r\\n"
             f"Upgrade: websocket\\r\\nSec-WebSocket-Key: {key}\\r\\n\\r\\n".encode())
head = b""
while b"\\r\\n\\r\\n" not in head:
    head += talk.recv(1000)
print(head.split(b"\\r\\n")[0].decode(), b"X-Seen-Token: t0ken" in head)
for text in (b"one", b"x" * 100_000):
    talk.sendall(text)
    got = b""
    while len(got) < len(text):
        got += talk.recv(65536)
    print(got == text)
"""


def test_a_web_socket_is_opened_with_the_header(sandbox: Sandbox) -> None:
    sandbox.files.write("/tmp/web_socket.py", WEB_SOCKET)
    shown = sandbox.commands.run("python /tmp/web_socket.py").stdout
    assert shown == "HTTP/1.1 101 Switching Protocols True\nTrue\nTrue\n"


def test_a_server_whose_certificate_does_not_hold_is_not_talked_to(server: SandboxServer) -> None:
    with made(server, rules(host="unknown.test")) as sandbox:
        shown = curl(sandbox, "-w '%{http_code}' https://unknown.test/")
    assert "certificate of unknown.test does not hold" in shown
    assert shown.endswith("502")


def test_wildcards_reach_any_depth_and_exact_names_go_first(server: SandboxServer) -> None:
    network = {
        "rules": rules({"X-Token": "wild"}, "*.wild.test")["rules"]
        | rules({"X-Token": "exact"}, "sub.wild.test")["rules"]
    }
    with made(server, network) as sandbox:
        assert header(seen(sandbox, "http://a.b.wild.test/"), "X-Token") == ["wild"]
        assert header(seen(sandbox, "http://sub.wild.test/"), "X-Token") == ["exact"]
        shown = curl(sandbox, "-v https://a.b.wild.test/ 2>&1")  # which its server has no name for
        assert 'subjectAltName: host "a.b.wild.test" matched' in shown
        assert "certificate of a.b.wild.test does not hold" in shown


def test_rules_change_while_it_runs_and_end(server: SandboxServer) -> None:
    with made(server, {}) as sandbox:
        url = f"https://{HOST}/"
        assert "issuer: CN=capibara6 of a test" in curl(sandbox, f"-kv {url} 2>&1")
        sandbox.update_network(LOCAL | rules({"X-Token": "first"}))
        assert header(seen(sandbox, url), "X-Token") == ["first"]
        sandbox.update_network(LOCAL | rules({"X-Token": "second", "X-More": "yes"}))
        assert header(seen(sandbox, url), "X-Token") == ["second"]
        assert header(seen(sandbox, url), "X-More") == ["yes"]
        sandbox.update_network(LOCAL)
        assert "issuer: CN=capibara6 of a test" in curl(sandbox, f"-kv {url} 2>&1")


def test_a_rule_lets_nothing_through_that_the_policy_denies(server: SandboxServer) -> None:
    with made(server, {"allow_out": [], **rules()}) as sandbox:
        with pytest.raises(CommandExitException):
            curl(sandbox, f"https://{HOST}/")
        sandbox.update_network(rules() | LOCAL | {"allow_out": lambda ctx: list(ctx.rules)})
        assert header(seen(sandbox, f"https://{HOST}/"), "X-Token") == ["t0ken"]
        sandbox.update_network(rules())  # allowed by default, and led to its own address
        assert header(seen(sandbox, f"https://{HOST}/"), "X-Token") == ["t0ken"]
        sandbox.update_network({**rules(), "deny_out": [ADDRESS]})
        with pytest.raises(CommandExitException):
            curl(sandbox, f"https://{HOST}/")


@pytest.mark.parametrize("memory", [True, False])
def test_rules_outlive_a_pause(server: SandboxServer, memory: bool) -> None:
    with made(server, rules()) as sandbox:
        sandbox.pause(keep_memory=memory)
        sandbox.connect()
        assert header(seen(sandbox, f"https://{HOST}/"), "X-Token") == ["t0ken"]


def test_a_fork_has_rules_and_an_authority_of_its_own(server: SandboxServer) -> None:
    with made(server, rules()) as sandbox:
        (fork,) = sandbox.fork(1)
        with fork:
            assert header(seen(fork, f"https://{HOST}/"), "X-Token") == ["t0ken"]
            place = "/run/capibara6/authority.pem"
            assert fork.files.read(place) != sandbox.files.read(place)


def test_what_it_is_told_of_rules(server: SandboxServer) -> None:
    with made(server, rules({"X-Token": "Bearer ${e2b.secrets.never-made}"})) as sandbox:
        network = sandbox.get_info().network
    assert network is not None
    told = network["rules"][HOST]
    assert told == [{"transform": {"headers": {"X-Token": "Bearer ${e2b.secrets.never-made}"}}}]
