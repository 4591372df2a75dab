"""Bounds of the connections to a sandbox's services, and what is said where there are none."""

import asyncio
import socket
from typing import NoReturn

import pytest

from capibara6_sandbox.host import tunnels
from capibara6_sandbox.host.guest_client import GuestLostError
from capibara6_sandbox.host.tunnels import PortClosedError, TooManyTunnelsError, Tunnels


class Refusing:
    """In a socket's place: nobody listens."""

    closed = 0

    def fileno(self) -> int:
        return -1

    def gettimeout(self) -> float:
        return 0.0

    def close(self) -> None:
        Refusing.closed += 1


async def test_there_are_no_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnels, "TUNNELS_MAX", 2)
    asked = asyncio.Semaphore(0)

    async def never(family: socket.AddressFamily) -> socket.socket:
        asked.release()
        await asyncio.Event().wait()
        raise AssertionError

    held = Tunnels(never)
    waiting = [asyncio.create_task(held.open(80)) for _ in range(2)]
    for _ in waiting:
        await asked.acquire()
    with pytest.raises(TooManyTunnelsError):
        await held.open(80)
    waiting[0].cancel()
    await asyncio.wait(waiting[:1])
    again = asyncio.create_task(held.open(80))
    await asked.acquire()
    for task in (waiting[1], again):
        task.cancel()
    await asyncio.wait({waiting[1], again})


async def test_a_machine_without_ipv6_has_closed_ports_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def open_socket(family: socket.AddressFamily) -> Refusing:
        if family == socket.AF_INET6:
            raise GuestLostError("not supported")
        return Refusing()

    async def refuse(*_: object) -> NoReturn:
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", refuse)
    monkeypatch.setattr(Refusing, "closed", 0)
    with pytest.raises(PortClosedError):
        await Tunnels(open_socket).open(80)  # type: ignore[arg-type]
    assert Refusing.closed == 2


async def test_a_sandbox_that_has_ended_is_told_apart() -> None:
    async def gone(family: socket.AddressFamily) -> NoReturn:
        raise GuestLostError("ended")

    with pytest.raises(GuestLostError):
        await Tunnels(gone).open(80)
