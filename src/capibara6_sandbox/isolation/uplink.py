"""The way out of a sandbox's network namespace: two sockets, through which all of it passes.

Every IPv4 address is made local to the namespace ("AnyIP"), and one netfilter rule hands each TCP
connection to a transparent listener, whose accepted sockets bear the address that the program
meant as their own. Datagrams to port 53 reach a second socket. No interface, no address
translation, no route on the host; nothing can pass that does not go through these sockets, which
only the server's side holds. Standard library only: the nursery imports this.
"""

import socket
import struct
from typing import Final

from capibara6_sandbox.isolation.netlink import (
    ACKNOWLEDGE,
    APPEND,
    CREATE,
    NETFILTER,
    attribute,
    converse,
    message,
    nested,
)

OWN_ADDRESS: Final = "169.254.0.21"  # what programs see as theirs; E2B's own
_LISTENER: Final = ("169.254.0.22", 1)  # where nothing else would listen
DNS_PORT: Final = 53
_BACKLOG: Final = 1024
_IP_TRANSPARENT, _IP_PKTINFO = 19, 8

_LOOPBACK_INDEX: Final = 1
_NEW_ADDRESS, _NEW_ROUTE = 20, 24
_TABLE_LOCAL, _SCOPE_HOST, _TYPE_LOCAL, _PROTOCOL_BOOT = 255, 254, 2, 3

_BATCH_BEGIN, _BATCH_END = 16, 17
_NF_TABLES: Final = 10
_NEW_TABLE, _NEW_CHAIN, _NEW_RULE = 0, 3, 6
_PREROUTING, _PRIORITY_MANGLE, _POLICY_ACCEPT = 0, -150, 1
_TABLE: Final = attribute(1, b"capibara6\0")
_ACCEPT, _VERDICT_REGISTER, _EQUAL = 1, 0, 0
_NETWORK_HEADER, _TRANSPORT_HEADER, _META_L4PROTO = 1, 2, 16
_ADMIN_PROHIBITED: Final = 13  # the ICMP code that programs read as "no route to host"


def open_uplink() -> list[int]:
    """Set up the calling thread's network namespace; return the TCP and the DNS socket.

    The caller needs CAP_NET_ADMIN over the namespace.

    Raises:
        OSError: the kernel refused, for one because it lacks nf_tables or its tproxy.
    """
    converse(0, [_own_address(), _all_addresses()])
    converse(NETFILTER, _rules())
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
        tcp.setsockopt(socket.SOL_IP, _IP_TRANSPARENT, 1)
        tcp.bind(_LISTENER)
        tcp.listen(_BACKLOG)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dns:
            dns.setsockopt(socket.SOL_IP, _IP_PKTINFO, 1)
            dns.bind(("0.0.0.0", DNS_PORT))  # noqa: S104 - of the sandbox's own network
            return [tcp.detach(), dns.detach()]


def _own_address() -> bytes:
    address = socket.inet_aton(OWN_ADDRESS)
    body = struct.pack("=BBBBI", socket.AF_INET, 32, 0, 0, _LOOPBACK_INDEX)
    body += attribute(1, address) + attribute(2, address)
    return message(_NEW_ADDRESS, ACKNOWLEDGE | CREATE, body)


def _all_addresses() -> bytes:
    """Return the route that makes every address local."""
    kind = (_TABLE_LOCAL, _PROTOCOL_BOOT, _SCOPE_HOST, _TYPE_LOCAL)
    body = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, *kind, 0)
    body += attribute(4, struct.pack("=I", _LOOPBACK_INDEX))
    body += attribute(7, socket.inet_aton(OWN_ADDRESS))  # the source that programs get
    return message(_NEW_ROUTE, ACKNOWLEDGE | CREATE, body)


def _rules() -> list[bytes]:
    hook = nested(4, _number(1, _PREROUTING), attribute(2, struct.pack(">i", _PRIORITY_MANGLE)))
    chain = _TABLE + attribute(3, b"out\0") + hook
    chain += attribute(7, b"filter\0") + _number(5, _POLICY_ACCEPT)
    edge = struct.pack("=BB", 0, 0) + struct.pack(">H", _NF_TABLES)
    accept = _immediate(_VERDICT_REGISTER, nested(2, _number(1, _ACCEPT)))
    tcp = _is_protocol(socket.IPPROTO_TCP)
    udp = _is_protocol(socket.IPPROTO_UDP)
    return [
        message(_BATCH_BEGIN, 0, edge),
        _netfilter(_NEW_TABLE, CREATE, _TABLE),
        _netfilter(_NEW_CHAIN, CREATE, chain),
        _rule(_loaded_is(_NETWORK_HEADER, 16, socket.inet_aton(OWN_ADDRESS)), accept),
        _rule(_loaded_is(_NETWORK_HEADER, 16, b"\x7f"), accept),
        _rule(tcp, _to_listener(), accept),
        _rule(udp, _loaded_is(_TRANSPORT_HEADER, 2, struct.pack(">H", DNS_PORT)), accept),
        _rule(_expression("reject", _number(1, 0), attribute(2, bytes([_ADMIN_PROHIBITED])))),
        message(_BATCH_END, 0, edge),
    ]


def _netfilter(kind: int, flags: int, body: bytes) -> bytes:
    family = struct.pack("=BBH", socket.AF_INET, 0, 0)
    return message(_NF_TABLES << 8 | kind, ACKNOWLEDGE | flags, family + body)


def _number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack(">I", value))


def _rule(*expressions: bytes) -> bytes:
    body = _TABLE + attribute(2, b"out\0") + nested(4, *expressions)
    return _netfilter(_NEW_RULE, CREATE | APPEND, body)


def _expression(name: str, *attributes: bytes) -> bytes:
    return nested(1, attribute(1, name.encode() + b"\0"), nested(2, *attributes))


def _is(value: bytes) -> bytes:
    return _expression("cmp", _number(1, 1), _number(2, _EQUAL), nested(3, attribute(1, value)))


def _is_protocol(number: int) -> bytes:
    return _expression("meta", _number(2, _META_L4PROTO), _number(1, 1)) + _is(bytes([number]))


def _loaded_is(header: int, offset: int, value: bytes) -> bytes:
    where = (_number(2, header), _number(3, offset), _number(4, len(value)))
    return _expression("payload", _number(1, 1), *where) + _is(value)


def _immediate(register: int, value: bytes) -> bytes:
    return _expression("immediate", _number(1, register), nested(2, value))


def _to_listener() -> bytes:
    address, port = _LISTENER
    return (
        _immediate(1, attribute(1, socket.inet_aton(address)))
        + _immediate(2, attribute(1, struct.pack(">H", port)))
        + _expression("tproxy", _number(1, socket.AF_INET), _number(2, 1), _number(3, 2))
    )
