"""Memory for bodies that are collected before they are understood, shared by all requests."""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

ROOM_BYTES: Final = 256 * 1024 * 1024
_HELD: Final = "capibara6.held"  # in a request's scope


class NoRoomError(Exception):
    """All of the room is taken; there will be some when other requests are done."""

    def __init__(self) -> None:
        super().__init__("The server holds as many bytes of requests as it may. Try again.")


class Room:
    """How many bytes of bodies a server holds at a time."""

    def __init__(self, most: int = ROOM_BYTES) -> None:
        self.most = most
        self.taken = 0


class Held:
    """What one request holds of a room, until it is done."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._bytes = 0

    def more(self, size: int) -> None:
        """Hold more bytes.

        Raises:
            NoRoomError: there is no room for them.
        """
        if self._room.taken + size > self._room.most:
            raise NoRoomError
        self._room.taken += size
        self._bytes += size

    def release(self) -> None:
        """Give all back. Idempotent."""
        self._room.taken -= self._bytes
        self._bytes = 0


class RoomMiddleware:
    """Lets requests hold bytes of a room by `hold`, and takes them back when they are done."""

    def __init__(self, app: ASGIApp, room: Room) -> None:
        self._app = app
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        held = Held(self._room)
        try:
            await self._app({**scope, _HELD: held}, receive, send)
        finally:
            held.release()


def hold(scope: Scope, size: int) -> None:
    """Hold bytes for a request that came through `RoomMiddleware`; without it they do not count.

    Raises:
        NoRoomError: there is no room for them.
    """
    held: Held | None = scope.get(_HELD)
    if held is not None:
        held.more(size)
