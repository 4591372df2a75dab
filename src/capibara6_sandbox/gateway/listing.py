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
from capibara6_sandbox.gateway.queries import number, word
from capibara6_sandbox.host.sandbox import Sandbox

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 100
_STATES: Final = ("running", "paused")
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
        return cls(
            metadata=_metadata(query),
            states=_states(query),
            template=_template(query.get("template", "")),
            started_after=_moment(query.get("startedAfter", "")),
            ascending=word(query, "order", ("asc", "desc"), "desc") == "asc",
            limit=number(query, "limit", 1, LIMIT_MAX) or LIMIT_DEFAULT,
            after=_decode(query.get("nextToken", "")),
        )


def _metadata(query: QueryParams) -> dict[str, str]:
    # Clients encode each key and value, then the whole: "a%20b=c" -> "a%2520b%3Dc".
    pairs = urllib.parse.parse_qsl(query.get("metadata", ""), keep_blank_values=True)
    return {urllib.parse.unquote(key): urllib.parse.unquote(value) for key, value in pairs}


def _states(query: QueryParams) -> frozenset[str]:
    states = ",".join(query.getlist("state")) or ",".join(_STATES)
    found = frozenset(states.split(","))
    if not found <= frozenset(_STATES):
        known = " and ".join(_STATES)
        raise BadRequestError(f"state must be of {known}, not {states[:80]!r}")
    return found


def _template(name: str) -> str:
    if ":" in name:
        text = "tags are not supported here because sandboxes are not tag-scoped"
        raise BadRequestError(f"Invalid template: {text}")
    return name


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:  # an unencoded "+" of a time zone arrives as a space
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise BadRequestError(f"startedAfter must be a time as of RFC 3339, not {text!r}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _decode(token: str) -> str:
    """Return the place that a token stands for; "" for none."""
    try:
        place = base64.b64decode(token, altchars=b"-_", validate=True).decode()
        if token:
            datetime.fromisoformat(place.partition("/")[0])
    except (binascii.Error, ValueError):
        raise BadRequestError(f"Invalid next token: {token[:80]!r}") from None
    return place


def select_sandboxes(sandboxes: Iterable[Sandbox], page: Page) -> tuple[list[Sandbox], str]:
    """Return one page, and the token of the next one ("" if it is the last)."""
    found = [s for s in sandboxes if s.visible_state in page.states and _matches(s, page)]
    return cut_page(found, lambda s: (s.started_at, s.id), page)


def count_running(sandboxes: Iterable[Sandbox], page: Page) -> int:
    """Return how many sandboxes run that all pages together hold."""
    return sum(1 for s in sandboxes if s.visible_state == "running" and _matches(s, page))


def select_running(sandboxes: Iterable[Sandbox], query: QueryParams) -> list[Sandbox]:
    """Return all sandboxes that run and have the query's metadata, newest first."""
    wanted = _metadata(query).items()
    found = [
        sandbox
        for sandbox in sandboxes
        if sandbox.visible_state == "running" and wanted <= sandbox.request.metadata.items()
    ]
    return sorted(found, key=lambda sandbox: sandbox.started_at, reverse=True)


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
    template = sandbox.template
    if page.template and page.template not in (template.name, template.alias):
        return False
    if page.started_after is not None and sandbox.started_at < page.started_after:
        return False
    metadata = sandbox.request.metadata
    return all(metadata.get(key) == value for key, value in page.metadata.items())
