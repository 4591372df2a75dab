"""The playbook: what a set of deltas comes to, in whatever order they are told. Pure.

Each part is a structure that merges by itself: texts are the earliest's that was added and then the
latest change's, what a bullet came from and its outcomes are sets, "means the same" is a growing
relation, and a removal is for good. Counters are counted, never added up.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from capibara6.ace.deltas import HARMFUL, HELPFUL, TEXT_CHARS_MAX, bullet_of
from capibara6.domain.playbook import Bullet, Delta

OUTCOMES_COUNTED_MAX: Final = 200  # of a bullet: the newest
CUES_MAX: Final = 8  # of a bullet: the newest; questions in which it was learnt

Stamp = tuple[datetime, str]


@dataclass(slots=True)
class _Record:
    """All that was told of one id."""

    added: tuple[Stamp, Bullet] | None = None
    fields: dict[str, tuple[Stamp, Any]] = field(default_factory=dict)
    cues: dict[str, Stamp] = field(default_factory=dict)
    sources: set[str] = field(default_factory=set)
    outcomes: dict[str, tuple[Stamp, str]] = field(default_factory=dict)
    removed: str | None = None  # why


@dataclass(frozen=True, slots=True)
class Entry:
    """A bullet with all that is known of it, its duplicates' share included.

    Attributes:
        status: "active", or why it is not used: "harmful" | "disabled" | "removed".
        aliases: the ids of bullets that mean the same.
        sources: ids of the executions it came from.
    """

    bullet: Bullet
    status: str
    helpful: int
    harmful: int
    unused: int
    cues: tuple[str, ...]
    sources: tuple[str, ...]
    aliases: tuple[str, ...]
    last_used: datetime | None
    reason: str = ""

    @property
    def value(self) -> float:
        """How far it can be relied on, 0..1: the share of the attempts that it helped, cautiously.

        A lesson begins with the repair that it was learnt from, and harm counts twice. Being asked
        for often makes it no better: one that is new must not be crowded out by old ones.
        """
        good = 3 + self.helpful + min(3, max(0, len(self.sources) - 1))
        return good / (good + 1 + 2 * self.harmful)


class Playbook:
    """The bullets that deltas told of."""

    def __init__(self, changes: Iterable[Delta] = ()) -> None:
        self._records: dict[str, _Record] = {}
        self._parents: dict[str, str] = {}
        self._members: dict[str, set[str]] = {}  # by root
        self._seen: set[str] = set()
        for change in changes:
            self.apply(change)

    def apply(self, change: Delta) -> str | None:
        """Take one delta; returns the id of the group that it changed, None when it was known."""
        if change.id in self._seen:
            return None
        self._seen.add(change.id)
        record = self._record(change.bullet)
        stamp = (change.at, change.id)
        match change.kind:
            case "add":
                _add(record, change, stamp)
            case "update":
                _update(record, change, stamp)
            case "merge":
                self._join(change.bullet, str(change.body.get("with", change.bullet)))
            case "remove":
                reason = str(change.body.get("reason", ""))
                record.removed = min(record.removed or reason, reason)
            case "outcome":
                record.outcomes[change.id] = (stamp, str(change.body.get("verdict", "")))
        return self.root(change.bullet)

    def root(self, bullet: str) -> str:
        """The id that stands for all that mean the same: the smallest."""
        while (parent := self._parents.get(bullet, bullet)) != bullet:
            bullet = parent
        return bullet

    def entry(self, bullet: str) -> Entry | None:
        """What is known of a bullet by its id or that of a duplicate; None: nothing was added."""
        return self._entry(self._members.get(self.root(bullet), set()))

    def entries(self) -> list[Entry]:
        """All, most valuable first; what is not in use comes last."""
        found = [self._entry(members) for members in self._members.values()]
        entries = [entry for entry in found if entry is not None]
        return sorted(
            entries,
            key=lambda one: (one.status != "active", -one.value, one.bullet.created, one.bullet.id),
        )

    def _record(self, bullet: str) -> _Record:
        if bullet not in self._records:
            self._records[bullet] = _Record()
            self._members[bullet] = {bullet}
        return self._records[bullet]

    def _join(self, one: str, other: str) -> None:
        self._record(other)
        first, second = sorted((self.root(one), self.root(other)))
        if first != second:
            self._parents[second] = first
            self._members[first] |= self._members.pop(second)

    def _entry(self, members: Iterable[str]) -> Entry | None:
        records = {name: self._records[name] for name in members}
        known = {name: record for name, record in records.items() if record.added}
        if not known:
            return None
        chosen = min(known, key=lambda name: _rank(name, known[name]))
        outcomes = _newest(
            {k: v for record in records.values() for k, v in record.outcomes.items()}
        )
        verdicts = [verdict for _, verdict in outcomes]
        helpful, harmful = verdicts.count(HELPFUL), verdicts.count(HARMFUL)
        cues = _latest({k: v for record in records.values() for k, v in record.cues.items()})
        sources = {one for record in records.values() for one in record.sources}
        bullet = _written(known[chosen])
        return Entry(
            bullet=bullet,
            status=_status(known[chosen], helpful, harmful, len(sources)),
            helpful=helpful,
            harmful=harmful,
            unused=len(verdicts) - helpful - harmful,
            cues=cues,
            sources=tuple(sorted(sources)),
            aliases=tuple(sorted(name for name in records if name != chosen)),
            last_used=outcomes[0][0][0] if outcomes else None,
            reason=known[chosen].removed or "",
        )


def _add(record: _Record, change: Delta, stamp: Stamp) -> None:
    if record.added is None or stamp < record.added[0]:
        record.added = (stamp, bullet_of(change))
    cue, source = change.body.get("cue"), change.body.get("source")
    if isinstance(cue, str) and cue:
        record.cues[cue] = max(record.cues.get(cue, stamp), stamp)
    if isinstance(source, str) and source:
        record.sources.add(source)


def _update(record: _Record, change: Delta, stamp: Stamp) -> None:
    for name, value in change.body.items():
        if name not in record.fields or record.fields[name][0] < stamp:
            record.fields[name] = (stamp, value)


def _rank(name: str, record: _Record) -> tuple[Any, ...]:
    """The best of those that mean the same: in use, most helpful, earliest."""
    verdicts = [verdict for _, verdict in record.outcomes.values()]
    net = verdicts.count(HELPFUL) - verdicts.count(HARMFUL)
    assert record.added is not None
    return (record.removed is not None, _is_disabled(record), -net, record.added[0], name)


def _written(record: _Record) -> Bullet:
    assert record.added is not None
    bullet = record.added[1]
    text = record.fields.get("text", (None, bullet.text))[1]
    task = record.fields.get("task", (None, bullet.scope.task))[1]
    return replace(
        bullet, text=str(text)[:TEXT_CHARS_MAX], scope=replace(bullet.scope, task=str(task))
    )


def _is_disabled(record: _Record) -> bool:
    return record.fields.get("disabled", (None, False))[1] is True


def _status(record: _Record, helpful: int, harmful: int, sources: int) -> str:
    if record.removed is not None:
        return "removed"
    if _is_disabled(record):
        return "disabled"
    # A lesson out of a repair has helped once, before anybody was given it.
    good = helpful + min(1, sources)
    return "harmful" if harmful > good else "active"


def _newest(outcomes: dict[str, tuple[Stamp, str]]) -> list[tuple[Stamp, str]]:
    return sorted(outcomes.values(), reverse=True)[:OUTCOMES_COUNTED_MAX]


def _latest(cues: dict[str, Stamp]) -> tuple[str, ...]:
    ordered = sorted(cues, key=lambda cue: cues[cue], reverse=True)
    return tuple(ordered[:CUES_MAX])
