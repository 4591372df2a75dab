"""Input that cannot be: E2B's status and message where it has one, and the server lives on."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from e2b import FileNotFoundException, InvalidArgumentException, NotEnoughSpaceException
from e2b.exceptions import (
    AuthenticationException,
    SandboxException,
    SandboxNotFoundException,
    SandboxNotRunningException,
)
from e2b_code_interpreter import Sandbox

from support.sandbox_server import SandboxServer

Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def sandbox(sandbox_server: SandboxServer) -> Iterator[Sandbox]:
    sandbox = Sandbox.create("base", timeout=600, **sandbox_server.sdk)
    yield sandbox
    sandbox.kill()


@pytest.fixture(scope="module")
def dead(sandbox_server: SandboxServer) -> Sandbox:
    """A sandbox that has ended."""
    sandbox = Sandbox.create("base", **sandbox_server.sdk)
    sandbox.kill()
    return sandbox


@pytest.fixture
def control(sandbox_server: SandboxServer) -> Iterator[Ask]:
    """Calls the control plane."""
    headers = {"X-API-KEY": sandbox_server.key}
    with httpx.Client(base_url=sandbox_server.url, headers=headers, timeout=60) as client:
        yield client.request


@pytest.fixture
def envd(sandbox_server: SandboxServer, sandbox: Sandbox, control: Ask) -> Iterator[Ask]:
    """Calls the sandbox's envd with its token."""
    token = control("GET", f"/sandboxes/{sandbox.sandbox_id}").json()["envdAccessToken"]
    headers = {"E2b-Sandbox-Id": sandbox.sandbox_id, "X-Access-Token": token}
    with httpx.Client(base_url=sandbox_server.url, headers=headers, timeout=60) as client:
        yield client.request


CALLS = [
    ("GET", ""),
    ("DELETE", ""),
    *[("POST", f"/{name}") for name in ("timeout", "pause", "resume", "connect", "fork")],
    *[("POST", f"/{name}") for name in ("snapshots", "refreshes")],
    ("PUT", "/network"),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_an_unknown_id_is_not_found(control: Ask, method: str, path: str) -> None:
    for name in ("nosuch", "nosuch-client"):  # the latter as clients of old times have it
        reply = control(method, f"/sandboxes/{name}{path}")
        assert reply.status_code == 404
        message = "Sandbox \"nosuch\" doesn't exist or you don't have access to it"
        assert reply.json() == {"code": 404, "message": message}


@pytest.mark.parametrize("name", ["A" * 4096, "..%2f..", "%00", "é", "a b", "x:y", "a-b-c", "-a"])
@pytest.mark.parametrize(("method", "path"), [*CALLS, ("GET", "/logs")])
def test_an_id_that_none_can_have_is_refused(
    control: Ask, method: str, path: str, name: str
) -> None:
    reply = control(method, f"/sandboxes/{name}{path}")
    assert reply.status_code == 400 or name == "..%2f.."  # which is another path
    assert reply.json()["code"] == reply.status_code


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b"{}"),
        *(b'{"templateID":5}', b'{"templateID":"base:"}', b'{"templateID":"\\ud800"}'),
        *(b'{"templateID":"base","timeout":%s}' % n for n in (b'"x"', b"1e999", b"-5", b"9" * 30)),
        *(b'{"templateID":"base","metadata":%s}' % m for m in (b'{"a":1}', b"[]", b'{"a":null}')),
        b'{"templateID":"base","envVars":{"a\\u0000":"x"}}',
        b'{"templateID":"base","volumeMounts":[{"name":"nosuch","path":"/x"}]}',
        b'{"templateID":"base","network":{"allowOut":["not an address!"]}}',
    ],
)
def test_a_create_call_that_cannot_be_is_refused(control: Ask, body: bytes) -> None:
    reply = control("POST", "/v2/sandboxes", content=body)
    assert reply.status_code == 400
    assert (reply.json()["code"], bool(reply.json()["message"])) == (400, True)


@pytest.mark.parametrize("count", [0, 21, -1, "x", 1e30])
def test_there_are_twenty_forks_at_most(control: Ask, sandbox: Sandbox, count: Any) -> None:
    reply = control("POST", f"/sandboxes/{sandbox.sandbox_id}/fork", json={"count": count})
    assert reply.status_code == 400
    assert "count" in reply.json()["message"]


