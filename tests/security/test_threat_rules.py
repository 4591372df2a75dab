"""T-RULE: what rules add to requests reaches the hosts they are for, and nobody else."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2b import Sandbox, Secret

from support.real_servers import (
    ADDRESS,
    HOST,
    OTHER_ADDRESS,
    curl,
    header,
    http_server,
    internet,
    made,
    rules,
    seen,
)
from support.sandbox_server import SandboxServer

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="listens on ports 80 and 443")

VALUE = "sk-for-one-host-only-93ae"
URL = f"https://{HOST}/"

# Sends bytes as they are, within TLS for one name, and shows what comes back.
RAW = """
import socket, ssl, sys
name, address, text = sys.argv[1], sys.argv[2], sys.argv[3].encode().decode("unicode_escape")
raw = socket.create_connection((address, 443), 10)
talk = ssl.create_default_context().wrap_socket(raw, server_hostname=name)
talk.sendall(text.encode("latin-1"))
talk.settimeout(3)
try:
    while more := talk.recv(65536):
        print(more.decode("latin-1"), end="")
except OSError as failure:
    print(type(failure).__name__)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with internet(tmp_path_factory.mktemp("internet")) as server:
        Secret.create("of-one-host", VALUE, **server.sdk)
        yield server


@pytest.fixture(scope="module")
def sandbox(server: SandboxServer) -> Iterator[Sandbox]:
    with made(server, rules({"X-Token": Secret.fill("of-one-host")})) as sandbox:
        sandbox.files.write("/tmp/raw.py", RAW)
        yield sandbox


def raw(sandbox: Sandbox, text: str, name: str = HOST, address: str = "198.51.100.7") -> str:
    return sandbox.commands.run(f"python /tmp/raw.py {name} {address} '{text}' 2>&1; true").stdout


@pytest.mark.threat("T-RULE-1")
def test_the_key_of_an_authority_is_not_inside_and_on_no_disk(
    server: SandboxServer, sandbox: Sandbox
) -> None:
    assert header(seen(sandbox, URL), "X-Token") == [VALUE]
    look = "grep -rIl 'PRIVATE KEY' /run /etc /tmp /home /var 2>/dev/null; true"
    assert sandbox.commands.run(look, user="root").stdout == ""
    assert server.own_data is not None
    for folder in (server.own_data, server.run_folder()):
        kept = [p for p in folder.rglob("*") if p.is_file() and "templates" not in p.parts]
        assert not [path for path in kept if b"PRIVATE KEY" in path.read_bytes()]


@pytest.mark.threat("T-RULE-1")
def test_what_a_sandbox_believes_it_cannot_change_and_others_do_not_believe(
    server: SandboxServer, sandbox: Sandbox
) -> None:
    place = "/run/capibara6/authority.pem"
    change = f"umount /run/capibara6; echo x > {place} || mv {place} /tmp/ || echo refused"
    assert sandbox.commands.run(f"({change}) 2>/dev/null", user="root").stdout == "refused\n"
    with made(server, rules()) as other:
        assert other.files.read(place) != sandbox.files.read(place)
    with made(server, {}) as plain:
        assert not plain.files.exists(place)


@pytest.mark.threat("T-RULE-2")
def test_another_sandbox_does_not_get_the_header(server: SandboxServer) -> None:
    with made(server, {}) as other:
        shown = curl(other, f"-k {URL}")
    assert VALUE not in shown
    assert '"method": "GET"' in shown


@pytest.mark.threat("T-RULE-2")
def test_a_lie_about_the_name_leads_to_the_real_host(sandbox: Sandbox) -> None:
    with http_server(OTHER_ADDRESS, 80):
        told = seen(sandbox, f"--connect-to {HOST}:80:198.51.100.99:80 http://{HOST}/")
        assert header(told, "Host") == [HOST]
    shown = raw(
        sandbox, f"GET /mine HTTP/1.1\\r\\nHost: {HOST}\\r\\n\\r\\n", address="198.51.100.99"
    )
    assert "/mine" in shown  # the server with the name's own certificate, not the one dialled


