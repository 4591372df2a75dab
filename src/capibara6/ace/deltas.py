"""Changes of the playbook, made so that telling one twice or in another order changes nothing."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from capibara6.domain.playbook import SECTIONS, Bullet, Delta, Scope

KINDS: Final = ("add", "update", "merge", "remove", "outcome")
HELPFUL, HARMFUL, UNUSED = "helpful", "harmful", "unused"
RECIPE_ORIGIN: Final = "playbook:"  # of a program that is a recipe of the playbook, then its id
TEXT_CHARS_MAX: Final = 600
PROGRAM_CHARS_MAX: Final = 20_000
CUE_CHARS_MAX: Final = 400
_NAME_CHARS_MAX: Final = 200
_ITEMS_MAX: Final = 16
_UPDATABLE: Final = frozenset({"text", "task", "disabled"})


def stable_id(*parts: object) -> str:
    """An id that follows from its parts."""
    return uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(parts, sort_keys=True, default=str)).hex


def add(bullet: Bullet, cue: str = "", source: str = "") -> Delta:
    """Add a bullet; of one that is there already, only what it was learnt from is added.

    Args:
        bullet: what was learnt.
        cue: the question in which it was, by which it will be found again.
        source: the id of the execution it came from.
    """
    fields = asdict(bullet)
    del fields["id"], fields["created"]
    body = {**fields, "cue": cue[:CUE_CHARS_MAX], "source": source}
    name = stable_id("add", bullet.id, source, body["cue"], bullet.text)
    return Delta(name, bullet.created, "add", bullet.id, _plain(body))


def update(bullet: str, at: datetime, **fields: object) -> Delta:
    """Change fields of a bullet (`text`, `task`, `disabled`); the latest change counts.

    Raises:
        ValueError: another field; it is part of what the bullet is.
    """
    if unknown := fields.keys() - _UPDATABLE:
        raise ValueError(f"{sorted(unknown)[0]!r} of a bullet cannot be changed")
    name = stable_id("update", bullet, at.isoformat(), fields)
    return Delta(name, at, "update", bullet, _plain(fields))


def merge(one: str, other: str, at: datetime) -> Delta:
    """Two bullets mean the same: they count as one from now on; neither is lost."""
    first, second = sorted((one, other))
    return Delta(stable_id("merge", first, second), at, "merge", first, {"with": second})


def remove(bullet: str, at: datetime, reason: str) -> Delta:
    """Take a bullet out for good; its record stays."""
    return Delta(stable_id("remove", bullet), at, "remove", bullet, {"reason": reason[:200]})


def outcome(bullet: str, run_id: str, attempt: int, verdict: str, at: datetime) -> Delta:
    """What became of an attempt that had the bullet in its prompt."""
    body = {"verdict": verdict, "run": run_id, "attempt": attempt}
    return Delta(stable_id("outcome", bullet, run_id, attempt), at, "outcome", bullet, body)


def bullet_of(change: Delta) -> Bullet:
    """The bullet that an "add" holds; whatever is not of the form is left out."""
    body = change.body
    scope = body.get("scope")
    scope = scope if isinstance(scope, dict) else {}
    section = body.get("section")
    return Bullet(
        id=change.bullet,
        section=section if section in SECTIONS else SECTIONS[0],
        text=_text(body.get("text"), TEXT_CHARS_MAX),
        created=change.at,
        scope=Scope(
            _text(scope.get("task")), _pairs(scope.get("packages")), _texts(scope.get("traits"))
        ),
        trigger=_text(body.get("trigger")),
        remedy=_texts(body.get("remedy")),
        program=_text(body.get("program"), PROGRAM_CHARS_MAX),
        parameters=dict(body["parameters"]) if isinstance(body.get("parameters"), dict) else {},
        tests=tuple(one for one in _items(body.get("tests")) if isinstance(one, dict)),
        origin=_text(body.get("origin")) or "rules",
    )


def line_of(change: Delta) -> dict[str, Any]:
    """A change as a JSON object, for export."""
    return {**asdict(change), "at": change.at.isoformat()}


def delta_of(line: Mapping[str, Any]) -> Delta:
    """A change out of an export.

    Raises:
        ValueError: it is none; the message says why.
    """
    for key in ("id", "bullet"):
        value = line.get(key)
        if not isinstance(value, str) or not _is_id(value):
            raise ValueError(f"{key!r} is {value!r}, not 32 hex digits")
    kind, body = line.get("kind"), line.get("body")
    if kind not in KINDS:
        raise ValueError(f"'kind' is {kind!r}, none of: {', '.join(KINDS)}")
    if not isinstance(body, dict):
        raise ValueError("'body' is no object")  # noqa: TRY004 - as any other fault of a line
    return Delta(line["id"], _time(line.get("at")), kind, line["bullet"], body)


def _time(value: object) -> datetime:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"'at' is {value!r}, not a time such as 2026-01-31T12:00:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _is_id(value: str) -> bool:
    return len(value) == 32 and all(character in "0123456789abcdef" for character in value)


def _plain(value: Any) -> Any:
    """As it comes back from JSON."""
    return json.loads(json.dumps(value, default=str))


def _items(value: object) -> list[Any]:
    return list(value)[:_ITEMS_MAX] if isinstance(value, list | tuple) else []


def _text(value: object, chars_max: int = _NAME_CHARS_MAX) -> str:
    return value[:chars_max] if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(_text(one) for one in _items(value) if isinstance(one, str))


def _pairs(value: object) -> tuple[tuple[str, str], ...]:
    pairs = (one for one in _items(value) if isinstance(one, list | tuple) and len(one) == 2)
    return tuple((_text(name), _text(version)) for name, version in pairs)
