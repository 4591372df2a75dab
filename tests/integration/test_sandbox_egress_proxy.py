"""A sandbox's connections through a SOCKS5 proxy of its client's."""

from collections.abc import Iterator

import pytest
from e2b import Sandbox
from e2b.exceptions import SandboxException

from capibara6_sandbox.network.reach import HOST_NAME
from support.sandbox_server import SandboxServer
from support.socks_proxy import SocksProxy

CLIENT = """
import errno, socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 10) as client:
        client.sendall(sys.argv[3].encode().decode("unicode_escape").encode())
        client.shutdown(socket.SHUT_WR)
        print(b"".join(iter(lambda: client.recv(65536), b"")).decode(), end="")
except OSError as failure:  # a reset is met while sending, shutting down or receiving
    reset = isinstance(failure, ConnectionError) or failure.errno == errno.ENOTCONN
    print("reset" if reset else type(failure).__name__, end="")
"""


@pytest.fixture(scope="module")
def proxy() -> Iterator[SocksProxy]:
    with SocksProxy("user", "secret") as proxy:
        yield proxy


@pytest.fixture(scope="module")
def sandbox(proxy: SocksProxy) -> Iterator[Sandbox]:
    server = SandboxServer(("--network-host-port", str(proxy.port), "--pool", "1")).start()
    sandbox = Sandbox.create(timeout=120, **server.sdk)
    sandbox.files.write("/tmp/client.py", CLIENT)
    yield sandbox
    sandbox.kill()
    assert server.stop() == 0


def via(proxy: SocksProxy, password: str = "secret") -> dict[str, str]:
    address = f"{HOST_NAME}:{proxy.port}"
    return {"address": address, "username": "user", "password": password}


def talk(sandbox: Sandbox, address: str, port: int, text: str = "hello") -> str:
    command = f"python /tmp/client.py {address} {port} '{text}'"
    return sandbox.commands.run(command).stdout


def test_connections_go_through_the_proxy_after_the_policy(
    sandbox: Sandbox, proxy: SocksProxy
) -> None:
    sandbox.update_network({"egress_proxy": via(proxy), "deny_out": ["198.51.100.8"]})
    assert talk(sandbox, "198.51.100.7", 1234) == "[198.51.100.7:1234] hello"
    assert talk(sandbox, "198.51.100.8", 1234) == "reset"
    assert not any("198.51.100.8" in asked for asked in proxy.asked)


def test_an_allowed_name_is_left_to_the_proxy_to_look_up(
    sandbox: Sandbox, proxy: SocksProxy
) -> None:
    network = {"egress_proxy": via(proxy), "allow_out": ["a.test"], "deny_out": ["0.0.0.0/0"]}
    sandbox.update_network(network)
    head = "GET / HTTP/1.1\\r\\nHost: a.test\\r\\n\\r\\n"
    assert talk(sandbox, "198.51.100.7", 80, head).startswith("[a.test:80] GET /")


def test_a_wrong_password_reaches_nothing(sandbox: Sandbox, proxy: SocksProxy) -> None:
    sandbox.update_network({"egress_proxy": via(proxy, "wrong")})
    assert talk(sandbox, "198.51.100.7", 1234) == "reset"


def test_a_proxy_within_private_networks_is_not_reached(sandbox: Sandbox) -> None:
    sandbox.update_network({"egress_proxy": {"address": "127.0.0.1:1080"}})
    assert talk(sandbox, "198.51.100.7", 1234) == "reset"


def test_the_password_is_not_told(sandbox: Sandbox, proxy: SocksProxy) -> None:
    sandbox.update_network({"egress_proxy": via(proxy)})
    shown = repr(sandbox.get_info())
    assert HOST_NAME in shown
    assert "secret" not in shown


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"egress_proxy": {"address": "proxy"}}, "Invalid egress proxy config"),
        ({"deny_out": ["example.com"]}, "invalid denied CIDR example.com"),
        ({"allow_out": ["example.com"]}, "you must include 'ALL_TRAFFIC' in deny out"),
        ({"rules": {"a test": []}}, 'Rule domain "a test" is not a valid domain name.'),
    ],
)
def test_what_cannot_be_is_refused(sandbox: Sandbox, network: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(SandboxException, match=message):
        sandbox.update_network(network)