@pytest.mark.threat("T-RULE-2")
@pytest.mark.parametrize(
    "host",
    ["other.test", f"{HOST}@other.test", f"{HOST}:80", pytest.param(ADDRESS, id="its address")],
)
def test_a_request_for_another_host_gets_no_header(sandbox: Sandbox, host: str) -> None:
    shown = raw(sandbox, f"GET / HTTP/1.1\\r\\nHost: {host}\\r\\n\\r\\n")
    assert shown.startswith("HTTP/1.1 421 ")
    assert VALUE not in shown


@pytest.mark.threat("T-RULE-2")
def test_a_server_that_cannot_prove_its_name_gets_no_request(server: SandboxServer) -> None:
    with made(server, rules({"X-Token": VALUE}, "unknown.test")) as sandbox:
        shown = curl(sandbox, "-w '%{http_code}' https://unknown.test/")
    assert shown.endswith("502")
    assert '"method"' not in shown


@pytest.mark.threat("T-RULE-3")
@pytest.mark.parametrize(
    "lines",
    [
        f"POST / HTTP/1.1\\r\\nHost: {HOST}\\r\\nContent-Length: 6\\r\\n"
        "Transfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\nGET /smuggled HTTP/1.1\\r\\n\\r\\n",
        f"GET http://other.test/ HTTP/1.1\\r\\nHost: {HOST}\\r\\n\\r\\n",
        f"GET / HTTP/1.1\\r\\nHost: {HOST}\\r\\nX-Token : forged\\r\\n\\r\\n",
        f"GET / HTTP/1.1\\r\\nHost: {HOST}\\r\\n\\nX-Token: forged\\r\\n\\r\\n",
        "PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n",
    ],
)
def test_requests_that_can_be_read_in_two_ways_are_refused(sandbox: Sandbox, lines: str) -> None:
    shown = raw(sandbox, lines)
    assert '"forged"' not in shown  # as a server would tell it
    assert '"/smuggled"' not in shown
    assert shown.count('"method"') == shown.count(VALUE)


@pytest.mark.threat("T-RULE-3")
def test_a_program_can_neither_replace_the_header_nor_take_it_away(sandbox: Sandbox) -> None:
    own = "Connection: x-token\\r\\nX-TOKEN: forged\\r\\n"
    shown = raw(sandbox, f"GET / HTTP/1.1\\r\\nHost: {HOST}\\r\\n{own}\\r\\n")
    assert "forged" not in shown
    assert VALUE in shown
    tls = f"--http1.1 -H 'Upgrade: x' -H 'Connection: Upgrade' {URL}1 {URL}2"
    assert curl(sandbox, tls).count(VALUE) == 2


EXHAUST = """
import socket, time
held = []
for kind in (b"", b"\\x16\\x03\\x01", b"GET / HTTP/1.1\\r\\nHost: api.test\\r\\nX: "):
    port = 80 if kind.startswith(b"GET") else 443
    for _ in range(250):
        try:
            held.append(socket.create_connection(("198.51.100.7", port), 5))
            held[-1].send(kind)
        except OSError:
            pass
print(len(held), flush=True)
time.sleep(60)
"""


@pytest.mark.threat("T-RULE-4")
def test_a_sandbox_that_opens_all_it_can_stops_nobody_else(
    server: SandboxServer, sandbox: Sandbox
) -> None:
    with made(server, rules()) as hostile:
        hostile.files.write("/tmp/exhaust.py", EXHAUST)
        running = hostile.commands.run("python -u /tmp/exhaust.py", background=True)
        assert int(next(iter(running))[0] or "0") > 0
        assert header(seen(sandbox, URL), "X-Token") == [VALUE]
        running.kill()
        assert header(seen(hostile, URL), "X-Token") == ["t0ken"]


@pytest.mark.threat("T-RULE-5")
def test_nobody_looks_into_the_process_that_knows_secrets(server: SandboxServer) -> None:
    names = {pid: Path(f"/proc/{pid}/comm").read_text() for pid in server.descendants()}
    (egress,) = (pid for pid, name in names.items() if name == "c6-egress\n")
    assert Path(f"/proc/{egress}/status").stat().st_uid == 0  # of a process that may not be dumped
    environment = Path(f"/proc/{egress}/environ").read_bytes()
    arguments = Path(f"/proc/{egress}/cmdline").read_bytes()
    assert VALUE.encode() not in environment + arguments
