"""Cutting a connection, so that a client sees that its stream was not completed.

A plain close is not enough: clients take the end of a connection for the end of a bad reply, but a
reset for what it is, the loss of the sandbox, and then ask whether it still lives.
"""

import socket
import struct
from typing import Final

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_EXTENSION: Final = "capibara6.cut"
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # struct linger: on, without waiting


class CuttableHttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, whose connections an application can cut."""

    def on_message_begin(self) -> None:
        """Begin a request, and give its scope the way to cut it."""
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: {"call": self._cut}}

    def _cut(self) -> None:
        connection = self.transport.get_extra_info("socket")
        if not self.transport.is_closing():
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.transport.abort()


def cut(scope: Scope) -> None:
    """Cut the connection of a request whose reply cannot be completed; the caller then returns.

    Under another server nothing happens here: that server closes what is incomplete.
    """
    extension = scope.get("extensions", {}).get(_EXTENSION)
    if extension is not None:
        extension["call"]()
