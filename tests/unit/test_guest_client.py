"""Calls to an agent that is slow to take them, or is not there."""

import asyncio
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from capibara6_guest import wire
from capibara6_sandbox.host.guest_client import GuestClient, GuestLostError


@pytest.fixture
def place() -> Iterator[Path]:
    """Give a path that is short enough for a socket."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder, "agent.sock")


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(4)
    writer.write(wire.encode_message({"done": {"heard": True}}))
    writer.close()


async def test_calls_wait_while_the_agents_queue_is_full(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen(0)
        client = GuestClient(place)
        calls = [asyncio.create_task(client.request("stat")) for _ in range(20)]
        await asyncio.sleep(0.1)  # most of them have met the full queue
        server = await asyncio.start_unix_server(answer, sock=listener, backlog=1)
        assert await asyncio.gather(*calls) == [{"heard": True}] * 20
        assert client.busy == 0
        server.close()


async def test_nobody_there_is_told_at_once(place: Path) -> None:
    client = GuestClient(place)
    with pytest.raises(GuestLostError, match="does not answer"):
        await client.request("stat")
    assert client.busy == 0
