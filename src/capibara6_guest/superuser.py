"""Runs commands as root for the sandbox's user, who asks by `sudo`.

E2B's user may do so without a password, and programs count on it. Root of a sandbox is bounded by
the sandbox's own namespaces, filter and capabilities, and clients can run commands as it anyway.
Only where a sandbox has a range of ids: else there is no other user to become.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
from dataclasses import dataclass
from typing import Any, Final

from capibara6_guest.launching import DEFAULT_PATH
from capibara6_guest.readiness import readable
from capibara6_guest.sessions import signal_session
from capibara6_guest.spawn import open_exit, spawn
from capibara6_guest.sudo import PACKET_BYTES_MAX, SOCKET_NAME
from capibara6_guest.users import User, find_user
from capibara6_guest.wire import CallError

ASKED_BY: Final = ("user", "root")
COMMANDS_MAX: Final = 64  # at a time
_ORDER_S_MAX: Final = 5.0
_STREAMS: Final = 3
_CREDENTIALS: Final = struct.Struct("3i")


class Superuser:
    """Takes orders on an abstract socket that every program of the sandbox can reach."""

    def __init__(self) -> None:
        self._commands: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Take orders until cancelled."""
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.setblocking(False)
            listener.bind(SOCKET_NAME)
            listener.listen()
            while True:
                connection, _ = await loop.sock_accept(listener)
                if len(self._commands) > 2 * COMMANDS_MAX:  # some wait for their refusals
                    connection.close()
                    continue
                task = asyncio.create_task(self._serve(connection))
                self._commands.add(task)
                task.add_done_callback(self._commands.discard)

    async def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.setblocking(False)
            try:
                answer: dict[str, Any] = {"exit_status": await self._obey(connection)}
            except CallError as failure:
                answer = {"failed": failure.message}
            except (OSError, TimeoutError) as failure:
                answer = {"failed": str(failure)}
            with contextlib.suppress(OSError):  # nobody waits any more
                connection.send(json.dumps(answer).encode())

    async def _obey(self, connection: socket.socket) -> int:
        order, streams = await _receive(connection)  # first: a refusal would cross it
        try:
            if len(self._commands) > COMMANDS_MAX:
                raise _too_many()
            _check_asker(connection)
            child = _start(order, streams)
        finally:
            for fd in streams:
                os.close(fd)
        return await _follow(child, connection)


def _too_many() -> CallError:
    return CallError("resource_exhausted", f"{COMMANDS_MAX} commands run already")


def _check_asker(connection: socket.socket) -> None:
    """See that whoever asks may.

    Raises:
        CallError: permission_denied.
    """
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid = _CREDENTIALS.unpack(credentials)[1]
    if uid not in {find_user(name).uid for name in ASKED_BY}:
        raise CallError("permission_denied", f"user id {uid} may not run commands as others")


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for; see `sudo`."""

    user: User
    words: list[str]
    cwd: str
    env: dict[str, str]

    @classmethod
    def parse(cls, packet: bytes) -> "Order":
        """Read an order, which any program of the sandbox may have written.

        Raises:
            CallError: it is none, or there is no such user.
        """
        try:
            asked = json.loads(packet)
            user = find_user(str(asked["user"]))
            words = [str(word) for word in asked["words"]]
            cwd, given = str(asked["cwd"]), dict[str, str](asked["env"])
            login, shell, keeps = (bool(asked[name]) for name in ("login", "shell", "keeps"))
        except (ValueError, KeyError, TypeError) as cause:
            raise CallError("invalid_argument", f"no order: {cause!r}") from None
        if login or shell:
            line = ["-c", " ".join(words)] if words else []
            words = [user.shell or "/bin/sh", *(["-l"] if login else []), *line]
        own = {"HOME": user.home, "USER": user.name, "LOGNAME": user.name}
        path = {"PATH": os.environ.get("PATH", DEFAULT_PATH), "SHELL": user.shell or "/bin/sh"}
        env = path | own | given | ({} if keeps else own) | {"SUDO_USER": ASKED_BY[0]}
        return cls(user, words, user.home if login else cwd, env)


async def _receive(connection: socket.socket) -> tuple[Order, list[int]]:
    async with asyncio.timeout(_ORDER_S_MAX):
        await readable(connection.fileno())
    packet, streams, _, _ = socket.recv_fds(connection, PACKET_BYTES_MAX, _STREAMS)
    try:
        if len(streams) != _STREAMS:
            raise _no_streams(len(streams))
        return Order.parse(packet), streams
    except CallError:
        for fd in streams:
            os.close(fd)
        raise


def _no_streams(count: int) -> CallError:
    return CallError("invalid_argument", f"no order: {_STREAMS} streams expected, not {count}")


def _start(order: Order, streams: list[int]) -> "subprocess.Popen[bytes]":
    if not order.words:
        raise CallError("invalid_argument", "no command")
    try:
        return spawn(
            order.words,
            user=order.user,
            cwd=order.cwd,
            env=order.env,
            stdin=streams[0],
            stdout=streams[1],
            stderr=streams[2],
        )
    except FileNotFoundError as cause:
        raise CallError("not_found", f"{cause.filename}: command not found") from None
    except (OSError, ValueError, TypeError) as cause:
        raise CallError("invalid_argument", f"{order.words[0]}: {cause}") from None


async def _follow(child: "subprocess.Popen[bytes]", connection: socket.socket) -> int:
    """Wait for a command's end, pass signals on meanwhile, and end it with whoever asked."""
    if child.poll() is None:
        listening = asyncio.create_task(_listen(child, connection))
        exit_fd = open_exit(child)
        ended = asyncio.create_task(readable(exit_fd))
        try:
            await asyncio.wait({listening, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                signal_session(child.pid, signal.SIGKILL)
                await ended
        finally:
            listening.cancel()
            ended.cancel()
            os.close(exit_fd)
        child.wait()  # does not wait: it has ended
    status = child.returncode
    return status if status >= 0 else 128 - status


async def _listen(child: "subprocess.Popen[bytes]", connection: socket.socket) -> None:
    """Pass signals on until whoever asked leaves."""
    while True:
        await readable(connection.fileno())
        try:
            packet = connection.recv(PACKET_BYTES_MAX)
            number = signal.Signals(json.loads(packet)["signal"]) if packet else None
        except (OSError, ValueError, KeyError, TypeError):
            return
        if number is None:
            return
        if child.poll() is None:
            signal_session(child.pid, number)
