"""Certificates with which an outlet speaks for real servers to the programs inside.

The server makes them, host by host, when first needed: the authority's key is none of ours.
"""

import asyncio
import contextlib
import errno
import os
import ssl
from collections.abc import Callable
from typing import Final

KEPT_MAX: Final = 64
_WAITING_MAX: Final = 16
_TIMEOUT_S: Final = 10.0


class Certificates:
    """Those of one outlet.

    Args:
        ask: asks the server for one of a host, which `take` brings.
    """

    def __init__(self, ask: Callable[[str], None]) -> None:
        self._ask = ask
        self._kept: dict[str, ssl.SSLContext] = {}
        self._waiting: dict[str, asyncio.Future[ssl.SSLContext]] = {}

    async def find(self, host: str) -> ssl.SSLContext:
        """Return the context of a host.

        Raises:
            OSError, TimeoutError: there is none to be had.
        """
        if host in self._kept:
            return self._kept[host]
        if host not in self._waiting:
            if len(self._waiting) >= _WAITING_MAX:
                raise ConnectionRefusedError(errno.ECONNREFUSED, "too many certificates at once")
            self._waiting[host] = asyncio.get_running_loop().create_future()
            self._ask(host)
        waiting = self._waiting[host]
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                return await asyncio.shield(waiting)
        except TimeoutError:
            self._waiting.pop(host, None)
            raise

    def take(self, host: str, pem: str) -> None:
        """Keep what the server has made; "" for nothing."""
        waiting = self._waiting.pop(host, None)
        if waiting is None:
            return
        if not pem:
            waiting.set_exception(ConnectionRefusedError(errno.ECONNREFUSED, "no certificate"))
            waiting.exception()  # seen, also if nobody waits any more
            return
        while len(self._kept) >= KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        self._kept[host] = _context(pem)
        waiting.set_result(self._kept[host])


def _context(pem: str) -> ssl.SSLContext:
    """Return a context that shows a certificate: HTTP/1.1 is all that we speak."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    with contextlib.ExitStack() as stack:
        fd = os.memfd_create("c6-certificate")
        stack.callback(os.close, fd)
        os.write(fd, pem.encode())
        context.load_cert_chain(f"/proc/self/fd/{fd}")
    return context
