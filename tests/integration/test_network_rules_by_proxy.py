"""Rules for requests that go through a client's own proxy; so also without root's ports."""

from collections.abc import Iterator

import pytest
from e2b import Sandbox, Secret

from capibara6_sandbox.network.reach import HOST_NAME
from support.real_servers import HOST, Trusted, header, http_server, made, rules, seen
from support.sandbox_server import SandboxServer
from support.socks_proxy import SocksProxy


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Trusted:
    return Trusted(tmp_path_factory.mktemp("trusted"))


@pytest.fixture(scope="module")
def proxy(trusted: Trusted) -> Iterator[SocksProxy]:
    with (
        http_server("127.0.0.1", 0) as plain,
        http_server("127.0.0.1", 0, trusted.context(HOST)) as secured,
        SocksProxy(behind={80: plain.server_port, 443: secured.server_port}) as proxy,
    ):
        yield proxy


@pytest.fixture(scope="module")
def server(trusted: Trusted, proxy: SocksProxy) -> Iterator[SandboxServer]:
    options = ("--network-host-port", str(proxy.port), "--pool", "1")
    server = SandboxServer(options, {"SSL_CERT_FILE": str(trusted.file)}).start()
    Secret.create("by-proxy", "sk-by-proxy", **server.sdk)
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def sandbox(server: SandboxServer, proxy: SocksProxy) -> Iterator[Sandbox]:
    network = rules({"X-Token": Secret.fill("by-proxy")})
    network["egress_proxy"] = {"address": f"{HOST_NAME}:{proxy.port}"}
    with made(server, network) as sandbox:
        yield sandbox


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_rules_are_applied_before_the_proxy_which_looks_names_up(
    sandbox: Sandbox, proxy: SocksProxy, scheme: str
) -> None:
    told = seen(sandbox, f"{scheme}://{HOST}/ -H 'X-Token: forged'")
    assert header(told, "X-Token") == ["sk-by-proxy"]
    assert f"{HOST}:{443 if scheme == 'https' else 80}" in proxy.asked


def test_other_hosts_pass_through_the_proxy_as_they_are(sandbox: Sandbox) -> None:
    assert header(seen(sandbox, "-k https://other.test/"), "X-Token") == []


def test_it_believes_its_own_authority_and_nothing_can_change_that(sandbox: Sandbox) -> None:
    place = "/run/capibara6/ca-certificates.crt"
    system = "/etc/ssl/certs/ca-certificates.crt"
    assert sandbox.commands.run(f"cmp {place} {system} && echo same").stdout == "same\n"
    change = f"rm -f {place}; echo x > {place} || echo refused"
    assert sandbox.commands.run(f"({change}) 2>/dev/null", user="root").stdout == "refused\n"
