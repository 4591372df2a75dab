"""What a client lets its sandbox reach, and the decision: data and pure functions.

The order is E2B's: what is allowed by name or address goes before what is denied, and what neither
names is allowed. Which addresses no policy opens is decided in `reach`.
"""

import enum
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from capibara6_sandbox.network.proxies import EgressProxy, PolicyError, ProxyTls

ALL_TRAFFIC: Final = "0.0.0.0/0"
NAMED_PORTS: Final = frozenset({80, 443})  # where a connection's first bytes tell a name
ENTRIES_MAX: Final = 1_000
NAME_SERVERS_MAX: Final = 10

DOMAINS_NEED_DENY_ALL: Final = (
    "When specifying allowed domains in allow out, you must include 'ALL_TRAFFIC' in deny out to "
    "block all other traffic."
)


@dataclass(frozen=True, slots=True)
class HostRule:
    """What is done to the requests to one host, or to all below a wildcard."""

    host: str  # in small letters
    headers: tuple[tuple[str, str], ...] | None = field(default=None, repr=False)  # None: nothing


@dataclass(frozen=True, slots=True)
class Policy:
    """As clients write it."""

    allow_out: tuple[str, ...] = ()  # addresses, CIDR blocks and names
    deny_out: tuple[str, ...] = ()  # addresses and CIDR blocks
    internet: bool | None = None  # False: as if everything were denied
    proxy: EgressProxy | None = None
    rules: tuple[HostRule, ...] = ()
    dns_servers: tuple[str, ...] | None = None  # reached under a list of allowed names; None: none


def restore(told: Mapping[str, Any]) -> Policy:
    """Return the policy whose fields, by `asdict`, were passed on as JSON."""
    proxy, tls = told["proxy"], (told["proxy"] or {}).get("tls")
    rules = tuple(HostRule(rule["host"], _pairs(rule["headers"])) for rule in told["rules"])
    return Policy(
        tuple(told["allow_out"]),
        tuple(told["deny_out"]),
        told["internet"],
        EgressProxy(**{**proxy, "tls": ProxyTls(**tls) if tls else None}) if proxy else None,
        rules,
        None if told["dns_servers"] is None else tuple(told["dns_servers"]),
    )


def _pairs(headers: list[tuple[str, str]] | None) -> tuple[tuple[str, str], ...] | None:
    return None if headers is None else tuple((name, value) for name, value in headers)


EVERYTHING: Final = Policy()
NOTHING: Final = Policy(internet=False)


class Verdict(enum.Enum):
    """What becomes of a connection."""

    BY_NAME = "by name"  # allowed to where its name leads, wherever it was sent
    ALLOWED = "allowed"
    DENIED = "denied"


class Rules:
    """A policy, made ready for decisions.

    Raises:
        PolicyError: an entry is none, or names are allowed while nothing is denied.
    """

    def __init__(self, policy: Policy) -> None:
        if len(policy.allow_out) + len(policy.deny_out) > ENTRIES_MAX:
            raise PolicyError(f"A network policy can have at most {ENTRIES_MAX} entries.")
        denied = policy.deny_out
        self._denied = [_network(entry, "denied CIDR") for entry in denied]
        addresses = [entry for entry in policy.allow_out if _is_address(entry)]
        self._allowed = [_network(entry, "allowed address") for entry in addresses]
        self._names = [e.lower() for e in policy.allow_out if not _is_address(e)]
        servers = [_name_server(entry) for entry in policy.dns_servers or ()]
        if len(servers) > NAME_SERVERS_MAX:
            raise PolicyError(f"At most {NAME_SERVERS_MAX} DNS servers can be given.")
        if self._names:
            self._allowed += servers
        if self._names and ALL_TRAFFIC not in denied:
            raise PolicyError(DOMAINS_NEED_DENY_ALL)
        if policy.internet is False:
            denied = (ALL_TRAFFIC,)
            self._denied = [ipaddress.ip_network(ALL_TRAFFIC)]
        self._open = ALL_TRAFFIC not in denied or ALL_TRAFFIC in addresses

    def asks_name(self, port: int) -> bool:
        """Whether the decision about a connection to `port` may need the name that it tells."""
        return bool(self._names) and port in NAMED_PORTS

    def decide(self, address: str, name: str = "") -> Verdict:
        """Decide about a connection to an IPv4 address, whose first bytes told `name`."""
        if name and self._matches(name):
            return Verdict.BY_NAME
        target = ipaddress.IPv4Address(address)
        if any(target in network for network in self._allowed):
            return Verdict.ALLOWED
        if any(target in network for network in self._denied):
            return Verdict.DENIED
        return Verdict.ALLOWED

    def resolves(self, name: str) -> bool:
        """Whether a sandbox is told what a name stands for.

        Under a list of allowed names no other one is looked up: a question to a name server is
        itself a way out. (E2B answers them all.)
        """
        return self._open or self._matches(name)

    def _matches(self, name: str) -> bool:
        return any(matches(name, pattern) for pattern in self._names)


def matches(name: str, pattern: str) -> bool:
    """Whether a name is meant by a pattern: itself, `*`, or `*.` and what it ends in."""
    name, pattern = name.lower().removesuffix("."), pattern.lower()
    if not pattern.startswith("*"):
        pattern = pattern.removesuffix(".")
    if not name or not pattern:
        return False
    if pattern in ("*", name):
        return True
    return pattern.startswith("*.") and len(pattern) > 2 and name.endswith(pattern[1:])


def parse_networks(entries: Iterable[str]) -> list[ipaddress.IPv4Network]:
    """Read addresses and CIDR blocks.

    Raises:
        PolicyError: one is neither.
    """
    found = (_network(entry, "address") for entry in entries)
    return [network for network in found if isinstance(network, ipaddress.IPv4Network)]


def _is_address(entry: str) -> bool:
    try:
        ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
    return True


def _name_server(entry: str) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(ipaddress.IPv4Address(entry))
    except ValueError:
        raise PolicyError(f"invalid DNS server {entry[:80]}: an IPv4 address is needed") from None


def _network(entry: str, what: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        network = ipaddress.ip_network(entry, strict=False)
    except ValueError:
        raise PolicyError(f"invalid {what} {entry}") from None
    if entry != ALL_TRAFFIC and int(ipaddress.ip_address(entry.partition("/")[0])) == 0:
        raise PolicyError(f"invalid {what} {entry}")
    return network
