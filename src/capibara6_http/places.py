"""How many connections a server has, and which of them gives way when all places are taken.

A connection that waits for its client (between requests, or before a head is whole) is idle. When a
new one comes and no place is left, the one that has been idle longest is closed: whoever opens many
connections and says nothing thus takes no place from those who ask. When all are busy, the new one
is refused.
"""

import asyncio
import resource
from typing import Final, Protocol

PLACES_MAX: Final = 4096
_PLACES_MIN: Final = 64
_FILES_EACH: Final = 4  # descriptors that one request may need: its own, a sandbox's, a file's
_SWEEP_S: Final = 1.0


class Connection(Protocol):
    """What takes a place."""

    def expire(self, now_s: float) -> None:
        """End what takes too long."""

    def give_way(self) -> None:
        """Close: another one needs the place."""


class Places:
    """The places of one server, whatever number of sockets it listens on.

    Args:
        most: connections at a time.
    """

    def __init__(self, most: int = PLACES_MAX) -> None:
        self.most = most
        self._all: set[Connection] = set()
        self._idle: dict[Connection, None] = {}  # the one that waits longest is first
        self._sweep: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._all)

    def take(self, connection: Connection) -> bool:
        """Give a connection a place, at the cost of one that is idle; False if there is none."""
        if len(self._all) >= self.most:
            idle = next(iter(self._idle), None)
            if idle is None:
                return False
            self.leave(idle)
            idle.give_way()
        self._all.add(connection)
        self._idle[connection] = None
        if self._sweep is None:
            self._arm()
        return True

    def busy(self, connection: Connection) -> None:
        """Note that a connection's request is being served."""
        self._idle.pop(connection, None)

    def idle(self, connection: Connection) -> None:
        """Note that a connection waits for its client, from now on."""
        self._idle.pop(connection, None)
        if connection in self._all:
            self._idle[connection] = None

    def leave(self, connection: Connection) -> None:
        """Give a place back. Idempotent."""
        self._all.discard(connection)
        self._idle.pop(connection, None)

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweep = loop.call_later(_SWEEP_S, self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._sweep = None
        now_s = loop.time()
        for connection in list(self._all):
            connection.expire(now_s)
        if self._all:
            self._arm()


def places_for_files() -> int:
    """Return how many places the limit of open files allows, after raising it as far as it goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(_PLACES_MIN, min(PLACES_MAX, hard // _FILES_EACH))
