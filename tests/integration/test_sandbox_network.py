"""Sandboxes on the network: through the egress process, to servers on this machine's loopback."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from e2b import Sandbox

from capibara6_sandbox.network import dns
from capibara6_sandbox.network.reach import HOST_ADDRESS, HOST_NAME
from support.privileges import needs_root
from support.real_servers import name_server
from support.sandbox_server import SandboxServer, wait_until

NAMED_ADDRESS = "127.77.0.2"  # where allowed names lead
CLIENT = """
import errno, socket, sys
def talk(address, text=b"hello", port=PORT):
    try:
        with socket.create_connection((address, port), 10) as client:
            client.sendall(text)
            client.shutdown(socket.SHUT_WR)
            answer = b""
            while more := client.recv(65536):
                answer += more
            return answer.decode("latin-1")
    except OSError as failure:  # a reset is met while sending, shutting down or receiving
        reset = isinstance(failure, ConnectionError) or failure.errno == errno.ENOTCONN
        return "reset" if reset else type(failure).__name__
"""


def serve(listener: socket.socket, answer: Callable[[bytes], bytes]) -> None:
    def one(client: socket.socket) -> None:
        with client, contextlib.suppress(ConnectionError):  # of sandboxes that are killed
            asked = b""
            while more := client.recv(65536):
                asked += more
            client.sendall(answer(asked))

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


@pytest.fixture(scope="module")
def echo_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        serve(listener, lambda asked: b"echo " + asked)
        yield listener.getsockname()[1]


@pytest.fixture(scope="module")
def names() -> Iterator[tuple[str, list[str]]]:
    with name_server({"rebound.test": "127.0.0.1"}, NAMED_ADDRESS) as found:
        yield found


@pytest.fixture
def asked_names(names: tuple[str, list[str]]) -> list[str]:
    return names[1]


@pytest.fixture(scope="module")
def server(echo_port: int, names: tuple[str, list[str]]) -> Iterator[SandboxServer]:
    options = ["--network-host-port", str(echo_port), "--pool", "1"]
    options += ["--network-allow", f"{NAMED_ADDRESS}/32", "--network-dns", names[0]]
    server = SandboxServer(tuple(options)).start()
    yield server
    assert server.stop() == 0


@pytest.fixture
def sandbox(server: SandboxServer) -> Iterator[Sandbox]:
    sandbox = Sandbox.create(timeout=120, **server.sdk)
    yield sandbox
    sandbox.kill()


@pytest.fixture
def shown(sandbox: Sandbox, echo_port: int) -> Callable[[str], str]:
    """Return what an expression shows inside; a function, so that policies can change between."""

    def run(expression: str) -> str:
        code = CLIENT.replace("PORT", str(echo_port), 1) + f"print({expression})"
        sandbox.files.write("/tmp/client.py", code)
        return sandbox.commands.run("python /tmp/client.py").stdout.strip()

    return run


def test_a_port_of_the_host_is_reached_and_half_closed(shown: Callable[[str], str]) -> None:
    assert shown(f"talk('{HOST_NAME}')") == "echo hello"


def test_its_own_name_and_localhost_are_known_without_a_server(
    shown: Callable[[str], str],
) -> None:
    expression = "socket.gethostbyname('localhost'), socket.gethostbyname(socket.gethostname())"
    assert shown(expression) == "127.0.0.1 127.0.1.1"


def test_allowed_goes_before_denied_and_changes_hold_at_once(
    sandbox: Sandbox, shown: Callable[[str], str]
) -> None:
    ask = f"talk('{HOST_ADDRESS}')"
    sandbox.update_network({"deny_out": [HOST_ADDRESS]})
    assert shown(ask) == "reset"
    sandbox.update_network({"deny_out": ["0.0.0.0/0"], "allow_out": [HOST_ADDRESS]})
    assert shown(ask) == "echo hello"
    sandbox.update_network({"allow_internet_access": False})
    assert shown(ask) == "reset"
    sandbox.update_network({})
    assert shown(ask) == "echo hello"


@pytest.mark.parametrize("memory", [True, False])
def test_a_policy_outlives_a_pause(
    sandbox: Sandbox, shown: Callable[[str], str], memory: bool
) -> None:
    ask = f"talk('{HOST_ADDRESS}')"
    sandbox.update_network({"deny_out": [HOST_ADDRESS]})
    sandbox.pause(keep_memory=memory)
    sandbox.connect()
    assert shown(ask) == "reset"
    sandbox.update_network({})
    assert shown(ask) == "echo hello"


def test_no_internet_access_from_the_start(server: SandboxServer, echo_port: int) -> None:
    sandbox = Sandbox.create(allow_internet_access=False, **server.sdk)
    try:
        code = CLIENT.replace("PORT", str(echo_port), 1) + f"print(talk('{HOST_ADDRESS}'))"
        sandbox.files.write("/tmp/client.py", code)
        assert sandbox.commands.run("python /tmp/client.py").stdout == "reset\n"
        assert sandbox.get_info().allow_internet_access is False
    finally:
        sandbox.kill()


@needs_root("it listens on port 80")
def test_an_allowed_name_leads_where_it_leads_and_not_where_it_was_sent(
    sandbox: Sandbox, shown: Callable[[str], str]
) -> None:
    sandbox.update_network({"deny_out": ["0.0.0.0/0"], "allow_out": ["*.test"]})
    with socket.create_server((NAMED_ADDRESS, 80)) as listener:
        serve(listener, lambda asked: b"by name")
        ask = "talk('198.51.100.7', b'GET / HTTP/1.1\\r\\nHost: {}\\r\\n\\r\\n', 80)"
        assert shown(ask.format("a.test")) == "by name"
        assert shown(ask.format("a.other")) == "reset"
        assert shown(ask.format("rebound.test")) == "reset"


def test_names_that_are_not_allowed_are_not_even_asked(
    sandbox: Sandbox, shown: Callable[[str], str], asked_names: list[str]
) -> None:
    sandbox.update_network({"deny_out": ["0.0.0.0/0"], "allow_out": ["good.test"]})
    assert shown("socket.gethostbyname('good.test')") == NAMED_ADDRESS
    shown("talk('leaked-secret.test')")
    assert "good.test" in asked_names
    assert not any("leaked" in name for name in asked_names)


def test_two_hundred_connections_at_once(shown: Callable[[str], str]) -> None:
    # Small stacks: where rlimits stand in for cgroups, they bound what a process reserves.
    expression = f"""[
        __import__('threading').stack_size(1 << 18),
        set(__import__('concurrent.futures').futures.ThreadPoolExecutor(200).map(
            lambda n: talk('{HOST_ADDRESS}', b'x' * 100_000) == 'echo ' + 'x' * 100_000,
            range(200))),
    ][1]"""
    assert shown(expression) == "{True}"


def egress_pid(server: SandboxServer) -> int:
    names = {pid: Path(f"/proc/{pid}/comm").read_text() for pid in server.descendants()}
    egress: list[int] = [pid for pid, name in names.items() if name == "c6-egress\n"]
    assert len(egress) == 1
    return egress[0]


def test_a_change_returns_when_nothing_passes_by_what_was_before(
    server: SandboxServer, sandbox: Sandbox, shown: Callable[[str], str]
) -> None:
    sandbox.update_network({})
    assert shown(f"talk('{HOST_ADDRESS}')") == "echo hello"
    egress = egress_pid(server)
    os.kill(egress, signal.SIGSTOP)
    change = threading.Thread(
        target=sandbox.update_network, args=({"deny_out": ["0.0.0.0/0"]},), daemon=True
    )
    try:
        change.start()
        change.join(1.0)
        assert change.is_alive(), "the process that decides has not heard of it"
    finally:
        os.kill(egress, signal.SIGCONT)
    change.join(10.0)
    assert not change.is_alive()
    assert shown(f"talk('{HOST_ADDRESS}')") == "reset"


@needs_root("it looks into the egress process")
def test_nothing_is_left_after_a_kill(server: SandboxServer, echo_port: int) -> None:
    def egress_fds() -> int:
        return len(os.listdir(f"/proc/{egress_pid(server)}/fd"))

    before = egress_fds()
    sandbox = Sandbox.create(**server.sdk)
    code = f"import socket; s = [socket.create_connection(('{HOST_ADDRESS}', {echo_port}))"
    code += " for _ in range(20)]; input()"
    sandbox.commands.run(f'python -c "{code}"', background=True, stdin=True)
    wait_until(lambda: egress_fds() >= before + 40)
    sandbox.kill()
    wait_until(lambda: egress_fds() <= before + 2)  # the pool may hold one sandbox more


def test_names_are_told_over_tcp_too(shown: Callable[[str], str]) -> None:
    query = dns.query(7, "good.test")
    framed = len(query).to_bytes(2) + query
    expression = f"talk('169.254.0.53', {framed!r}, 53)"
    # This name server speaks UDP only, so the answer is that it failed: but there is one.
    assert shown(f"len({expression}) > 12") == "True"


def test_a_receiver_that_does_not_read_stops_nobody_else(
    sandbox: Sandbox, shown: Callable[[str], str], echo_port: int
) -> None:
    code = f"import socket, time; s = socket.create_connection(('{HOST_ADDRESS}', {echo_port}));"
    code += " s.sendall(b'x' * 50_000_000); s.shutdown(1); time.sleep(60)"
    stuck = sandbox.commands.run(f'python -c "{code}"', background=True)
    for _ in range(3):
        assert shown(f"talk('{HOST_ADDRESS}')") == "echo hello"
    stuck.kill()
