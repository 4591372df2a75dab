"""Messages with descriptors between the server and a zygote, one packet each.

Trusted on both sides: no guest ever holds such a socket. Standard library only.
"""

import json
import socket
from collections.abc import Sequence
from typing import Any, Final

_PACKET_BYTES_MAX: Final = 128 * 1024
_FDS_MAX: Final = 16


class Channel:
    """One end of a SOCK_SEQPACKET pair."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    def fileno(self) -> int:
        """Return the descriptor, for polling."""
        return self._socket.fileno()

    def send(self, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
        """Send one message with copies of `fds`."""
        packet = json.dumps(message).encode()
        if len(packet) > _PACKET_BYTES_MAX:
            raise ValueError(f"a packet of {len(packet)} bytes; the limit is {_PACKET_BYTES_MAX}")
        socket.send_fds(self._socket, [packet], list(fds))

    def receive(self) -> tuple[dict[str, Any], list[int]] | None:
        """Return the next message and its descriptors, which the caller owns; None at the end."""
        packet, fds, _, _ = socket.recv_fds(
            self._socket, _PACKET_BYTES_MAX, _FDS_MAX, socket.MSG_CMSG_CLOEXEC
        )
        if not packet:
            return None
        return json.loads(packet), fds

    def close(self) -> None:
        """Close this end."""
        self._socket.close()
