"""What follows a reply 101: bytes in both directions, whatever protocol they are of."""

import asyncio

from starlette.types import Scope

from capibara6_sandbox.gateway.connections import Detached, detach
from capibara6_sandbox.host.tunnels import READ_BYTES, Tunnel


async def relay(scope: Scope, tunnel: Tunnel, head: bytes) -> None:
    """Take the client's connection over and pass bytes on until either side has ended.

    Args:
        scope: of the request; nothing has been sent to its client yet.
        tunnel: to the service, which has agreed to the other protocol.
        head: the reply, and what the service has sent behind it.
    """
    client = detach(scope)
    try:
        client.writer.write(head)
        async with asyncio.TaskGroup() as group:
            directions = {
                group.create_task(_inward(client, tunnel)),
                group.create_task(_outward(client, tunnel)),
            }
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            for direction in directions:
                direction.cancel()
    finally:
        client.writer.close()
        client.release()


async def _inward(client: Detached, tunnel: Tunnel) -> None:
    try:
        while data := await client.reader.read(READ_BYTES):
            await tunnel.send(data)
    except OSError:
        return  # either side is gone


async def _outward(client: Detached, tunnel: Tunnel) -> None:
    try:
        while data := await tunnel.receive():
            client.writer.write(data)
            await client.writer.drain()
    except OSError:
        return  # either side is gone
