"""The journal of sandboxes: bounded, kept for a while after their end, and read by pages."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.datastructures import QueryParams

from capibara6_guest.notes import without_secrets
from capibara6_sandbox.errors import BadRequestError
from capibara6_sandbox.gateway.logs import LogQuery
from capibara6_sandbox.host import journal as module
from capibara6_sandbox.host.journal import Entry, Journal, Level

START = datetime(2030, 1, 1, tzinfo=UTC)


class Clock:
    """A time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


def messages(journal: Journal, sandbox_id: str) -> list[str]:
    return [entry.message for entry in journal.entries(sandbox_id)]


def test_a_sandbox_keeps_its_newest_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENTRIES_MAX", 3)
    journal = Journal(Clock())
    for number in range(5):
        journal.note("a", str(number))
    assert messages(journal, "a") == ["2", "3", "4"]


def test_ended_sandboxes_make_room_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ALL_ENTRIES_MAX", 4)
    journal = Journal(Clock())
    journal.note("alive", "1")
    for name in ("old", "new"):
        journal.note(name, "1")
        journal.close(name)
    journal.note("alive", "2")
    journal.note("alive", "3")
    assert messages(journal, "old") == []
    assert messages(journal, "new") == ["1"]
    assert messages(journal, "alive") == ["1", "2", "3"]
    for number in range(4, 9):
        journal.note("alive", str(number))
    assert messages(journal, "new") == []
    assert messages(journal, "alive") == ["5", "6", "7", "8"]


def test_what_has_ended_is_forgotten_after_a_week() -> None:
    clock = Clock()
    journal = Journal(clock)
    journal.note("a", "1")
    journal.close("a")
    clock.now += timedelta(days=6)
    assert messages(journal, "a") == ["1"]
    clock.now += timedelta(days=2)
    assert messages(journal, "a") == []


ENTRIES = [
    Entry(START + timedelta(seconds=n), level, message)
    for n, (level, message) in enumerate(
        [(Level.DEBUG, "one"), (Level.INFO, "two"), (Level.WARN, "three"), (Level.ERROR, "four")]
    )
]
SECOND_MS = int(START.timestamp() * 1000) + 1000


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["four", "three", "two", "one"]),
        ("direction=forward", ["one", "two", "three", "four"]),
        ("limit=2", ["four", "three"]),
        ("limit=0", []),
        ("level=warn&direction=forward", ["three", "four"]),
        ("search=o&direction=forward", ["one", "two", "four"]),
        ("search=O", []),
        (f"cursor={SECOND_MS}", ["one"]),
        (f"cursor={SECOND_MS}&direction=forward&limit=1", ["two"]),
    ],
)
def test_pages_of_the_second_generation(query: str, expected: list[str]) -> None:
    found = LogQuery.second_generation(QueryParams(query)).select(ENTRIES)
    assert [entry.message for entry in found] == expected


def test_the_first_generation_goes_forward_from_its_start() -> None:
    query = LogQuery.first_generation(QueryParams(f"start={SECOND_MS}&limit=2"))
    assert [entry.message for entry in query.select(ENTRIES)] == ["two", "three"]


@pytest.mark.parametrize(
    "query",
    ["limit=1001", "limit=-1", "cursor=x", "direction=up", "level=loud", "search=" + "a" * 257],
)
def test_a_query_that_cannot_be_is_refused(query: str) -> None:
    with pytest.raises(BadRequestError, match=query.partition("=")[0]):
        LogQuery.second_generation(QueryParams(query))


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("echo hello", "echo hello"),
        ("git clone https://me:s3cr3t@host/x", "git clone https://***@host/x"),
        ("curl -H 'Authorization: Bearer abcdef123'", "curl -H 'Authorization: Bearer ***'"),
        ("export API_KEY=abcdef123 && run", "export API_KEY=*** && run"),
        ("use value-of-a-variable", "use ***"),
        ("x" * 600, "x" * 500 + "…"),
    ],
)
def test_commands_are_told_without_secrets(command: str, told: str) -> None:
    assert without_secrets(command, ["value-of-a-variable", "echo"]) == told


@pytest.mark.parametrize(
    "note",
    [None, 7, {}, {"number": "1"}, {"number": 1, "event": "x", "pid": 1}, {"number": 2, "pid": {}}],
)
def test_a_note_in_no_known_form_is_skipped(note: Any) -> None:
    journal = Journal(Clock())
    journal._take("a", Sitting(), note)  # type: ignore[arg-type]
    assert messages(journal, "a") == []


def test_a_moment_that_cannot_be_becomes_now() -> None:
    journal, machine = Journal(Clock()), Sitting()
    for number, at_s in enumerate([float("nan"), 1e30, -5, "soon", None], start=1):
        note = {"number": number, "event": "process_start", "pid": 1, "at_s": at_s}
        journal._take("a", machine, note)  # type: ignore[arg-type]
    assert all(entry.moment.year == START.year for entry in journal.entries("a"))
    assert len(messages(journal, "a")) == 5


class Sitting:
    """A machine as a key, and no more."""
