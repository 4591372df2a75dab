"""Rules that change requests on their way out of a sandbox, to real servers on loopback."""

import os
from collections.abc import Iterator

import pytest
from e2b import Sandbox
from e2b.sandbox.commands.command_handle import CommandExitException
from e2b_code_interpreter import Sandbox as CodeInterpreter

from support.real_servers import ADDRESS, HOST, LOCAL, curl, header, internet, made, rules, seen
from support.sandbox_server import SandboxServer

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="listens on ports 80 and 443")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with internet(tmp_path_factory.mktemp("internet")) as server:
        yield server


@pytest.fixture(scope="module")
def sandbox(server: SandboxServer) -> Iterator[Sandbox]:
    with made(server, rules(), template="code-interpreter-v1", timeout=300) as sandbox:
        yield sandbox


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


JAVA = """\
import java.net.URI;
class Client {
    public static void main(String[] words) throws Exception {
        var told = URI.create(words[0]).toURL().openStream().readAllBytes();
        System.out.println(new String(told).contains("t0ken"));
    }
}
"""


def test_java_believes_it_too(sandbox: Sandbox) -> None:
    if not sandbox.files.exists("/etc/ssl/certs/java/cacerts"):
        pytest.skip("needs a JDK on the server's machine: run `make extras`")
    sandbox.files.write("/tmp/Client.java", JAVA)
    options = "-Xmx64m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
    shown = sandbox.commands.run(f"java {options} /tmp/Client.java https://{HOST}/", timeout=100)
    assert shown.stdout == "true\n"


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