@pytest.mark.parametrize(
    ("use", "failure"),
    [
        (lambda dead: dead.create_snapshot(), SandboxNotFoundException),
        (lambda dead: dead.fork(), SandboxNotFoundException),
        (lambda dead: dead.pause(), SandboxNotFoundException),
        (lambda dead: dead.connect(), SandboxNotFoundException),
        (lambda dead: dead.set_timeout(5), SandboxNotFoundException),
        (lambda dead: dead.get_info(), SandboxNotFoundException),
        (lambda dead: dead.commands.run("true"), SandboxNotRunningException),
        (lambda dead: dead.files.read("/x"), SandboxNotRunningException),
        (lambda dead: dead.run_code("1"), SandboxException),
    ],
)
def test_a_dead_sandbox_says_so(dead: Sandbox, use: Any, failure: type[Exception]) -> None:
    with pytest.raises(failure, match=r"not found|doesn't exist"):
        use(dead)
    assert dead.kill() is False
    assert dead.is_running() is False


@pytest.mark.parametrize("key", [None, "", "e2b_00", "é".encode(), "x" * 5000])
def test_a_wrong_key_is_refused(sandbox_server: SandboxServer, key: Any) -> None:
    headers = {} if key is None else {"X-API-KEY": key}
    reply = httpx.get(f"{sandbox_server.url}/v2/sandboxes", headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (401, 401)


@pytest.mark.parametrize("token", [None, "", "x", "é".encode(), "x" * 5000])
def test_a_wrong_token_is_refused(
    sandbox_server: SandboxServer, sandbox: Sandbox, token: Any
) -> None:
    headers = {"E2b-Sandbox-Id": sandbox.sandbox_id}
    headers |= {} if token is None else {"X-Access-Token": token}
    for path in ("/files?path=/etc/passwd", "/envs", "/metrics"):
        assert httpx.get(sandbox_server.url + path, headers=headers).status_code == 401


@pytest.mark.parametrize("expiration", ["-1", "0", "²", "x", "1.5", "9" * 5000, "-" + "9" * 5000])
def test_a_signature_that_cannot_be_or_has_expired_is_refused(
    sandbox_server: SandboxServer, sandbox: Sandbox, expiration: str
) -> None:
    query = {"path": "/x", "signature": "v1_a", "signature_expiration": expiration}
    headers = {"E2b-Sandbox-Id": sandbox.sandbox_id}
    reply = httpx.get(f"{sandbox_server.url}/files", params=query, headers=headers)
    assert reply.status_code == 401
    expired = sandbox.download_url("/etc/passwd", use_signature_expiration=-100)
    assert "expired" in httpx.get(expired, headers=headers).text


NAMES = [("n" * 256, "too long"), ("n" * 4096, "too long"), ("a/" * 2100 + "x", "too long")]


@pytest.mark.parametrize(
    ("name", "problem"), [*NAMES, ("nul\0", "NUL"), ("~root/x", "cannot expand")]
)
@pytest.mark.parametrize("use", ["read", "write", "list", "make_dir", "remove", "get_info"])
def test_a_name_that_no_file_can_have_is_refused(
    sandbox: Sandbox, use: str, name: str, problem: str
) -> None:
    arguments = (name, "x") if use == "write" else (name,)
    with pytest.raises(InvalidArgumentException, match=problem):
        getattr(sandbox.files, use)(*arguments)


def test_names_that_are_no_text_are_listed_read_and_removed(sandbox: Sandbox, envd: Ask) -> None:
    sandbox.commands.run(
        r"mkdir /tmp/odd && cd /tmp/odd && echo x > $'a\xff' && mkdir $'d\xe9' && touch $'d\xe9/in'"
    )
    assert len(sandbox.files.list("/tmp/odd", depth=3)) == 3
    stat = b'{"path": "/tmp/odd/a\\udcff"}'
    headers = {"Content-Type": "application/json"}
    call = "/filesystem.Filesystem"
    assert envd("POST", f"{call}/Stat", content=stat, headers=headers).json()["entry"]["mode"]
    assert envd("POST", f"{call}/Remove", content=stat, headers=headers).status_code == 200
    assert len(sandbox.files.list("/tmp/odd", depth=3)) == 2
    lone = envd("POST", f"{call}/Stat", content=b'{"path": "/\\ud800"}', headers=headers)
    assert (lone.status_code, lone.json()["code"]) == (400, "invalid_argument")
    sandbox.files.remove("/tmp/odd")


@pytest.mark.parametrize(
    "path",
    [
        *("/dev/zero", "/dev/null", "/dev/full", "/dev/urandom", "/dev/tty", "/dev", "/dev/stdin"),
        *("/proc/1/mem", "/proc/self/mem", "/tmp/fifo", "/tmp/loop", "/tmp/socket"),
    ],
)
def test_what_is_no_file_is_neither_read_nor_written(sandbox: Sandbox, path: str) -> None:
    sandbox.commands.run(
        "cd /tmp; [ -e fifo ] || { mkfifo fifo; ln -s loop loop; "
        "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"/tmp/socket\")'; }"
    )
    for use in (lambda: sandbox.files.read(path), lambda: sandbox.files.write(path, "x")):
        with pytest.raises(SandboxException):
            use()


def test_paths_lead_nowhere_but_inside(sandbox: Sandbox) -> None:
    sandbox.commands.run("ln -sfn / /tmp/up")
    inside = sandbox.commands.run("cat /etc/hostname").stdout
    for path in ("/tmp/up/../../../etc/hostname", "../../../../etc/hostname", "//etc//hostname"):
        assert sandbox.files.read(path) == inside


def test_a_watched_directory_that_is_removed_ends_its_news(sandbox: Sandbox) -> None:
    sandbox.commands.run("mkdir -p /tmp/watched/in")
    watcher = sandbox.files.watch_dir("/tmp/watched", recursive=True)
    sandbox.commands.run(
        "rm -r /tmp/watched; mkdir /tmp/watched; touch /tmp/watched/new; sleep 0.3"
    )
    events = [(event.type.value, event.name) for event in watcher.get_new_events()]
    assert ("remove", "in") in events
    assert "new" not in [name for _, name in events]  # it is another directory
    watcher.stop()
    with pytest.raises(SandboxException, match="stopped"):
        watcher.get_new_events()
    with pytest.raises(FileNotFoundException):
        sandbox.files.watch_dir("/nosuch")
    with pytest.raises(InvalidArgumentException, match="not a directory"):
        sandbox.files.watch_dir("/etc/passwd")


@pytest.mark.timeout(180)
def test_a_directory_may_hold_more_than_a_sandbox_can(sandbox_server: SandboxServer) -> None:
    with Sandbox.create("base", timeout=170, **sandbox_server.sdk) as full:
        full.commands.run(
            "mkdir /tmp/many; cd /tmp/many; seq 70000 | xargs touch 2>&1 | tail -1; true"
        )
        with pytest.raises(NotEnoughSpaceException):
            full.files.write("/tmp/one-more", "x")
        listing = full.commands.run("sleep 0.1; ls /tmp/many | wc -l", background=True)
        assert len(full.files.list("/tmp/many")) == int(listing.wait().stdout)
        full.files.remove("/tmp/many")
        full.files.write("/tmp/one-more", "x")


def test_a_full_disk_is_told_and_leaves_the_sandbox_usable(sandbox_server: SandboxServer) -> None:
    with Sandbox.create(timeout=120, **sandbox_server.sdk) as full:
        full.commands.run("head -c 600000000 /dev/zero > /tmp/big; true")
        with pytest.raises(NotEnoughSpaceException):
            full.files.write("/home/user/file", b"x" * 100_000)
        failed = full.run_code("open('/tmp/x', 'w').write('x' * 100_000)").error
        assert failed is not None
        assert "No space left" in failed.value
        full.files.remove("/tmp/big")
        full.files.write("/home/user/file", b"x" * 100_000)


@pytest.mark.parametrize(
    ("arguments", "failure", "problem"),
    [
        ({"cmd": "true " + "x" * 1_000_000}, InvalidArgumentException, "argument list too long"),
        ({"cmd": "echo a\0b"}, InvalidArgumentException, "null byte"),
        ({"cmd": "true", "envs": {"A\0": "x"}}, InvalidArgumentException, "null byte"),
        ({"cmd": "true", "envs": {"A=B": "x"}}, InvalidArgumentException, "environment variable"),
        ({"cmd": "true", "cwd": "n" * 4096}, InvalidArgumentException, "cwd"),
        ({"cmd": "true", "user": "n" * 4096}, AuthenticationException, "invalid username"),
    ],
)
def test_a_command_that_cannot_be_is_refused(
    sandbox: Sandbox, arguments: dict[str, Any], failure: type[Exception], problem: str
) -> None:
    with pytest.raises(failure, match=problem):
        sandbox.commands.run(**arguments)


@pytest.mark.parametrize("value", ["9" * 5000, "²", "-1"])
def test_numbers_that_are_none_end_nothing(envd: Ask, value: str) -> None:
    headers = {"Keepalive-Ping-Interval": value, "Content-Type": "application/json"}
    listed = envd("POST", "/process.Process/List", content=b"{}", headers=headers_of(headers))
    assert listed.status_code == 200
    body = {"process": {"pid": value}, "signal": "SIGNAL_SIGTERM"}
    assert envd("POST", "/process.Process/SendSignal", json=body).status_code in (400, 404)
    assert envd("GET", "/files?path=/etc/passwd", headers=headers_of({"Range": f"bytes={value}-"}))


def headers_of(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]
