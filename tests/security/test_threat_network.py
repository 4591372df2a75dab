"""T-NET: a sandbox reaches what its policy and this server allow, and never this host."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from e2b_code_interpreter import Sandbox

from capibara6_sandbox.isolation.identity import has_id_ranges
from support.sandbox_server import SandboxServer

CONNECT = """
import socket
def attempt(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(3)
        try:
            client.connect(address)
            client.recv(1)
        except OSError as failure:
            return type(failure).__name__, failure.errno
        return "connected"
"""
REFUSED = 111
RESET = ("ConnectionResetError", 104)


@pytest.mark.threat("T-NET-1")
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "169.254.0.1", "169.254.0.22"])
def test_the_hosts_own_servers_are_out_of_reach(
    sandbox_server: SandboxServer, value_as: Callable[[str], Any], address: str
) -> None:
    port = int(sandbox_server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), 5):
        pass  # from outside it can be reached
    code = CONNECT + f"attempt(socket.AF_INET, ('{address}', {port}))"
    assert value_as(code) in (("ConnectionRefusedError", REFUSED), RESET)


@pytest.mark.threat("T-NET-1")
def test_the_hosts_own_addresses_are_out_of_reach(
    sandbox_server: SandboxServer, value: Callable[[str], Any]
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            pytest.skip("this machine has no address but its loopback")
        own = probe.getsockname()[0]
    with socket.create_server((own, 0)) as listener:
        port = listener.getsockname()[1]
        assert value(CONNECT + f"attempt(socket.AF_INET, ('{own}', {port}))") == RESET
        listener.settimeout(0.2)
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.threat("T-NET-2")
@pytest.mark.parametrize("address", ["169.254.169.254", "10.0.0.1", "192.168.0.1", "172.17.0.1"])
def test_private_networks_and_metadata_are_out_of_reach(
    value: Callable[[str], Any], address: str
) -> None:
    assert value(CONNECT + f"attempt(socket.AF_INET, ('{address}', 80))") == RESET


@pytest.mark.threat("T-NET-2")
def test_datagrams_go_nowhere_but_to_name_servers(value: Callable[[str], Any]) -> None:
    code = """
import socket
def attempt():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("198.51.100.1", 123))
        client.settimeout(3)
        try:
            client.send(b"x")
            client.recv(1)
        except OSError as failure:
            return failure.errno
attempt()
"""
    assert value(code) == 113


@pytest.mark.threat("T-NET-2")
def test_no_other_machine_is_in_reach_by_ipv6(value: Callable[[str], Any]) -> None:
    code = CONNECT + "attempt(socket.AF_INET6, ('2606:4700:4700::1111', 80))"
    assert value(code) != "connected"


@pytest.mark.threat("T-NET-2")
def test_there_is_no_interface_but_its_own_loopback(value: Callable[[str], Any]) -> None:
    names = "[line.split(':')[0].strip() for line in open('/proc/net/dev') if ':' in line]"
    assert value(names) == ["lo"]


@pytest.mark.threat("T-NET-3")
@pytest.mark.parametrize(
    ("family", "kind"),
    [
        ("AF_INET", "SOCK_RAW"),
        ("AF_INET6", "SOCK_RAW"),
        ("AF_PACKET", "SOCK_RAW"),
        ("AF_PACKET", "SOCK_DGRAM"),
        ("AF_NETLINK", "SOCK_RAW"),
        ("AF_VSOCK", "SOCK_STREAM"),
        ("AF_ALG", "SOCK_SEQPACKET"),
        ("AF_BLUETOOTH", "SOCK_RAW"),
        ("AF_TIPC", "SOCK_DGRAM"),
    ],
)
def test_sockets_that_reach_into_the_kernel_are_refused(
    value_as: Callable[[str], Any], family: str, kind: str
) -> None:
    code = f"""
import errno, socket
def attempt():
    try:
        socket.socket(getattr(socket, {family!r}, 99), socket.{kind}).close()
    except OSError as failure:
        return errno.errorcode[failure.errno]
    return "opened"
attempt()
"""
    assert value_as(code) in ("EPERM", "EAFNOSUPPORT")


@pytest.mark.threat("T-NET-4")
def test_sandboxes_do_not_share_a_loopback(
    sandbox_server: SandboxServer, sandbox: Sandbox, value: Callable[[str], Any]
) -> None:
    other = Sandbox.create(**sandbox_server.sdk)
    try:
        listen = "import socket; s = socket.create_server(('127.0.0.1', 7777)); s.getsockname()[1]"
        assert other.run_code(listen).text == "7777"
        code = CONNECT + "attempt(socket.AF_INET, ('127.0.0.1', 7777))"
        assert value(code) == ("ConnectionRefusedError", REFUSED)
    finally:
        other.kill()


@pytest.mark.threat("T-NET-4")
def test_sandboxes_do_not_share_abstract_sockets(
    sandbox_server: SandboxServer, value: Callable[[str], Any]
) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("\0capibara6-test-abstract")
        listener.listen()
        code = CONNECT + "attempt(socket.AF_UNIX, chr(0) + 'capibara6-test-abstract')"
        assert value(code) == ("ConnectionRefusedError", REFUSED)


@pytest.mark.threat("T-NET-5")
def test_the_process_that_connects_for_sandboxes_has_no_rights(
    sandbox_server: SandboxServer,
) -> None:
    statuses = [Path(f"/proc/{pid}/status").read_text() for pid in sandbox_server.descendants()]
    (egress,) = (status for status in statuses if "Name:\tc6-egress\n" in status)
    fields = dict(line.split(":\t", 1) for line in egress.splitlines() if ":\t" in line)
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
    if has_id_ranges():
        assert fields["Uid"].split() == ["65534"] * 4


@pytest.mark.threat("T-NET-5")
def test_nothing_but_the_outlet_listens_for_sandboxes(value: Callable[[str], Any]) -> None:
    ours = "open('/proc/net/tcp').read().split('\\n')[1:]"
    code = f"sorted(line.split()[1] for line in {ours} if ' 0A ' in line)"
    assert [entry for entry in value(code) if not entry.startswith("0100007F")] in (
        ["1600FEA9:0001"],  # 169.254.0.22
        ["00000000:C34F", "1600FEA9:0001"],  # and the code interpreter's own health answer
    )


@pytest.mark.threat("T-NET-2")
def test_a_server_told_so_gives_no_network_at_all() -> None:
    server = SandboxServer(("--network", "none", "--pool", "0")).start()
    try:
        sandbox = Sandbox.create(allow_internet_access=True, **server.sdk)
        code = CONNECT + "print(attempt(socket.AF_INET, ('198.51.100.1', 80)))"
        assert sandbox.run_code(code).logs.stdout == ["('OSError', 101)\n"]
        sandbox.kill()
    finally:
        assert server.stop() == 0
