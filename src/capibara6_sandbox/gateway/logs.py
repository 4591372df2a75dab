"""The control plane's calls about a sandbox's log, in both generations of E2B's protocol."""

import contextlib
import json
from dataclasses import dataclass
from typing import Any, Final, Self

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from capibara6_sandbox.errors import BadRequestError, NotFoundError
from capibara6_sandbox.gateway.descriptions import timestamp
from capibara6_sandbox.gateway.keys import team_of
from capibara6_sandbox.gateway.life_calls import sandbox_id
from capibara6_sandbox.gateway.queries import number, word
from capibara6_sandbox.host.journal import Entry, Level
from capibara6_sandbox.host.keeper import Keeper

LIMIT_MAX: Final = 1000
SEARCH_CHARS_MAX: Final = 256
_DIRECTIONS: Final = ("forward", "backward")


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which entries a call asks for; moments are milliseconds since 1970."""

    backward: bool
    cursor_ms: int | None  # forward: from here on; backward: what was before
    limit: int
    level: Level
    search: str

    @classmethod
    def first_generation(cls, query: QueryParams) -> Self:
        """Read `start` and `limit`, oldest entries first.

        Raises:
            BadRequestError: one is no number.
        """
        limit = number(query, "limit")
        limit = LIMIT_MAX if limit is None else min(limit, LIMIT_MAX)
        start_ms = number(query, "start")
        return cls(backward=False, cursor_ms=start_ms, limit=limit, level=Level.DEBUG, search="")

    @classmethod
    def second_generation(cls, query: QueryParams) -> Self:
        """Read all parameters; without a direction, newest entries first.

        Raises:
            BadRequestError: a value that cannot be; the message names it.
        """
        limit = number(query, "limit", most=LIMIT_MAX)
        search = query.get("search", "")
        if len(search) > SEARCH_CHARS_MAX:
            text = f"search: {len(search)} characters; the limit is {SEARCH_CHARS_MAX}"
            raise BadRequestError(text)
        return cls(
            backward=word(query, "direction", _DIRECTIONS, "backward") == "backward",
            cursor_ms=number(query, "cursor"),
            limit=LIMIT_MAX if limit is None else limit,
            level=Level[word(query, "level", _LEVELS, "debug").upper()],
            search=search,
        )

    def select(self, entries: list[Entry]) -> list[Entry]:
        """Return what is asked for of entries that come oldest first."""
        found = [entry for entry in entries if self._wants(entry)]
        if self.backward:
            found.reverse()
        return found[: self.limit]

    def _wants(self, entry: Entry) -> bool:
        if entry.level < self.level or self.search not in entry.message:
            return False
        if self.cursor_ms is None:
            return True
        moment_ms = int(entry.moment.timestamp() * 1000)
        return moment_ms < self.cursor_ms if self.backward else moment_ms >= self.cursor_ms


_LEVELS: Final = tuple(level.name.lower() for level in Level)


class LogCalls:
    """The endpoints.

    Args:
        keeper: all sandboxes.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/sandboxes/{id}/logs", self.lines, methods=["GET"]),
            Route("/v2/sandboxes/{id}/logs", self.entries, methods=["GET"]),
        ]

    async def lines(self, request: Request) -> Response:
        """Return a log as lines of JSON and as entries, oldest first."""
        query = LogQuery.first_generation(request.query_params)
        name = sandbox_id(request)
        found = query.select(await self._read(name, team_of(request)))
        lines = [
            {"timestamp": timestamp(entry.moment), "line": _line(name, entry)} for entry in found
        ]
        return JSONResponse({"logs": lines, "logEntries": [_entry(entry) for entry in found]})

    async def entries(self, request: Request) -> Response:
        """Return a page of a log, filtered."""
        query = LogQuery.second_generation(request.query_params)
        found = query.select(await self._read(sandbox_id(request), team_of(request)))
        return JSONResponse({"logs": [_entry(entry) for entry in found]})

    async def _read(self, name: str, team: str) -> list[Entry]:
        """Return a sandbox's entries; of an unknown one none, and no error, as E2B does."""
        if self._keeper.journal.team(name) != team:
            return []
        with contextlib.suppress(NotFoundError):  # it has ended, or never was
            await self._keeper.journal.collect(self._keeper.find(name))
        return list(self._keeper.journal.entries(name))


def _line(name: str, entry: Entry) -> str:
    told = {
        "timestamp": timestamp(entry.moment),
        "level": entry.level.name.lower(),
        "message": entry.message,
        "sandboxID": name,
    }
    return json.dumps(told | dict(entry.fields))


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "timestamp": timestamp(entry.moment),
        "level": entry.level.name.lower(),
        "message": entry.message,
        "fields": {name: str(value) for name, value in entry.fields.items()},
    }
