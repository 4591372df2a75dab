"""Decisions about what a sandbox may reach: E2B's order, E2B's refusals."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara6_sandbox.network.policy import (
    ALL_TRAFFIC,
    DOMAINS_NEED_DENY_ALL,
    Policy,
    Rules,
    Verdict,
    matches,
)
from capibara6_sandbox.network.proxies import PolicyError, ProxyTls, parse_proxy
from capibara6_sandbox.network.reach import HOST_NAME, Mode, Reach, Shown

ADDRESSES = st.ip_addresses(v=4).map(str)


def decide(allow: tuple[str, ...], deny: tuple[str, ...], address: str, name: str = "") -> Verdict:
    return Rules(Policy(allow, deny)).decide(address, name)


@given(ADDRESSES)
def test_without_a_policy_everything_is_allowed(address: str) -> None:
    assert decide((), (), address) is Verdict.ALLOWED


@given(ADDRESSES)
def test_deny_all_denies_all(address: str) -> None:
    assert decide((), (ALL_TRAFFIC,), address) is Verdict.DENIED
    assert Rules(Policy(internet=False)).decide(address) is Verdict.DENIED


@given(ADDRESSES.filter(lambda a: a != "0.0.0.0"))
def test_allowed_goes_before_denied(address: str) -> None:
    assert decide((address,), (address, ALL_TRAFFIC), address) is Verdict.ALLOWED
    assert Rules(Policy((address,), (), internet=False)).decide(address) is Verdict.ALLOWED


def test_blocks_are_denied_and_allowed() -> None:
    assert decide((), ("8.8.8.0/24",), "8.8.8.8") is Verdict.DENIED
    assert decide((), ("8.8.8.0/24",), "8.8.9.8") is Verdict.ALLOWED
    assert decide(("8.8.8.8/24",), (ALL_TRAFFIC,), "8.8.8.1") is Verdict.ALLOWED


def test_a_name_is_allowed_wherever_it_was_sent() -> None:
    assert decide(("Example.COM",), (ALL_TRAFFIC,), "1.1.1.1", "example.com") is Verdict.BY_NAME
    assert decide(("example.com",), (ALL_TRAFFIC,), "1.1.1.1", "a.example.com") is Verdict.DENIED
    assert decide(("example.com",), (ALL_TRAFFIC,), "1.1.1.1") is Verdict.DENIED


@pytest.mark.parametrize(
    ("name", "pattern", "meant"),
    [
        ("a.example.com", "*.example.com", True),
        ("a.b.example.com", "*.EXAMPLE.com", True),
        ("example.com", "*.example.com", False),
        ("badexample.com", "*.example.com", False),
        ("anything", "*", True),
        ("", "*", False),
        ("a", "", False),
        ("a", "*.", False),
        ("example.com.", "example.com", True),
    ],
)
def test_patterns_of_names(name: str, pattern: str, meant: bool) -> None:
    assert matches(name, pattern) is meant


@pytest.mark.parametrize(
    ("allow", "deny", "message"),
    [
        ((), ("example.com",), "invalid denied CIDR example.com"),
        ((), ("0.0.0.0",), "invalid denied CIDR 0.0.0.0"),
        (("0.0.0.0/8",), (), "invalid allowed address 0.0.0.0/8"),
        (("example.com",), (), DOMAINS_NEED_DENY_ALL),
        (("*.example.com", "8.8.8.8"), ("10.0.0.0/8",), DOMAINS_NEED_DENY_ALL),
    ],
)
def test_what_cannot_be_is_refused_with_e2bs_words(
    allow: tuple[str, ...], deny: tuple[str, ...], message: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        Rules(Policy(allow, deny))
    assert str(caught.value) == message


@pytest.mark.parametrize("deny", [(), ("10.0.0.0/8", "192.168.0.0/16"), (ALL_TRAFFIC,)])
def test_what_e2b_accepts_is_accepted(deny: tuple[str, ...]) -> None:
    Rules(Policy(("8.8.8.8", "8.8.0.0/16", ALL_TRAFFIC), deny))


def test_under_a_list_of_names_no_other_is_looked_up() -> None:
    rules = Rules(Policy(("example.com",), (ALL_TRAFFIC,)))
    assert rules.resolves("example.com")
    assert not rules.resolves("secret.attacker.test")
    assert not Rules(Policy(internet=False)).resolves("example.com")
    assert Rules(Policy((), ("8.8.8.8",))).resolves("example.com")


@pytest.mark.parametrize("mode", [Mode.PUBLIC, Mode.ALL])
@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1"])
def test_this_host_and_its_metadata_are_never_covered(mode: Mode, address: str) -> None:
    assert not Reach(mode).covers(address)


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "192.168.0.1", "172.31.0.1", "100.64.0.1", "192.0.0.192", "198.18.0.1"],
)
def test_private_networks_only_where_the_server_says_so(address: str) -> None:
    assert not Reach(Mode.PUBLIC).covers(address)
    assert Reach(Mode.ALL).covers(address)
    assert Reach(Mode.PUBLIC, [ipaddress.IPv4Network(address)]).covers(address)
    assert not Reach(Mode.NONE, [ipaddress.IPv4Network(address)]).covers(address)


def test_a_proxy_is_read_as_clients_write_it() -> None:
    proxy = parse_proxy(" Proxy.Example.com:1080 ", "user", "secret")
    assert (proxy.host, proxy.port, proxy.username) == ("proxy.example.com", 1080, "user")
    assert "secret" not in repr(proxy)


@pytest.mark.parametrize(
    ("address", "username", "password", "message"),
    [
        ("proxy", "", "", "must be in host:port form"),
        (":1080", "", "", "must be in host:port form"),
        ("proxy:0", "", "", "is not a valid 1-65535 value"),
        ("proxy:65536", "", "", "is not a valid 1-65535 value"),
        ("proxy:1", "", "secret", "must be empty when username is empty"),
        ("proxy:1", "u" * 256, "", "must not exceed 255 bytes"),
    ],
)
def test_what_is_no_proxy_is_refused(
    address: str, username: str, password: str, message: str
) -> None:
    with pytest.raises(PolicyError, match=message):
        parse_proxy(address, username, password)


@pytest.mark.parametrize(
    ("tls", "message"),
    [
        (ProxyTls("a b"), "is no host name"),
        (ProxyTls("x" * 254), "is no host name"),
        (ProxyTls(authorities="no PEM"), "is not in PEM"),
        (ProxyTls(authorities="x" * 8193), "must not exceed 8192 bytes"),
    ],
)
def test_what_is_no_tls_of_a_proxy_is_refused(tls: ProxyTls, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        parse_proxy("proxy:1", tls=tls)


def test_name_servers_are_open_under_a_list_of_names_only() -> None:
    servers = ("9.9.9.9",)
    closed = ("0.0.0.0/0",)
    listed = Rules(Policy(("a.test",), closed, dns_servers=servers))
    assert listed.decide("9.9.9.9") is Verdict.ALLOWED
    assert listed.decide("8.8.8.8") is Verdict.DENIED
    assert Rules(Policy((), closed, dns_servers=servers)).decide("9.9.9.9") is Verdict.DENIED


def test_what_the_host_shows_of_itself() -> None:
    shown = Shown(frozenset({8443}), "e2b.test")
    assert shown.covers(HOST_NAME, 8443)
    assert shown.covers("3000-abc1.e2b.test", 8443)
    assert not shown.covers("3000-abc1.e2b.test", 22)
    for name in ("api.e2b.test", "e2b.test", "x.3000-abc1.e2b.test", "3000-abc1.e2b.testing", ""):
        assert not shown.names(name)
    assert not Shown(frozenset({8443})).names("3000-abc1.")
