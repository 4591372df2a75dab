"""The server's end of a machine's control channel: orders to its agent, and their answers.

The agent's end, and the list of orders, stand in `capibara6_guest.sandbox_init`. What it answers is
data: bounded, and with no descriptor but the one that is due.
"""

import asyncio
import json
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from typing import Any, Final

from capibara6_sandbox.errors import StartError

_ANSWER_TIMEOUT_S: Final = 30.0
_PACKET_BYTES_MAX: Final = 64 * 1024
_FDS_MAX: Final = 1


class ControlChannel:
    """Orders to one machine's agent. Every order may raise StartError: the machine has ended.

    Args:
        ended: is set once the machine has ended.
    """

    def __init__(self, ended: asyncio.Event) -> None:
        self._ended = ended
        self._socket: socket.socket | None = None
        self._woken = asyncio.Event()
        self._turn = asyncio.Lock()  # an order and its answer, before the next

    def open(self) -> socket.socket:
        """Return the agent's end, which the caller closes."""
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        return theirs

    def close(self) -> None:
        """End the channel, and with it the machine. Idempotent."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._woken.set()  # whoever waits for an answer
            self._socket.close()
            self._socket = None

    async def ready(self) -> int | None:
        """Wait until the agent serves; return the machine's writable layer, the caller's to close.

        None where the agent does not have it.

        Raises:
            StartError: it could not start, with its reason.
        """
        fds = await self._expect("ready")
        return fds[0] if fds else None

    def set_environment(self, env: Mapping[str, str]) -> None:
        """Set the variables that every kernel and program started from now on sees."""
        self._order({"env": dict(env)}, [])

    def name_context(self, language: str, cwd: str) -> str:
        """Have a kernel of `language` start at its first use; return its context's id.

        An order, where the agent's own call would cost each start a connection and 400 kB.
        """
        context_id = secrets.token_hex(16)
        context = {"context_id": context_id, "language": language, "cwd": cwd}
        self._order({"context": context}, [])
        return context_id

    async def adopt(self, context_id: str, cwd: str, fds: Sequence[int], notice: str = "") -> None:
        """Hand a kernel's socket and outputs to the agent.

        Args:
            context_id: whose kernel it is; a new one's is made.
            cwd: the context's directory.
            fds: the agent's ends; the caller closes its own.
            notice: what the next execution shows on stderr.
        """
        await self._ask({"adopt": context_id, "cwd": cwd, "notice": notice}, fds, "adopted")

    async def fork_kernel(self, context_id: str, fds: Sequence[int]) -> None:
        """Let a kernel fork itself; see capibara6_guest.python_carry.

        Raises:
            StartError: it was busy, or has ended.
        """
        await self._ask({"fork": context_id}, fds, "forked")

    async def pause(self, *, programs: bool) -> None:
        """Stop the agent's clock, and its user's programs where nothing else stops them."""
        await self._ask({"pause": programs}, [], "paused")

    async def resume(self) -> None:
        """Undo `pause`. Idempotent."""
        await self._ask({"resume": True}, [], "resumed")

    async def _ask(self, message: dict[str, Any], fds: Sequence[int], answer: str) -> None:
        async with self._turn:
            self._order(message, fds)
            await self._expect(answer)

    def _order(self, message: dict[str, Any], fds: Sequence[int]) -> None:
        if self._socket is None or self._ended.is_set():
            raise StartError("The sandbox has ended.")
        try:
            socket.send_fds(self._socket, [json.dumps(message).encode()], list(fds))
        except OSError as cause:  # its programs can end its agent before its first process
            raise StartError(f"The sandbox cannot be told anything: {cause}") from None

    async def _expect(self, key: str) -> list[int]:
        """Wait for the agent's answer; return its descriptors."""
        packet, fds = await self._receive()
        answer = json.loads(packet) if packet else {"failed": "its first process ended"}
        if key not in answer or len(fds) > (key == "ready"):
            for fd in fds:
                os.close(fd)
            raise StartError(str(answer.get("failed", answer)))
        return fds

    async def _receive(self) -> tuple[bytes, list[int]]:
        """Wait for a packet; an empty one says that the channel has ended, from either side."""
        end, loop = self._socket, asyncio.get_running_loop()
        if end is None:
            return b"", []
        self._woken.clear()
        loop.add_reader(end, self._woken.set)
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                await self._woken.wait()
        except TimeoutError:
            text = f"The sandbox did not answer in {_ANSWER_TIMEOUT_S:.0f} s."
            raise StartError(text) from None
        finally:
            if self._socket is end:
                loop.remove_reader(end)
        if self._socket is not end:
            return b"", []
        try:
            return socket.recv_fds(end, _PACKET_BYTES_MAX, _FDS_MAX)[:2]
        except ConnectionResetError:  # it ended with an order unread
            return b"", []
