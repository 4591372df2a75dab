"""A client of SOCKS5 proxies (RFC 1928, RFC 1929), as far as sandboxes' connections need it."""

import errno
import ipaddress
from typing import Final

from capibara6_sandbox.network.proxies import EgressProxy
from capibara6_sandbox.network.streams import Stream, receive_exactly

_VERSION, _CONNECT = 5, 1
_NO_AUTHENTICATION, _PASSWORD = 0, 2
_IPV4, _NAME, _IPV6 = 1, 3, 4
_ADDRESS_BYTES: Final = {_IPV4: 4, _IPV6: 16}
_NAME_BYTES_MAX: Final = 255


async def negotiate(connection: Stream, proxy: EgressProxy, host: str, port: int) -> None:
    """Ask a proxy, over a fresh connection to it, to connect to an IPv4 address or a name.

    Raises:
        OSError: it refused, or speaks something else.
    """
    method = _PASSWORD if proxy.username else _NO_AUTHENTICATION
    chosen = await _ask(connection, bytes([_VERSION, 1, method]), 2)
    if chosen != bytes([_VERSION, method]):
        raise _refusal("the proxy wants another way of authentication")
    if method == _PASSWORD:
        parts = (proxy.username.encode(), proxy.password.encode())
        login = b"\1" + b"".join(bytes([len(part)]) + part for part in parts)
        if (await _ask(connection, login, 2))[1]:
            raise _refusal("the proxy refused its user name or password")
    request = bytes([_VERSION, _CONNECT, 0]) + _target(host) + port.to_bytes(2)
    head = await _ask(connection, request, 4)
    if head[0] != _VERSION or head[1]:
        raise _refusal(f"the proxy could not connect (reply {head[1]})")
    await _skip_address(connection, head[3])


def _target(host: str) -> bytes:
    try:
        return bytes([_IPV4]) + ipaddress.IPv4Address(host).packed
    except ValueError:
        name = host.encode("ascii", "replace")[:_NAME_BYTES_MAX]
        return bytes([_NAME, len(name)]) + name


async def _skip_address(connection: Stream, kind: int) -> None:
    count = _ADDRESS_BYTES.get(kind)
    if count is None:
        count = (await receive_exactly(connection, 1))[0]
    await receive_exactly(connection, count + 2)


async def _ask(connection: Stream, request: bytes, count: int) -> bytes:
    await connection.send(request)
    return await receive_exactly(connection, count)


def _refusal(text: str) -> OSError:
    return ConnectionRefusedError(errno.ECONNREFUSED, text)
