"""Which sandboxes a list call returns: filters, orders and pages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from capibara6_sandbox.errors import BadRequestError
from capibara6_sandbox.gateway.listing import Page, count_running, select_running, select_sandboxes

START = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Named:
    name: str = "base"
    alias: str = ""


@dataclass(frozen=True)
class Asked:
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Listed:
    """What listing looks at of a sandbox."""

    id: str
    started_at: datetime = START
    template: Named = Named()
    request: Asked = Asked()
    visible_state: str = "running"


def select(sandboxes: list[Listed], query: str = "") -> tuple[list[str], str]:
    found: tuple[list[Any], str] = select_sandboxes(
        sandboxes,  # type: ignore[arg-type]
        Page.from_query(QueryParams(query)),
    )
    return [sandbox.id for sandbox in found[0]], found[1]


def aged(*seconds: int) -> list[Listed]:
    return [Listed(f"id{n}", START + timedelta(seconds=s)) for n, s in enumerate(seconds)]


def test_the_newest_comes_first_unless_asked_otherwise() -> None:
    assert select(aged(2, 1, 3))[0] == ["id2", "id0", "id1"]
    assert select(aged(2, 1, 3), "order=asc")[0] == ["id1", "id0", "id2"]


@given(
    seconds=st.lists(st.integers(0, 5), max_size=12),
    limit=st.integers(1, 4),
    order=st.sampled_from(["asc", "desc"]),
)
def test_pages_together_are_the_whole_in_order(seconds: list[int], limit: int, order: str) -> None:
    sandboxes = aged(*seconds)
    collected, token, pages = list[str](), "", 0
    while True:
        ids, token = select(sandboxes, f"limit={limit}&order={order}&nextToken={token}")
        collected += ids
        pages += 1
        assert len(ids) <= limit
        if not token:
            break
    whole, _ = select(sandboxes, f"order={order}")
    assert collected == whole
    assert pages == max(1, -(-len(seconds) // limit))


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_sandboxes_that_come_and_go_shift_no_page(order: str) -> None:
    sandboxes = aged(1, 2, 3, 4, 5, 6)
    first, token = select(sandboxes, f"limit=2&order={order}")
    remaining = [s for s in sandboxes if s.id not in first]
    second, _ = select(remaining, f"limit=2&order={order}&nextToken={token}")
    whole, _ = select(sandboxes, f"order={order}")
    assert first + second == whole[:4]


def test_metadata_is_decoded_twice_as_clients_encode_it_twice() -> None:
    sandboxes = [
        Listed("a", request=Asked({"a b": "ñ&=", "other": "x"})),
        Listed("b", request=Asked({"a b": "other"})),
        Listed("c"),
    ]
    assert select(sandboxes, "metadata=a%2520b%3D%25C3%25B1%2526%253D")[0] == ["a"]
    assert select(sandboxes, "metadata=")[0] == ["c", "b", "a"]


def test_templates_and_states() -> None:
    sandboxes = [Listed("a"), Listed("b", template=Named("other"))]
    assert select(sandboxes, "template=other")[0] == ["b"]
    assert select(sandboxes, "state=paused")[0] == []
    assert select(sandboxes, "state=paused&state=running")[0] == ["b", "a"]
    assert select(sandboxes, "state=running,paused")[0] == ["b", "a"]


@pytest.mark.parametrize(
    "text", ["2030-01-01T00:00:02Z", "2030-01-01T01:00:02%2B01:00", "2030-01-01T01:00:02+01:00"]
)
def test_a_moment_is_included(text: str) -> None:
    assert select(aged(1, 2, 3), f"startedAfter={text}")[0] == ["id2", "id1"]


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=-1", "limit=101", "limit=x", "limit=1.5", "limit=²", "limit="),
        *("nextToken=x", "nextToken=%FF", "nextToken=ñ", "nextToken=/w=="),
        *("nextToken=eWVzdGVyZGF5L2E=", "limit=" + "9" * 5000),
        *("startedAfter=yesterday", "startedAfter=5"),
        *("order=up", "order=ASC", "state=killed", "state=running,", "template=base:tag"),
    ],
)
def test_what_cannot_be_is_refused(query: str) -> None:
    name = query.partition("=")[0].replace("nextToken", "Invalid next token")
    with pytest.raises(BadRequestError, match=name):
        select(aged(1), query)


def test_the_first_generation_lists_all_that_run_and_no_other() -> None:
    sandboxes = [
        Listed("a", START, request=Asked({"k": "v"})),
        Listed("b", START, request=Asked({"k": "v"}), visible_state="paused"),
        Listed("c", START),
        *aged(*range(1, 151)),
    ]
    everything: Any = sandboxes
    assert len(select_running(everything, QueryParams("state=paused&limit=1"))) == 152
    assert [s.id for s in select_running(everything, QueryParams("metadata=k%3Dv"))] == ["a"]


def test_the_number_that_runs_is_that_of_all_pages() -> None:
    everything: Any = [*aged(*range(150)), Listed("p", visible_state="paused")]
    assert count_running(everything, Page.from_query(QueryParams("limit=2"))) == 150
