"""A sandbox's connections through a SOCKS5 proxy of its client's."""

from collections.abc import Iterator

import pytest
from e2b import Sandbox
from e2b.exceptions import SandboxException

from capibara6_sandbox.network.reach import HOST_NAME
from support.real_servers import Trusted
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


def test_a_proxy_within_private_networks_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxException, match=r"internal / denied IP range: 10\.0\.0\.1 resolves"):
        sandbox.update_network({"egress_proxy": {"address": "10.0.0.1:1080"}})


def test_a_proxy_is_spoken_to_within_tls(
    sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Through another server, which shows the port of such a proxy."""
    trusted = Trusted(tmp_path_factory.mktemp("trusted"))
    context = trusted.context("proxy.test")
    with SocksProxy("user", "secret", context) as secured:
        server = SandboxServer(("--network-host-port", str(secured.port), "--pool", "0")).start()
        try:
            tls = {"server_name": "proxy.test", "ca_cert": trusted.file.read_text()}
            proxy = {**via(secured), "tls": tls}
            with Sandbox.create(network={"egress_proxy": proxy}, **server.sdk) as inside:
                inside.files.write("/tmp/client.py", CLIENT)
                assert talk(inside, "198.51.100.7", 1234) == "[198.51.100.7:1234] hello"
                network = inside.get_info().network
                assert network is not None
                assert network["egress_proxy"]["tls"] == {"server_name": "proxy.test"}
                for unproven in (True, {**tls, "server_name": "other.test"}):
                    inside.update_network({"egress_proxy": {**via(secured), "tls": unproven}})
                    assert talk(inside, "198.51.100.7", 1234) == "reset"
        finally:
            assert server.stop() == 0


def test_the_password_is_not_told(sandbox: Sandbox, proxy: SocksProxy) -> None:
    sandbox.update_network({"egress_proxy": via(proxy)})
    shown = repr(sandbox.get_info())
    assert HOST_NAME in shown
    assert "secret" not in shown


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"egress_proxy": {"address": "proxy"}}, "Invalid egress proxy config"),
        (
            {"egress_proxy": {"address": "1.1.1.1:1", "tls": {"ca_cert": "none"}}},
            "egress proxy CA certificate is not in PEM",
        ),
        ({"dns_servers": ["::1"]}, "invalid DNS server ::1"),
        ({"dns_servers": ["dns.test"]}, "invalid DNS server dns.test"),
        ({"dns_servers": ["1.1.1.1"] * 11}, "At most 10 DNS servers"),
        ({"deny_out": ["example.com"]}, "invalid denied CIDR example.com"),
        ({"allow_out": ["example.com"]}, "you must include 'ALL_TRAFFIC' in deny out"),
        ({"rules": {"a test": []}}, 'Rule domain "a test" is not a valid domain name.'),
    ],
)
def test_what_cannot_be_is_refused(sandbox: Sandbox, network: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(SandboxException, match=message):
        sandbox.update_network(network)
