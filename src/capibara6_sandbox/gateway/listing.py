"""Which sandboxes a list call returns, and in which pages."""

import base64
import binascii
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self, TypeVar

from starlette.datastructures import QueryParams

from capibara6_sandbox.errors import BadRequestError
from capibara6_sandbox.host.sandbox import Sandbox

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 100
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page:
    """The query of a list call."""

    metadata: dict[str, str]
    states: frozenset[str]
    template: str
    started_after: datetime | None
    ascending: bool
    limit: int
    after: str  # the id that ended the page before; "" for the first page

    @classmethod
    def from_query(cls, query: QueryParams) -> Self:
        """Read the query parameters.

        Raises:
            BadRequestError: a limit, moment or token that cannot be.
        """
        # Clients encode each key and value, then the whole: "a%20b=c" -> "a%2520b%3Dc".
        pairs = urllib.parse.parse_qsl(query.get("metadata", ""), keep_blank_values=True)
        states = ",".join(query.getlist("state")) or "running,paused"
        return cls(
            metadata={urllib.parse.unquote(k): urllib.parse.unquote(v) for k, v in pairs},
            states=frozenset(states.split(",")),
            template=query.get("template", ""),
            started_after=_moment(query.get("startedAfter", "")),
            ascending=query.get("order", "desc").lower().startswith("asc"),
            limit=_limit(query.get("limit", str(LIMIT_DEFAULT))),
            after=_decode(query.get("nextToken", "")),
        )


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= LIMIT_MAX:
        raise BadRequestError(f"limit must be from 1 to {LIMIT_MAX}, not {text!r}")
    return int(text)


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:  # an unencoded "+" of a time zone arrives as a space
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise BadRequestError(f"startedAfter must be a time as of RFC 3339, not {text!r}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _decode(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise BadRequestError(f"nextToken {token!r} is none of this server's") from None


def select_sandboxes(sandboxes: Iterable[Sandbox], page: Page) -> tuple[list[Sandbox], str]:
    """Return one page, and the token of the next one ("" if it is the last)."""
    found = [s for s in sandboxes if s.visible_state in page.states and _matches(s, page)]
    return cut_page(found, lambda s: (s.started_at, s.id), page)


def cut_page(
    found: Iterable[Item], key: Callable[[Item], tuple[datetime, str]], page: Page
) -> tuple[list[Item], str]:
    """Return the part of what was found that makes one page, and the token of the next one."""

    def place(item: Item) -> tuple[str, str]:
        moment, item_id = key(item)
        return moment.isoformat(timespec="microseconds"), item_id

    ordered = sorted(found, key=place, reverse=not page.ascending)
    if page.after:
        moment, _, item_id = page.after.partition("/")
        last = (moment, item_id)
        ordered = [i for i in ordered if (place(i) > last if page.ascending else place(i) < last)]
    chosen = ordered[: page.limit]
    if len(chosen) == len(ordered):
        return chosen, ""
    token = "/".join(place(chosen[-1]))
    return chosen, base64.urlsafe_b64encode(token.encode()).decode()


def _matches(sandbox: Sandbox, page: Page) -> bool:
    if page.template and sandbox.template.name != page.template:
        return False
    if page.started_after is not None and sandbox.started_at < page.started_after:
        return False
    metadata = sandbox.request.metadata
    return all(metadata.get(key) == value for key, value in page.metadata.items())
