"""The reflector that needs no model: from a failed program and its repair, the lesson. Pure.

What the repair changed about the uses of packages is compared with what the error names and with
the line that failed. Where the repair changed nothing of the kind (a column's name, a path), there
is nothing to teach another program, and no lesson.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from capibara6.ace.complaints import culprit, failing_line, message, owner_named, words_said
from capibara6.ace.deltas import TEXT_CHARS_MAX, stable_id
from capibara6.ace.signatures import base_of, shown, signatures, words_of
from capibara6.ace.statements import Statement, replaced, statements
from capibara6.domain.executions import ExecutionError
from capibara6.domain.playbook import Bullet, Scope
from capibara6.domain.programs import OUTDATED
from capibara6.inventory import Inventory

_REMEDIES_MAX: Final = 4
_MESSAGE_CHARS_MAX: Final = 60
# What a program got wrong about this data or itself: nothing that another one could learn.
_OWN_FAULTS: Final = frozenset(
    (
        *("unknown_column", "unknown_key", "missing_file", "syntax", "name", "assertion", "exit"),
        *("timeout", "out_of_memory", "killed_kernel", "interrupted", "output_limit"),
        *("disk_full", "no_output", "network_denied", "zero_division", "recursion"),
    )
)
_GONE: Final = OUTDATED | {"attribute"}


@dataclass(frozen=True, slots=True)
class Repair:
    """A failed program, why it failed, and the program that then worked."""

    failed: str
    mended: str
    kind: str  # class of the diagnosis
    error: ExecutionError
    task: str = ""
    traits: tuple[str, ...] = ()  # of the data


@dataclass(frozen=True, slots=True)
class _Change:
    """What the repair changed: the use at fault, what came in its place, and both statements."""

    trigger: str
    remedy: tuple[str, ...]
    before: str
    after: str
    grown: bool  # the same call is still there, and given more: a matter of the data


def reflect(repair: Repair, inventory: Inventory | None, at: datetime) -> Bullet | None:
    """The lesson of a repair; None when it teaches nothing that another program could use.

    Args:
        repair: what failed and what worked.
        inventory: of the template, for the versions; None: the lesson names none.
        at: when.
    """
    if repair.kind in _OWN_FAULTS:
        return None
    change = _change(repair)
    if change is None:
        return None
    packages = _packages(change, repair.error, inventory)
    section = "data" if change.grown else "api"
    bullet = Bullet(
        id=stable_id("lesson", change.trigger, sorted(change.remedy)),
        section=section,
        text=_told(repair, change, packages)[:TEXT_CHARS_MAX],
        created=at,
        scope=Scope(repair.task, packages, repair.traits if section == "data" else ()),
        trigger=change.trigger,
        remedy=change.remedy,
    )
    # What a call does to any data is no matter of the task in which it was seen.
    return replace(bullet, scope=replace(bullet.scope, task="")) if section == "api" else bullet


def _change(repair: Repair) -> _Change | None:
    before, after = signatures(repair.failed), signatures(repair.mended)
    old_lines, new_lines = statements(repair.failed), statements(repair.mended)
    trigger = _trigger(repair, before, after) or _altered(repair, before, after)
    if trigger is None:
        return None
    old = _holding(old_lines, before[trigger], failing_line(repair.error))
    changed = replaced(old_lines, new_lines, old)
    added = [name for name in after if name not in before]
    near = [name for name in added if any(_holds(after[name], s, e) for s, e, _ in changed)]
    remedy = _essential(near or added, trigger)
    texts = [text for s, e, text in new_lines for name in remedy if _holds(after[name], s, e)]
    new = next(filter(_is_no_import, texts), "; ".join(text for _, _, text in changed[:2]))
    if not remedy and old in ("", new):
        return None
    is_grown = trigger in after and any(base_of(name) == trigger for name in remedy)
    return _Change(trigger, remedy, old, new, is_grown)


def _is_no_import(text: str) -> bool:
    return not text.startswith(("import ", "from "))


def _trigger(
    repair: Repair, before: Mapping[str, tuple[int, ...]], after: Mapping[str, tuple[int, ...]]
) -> str | None:
    """The use at fault: gone from the mended program, and named by the error or its line."""
    said, line, blamed = words_said(repair.error), failing_line(repair.error), culprit(repair.error)
    best, best_rank = None, (0, 0, 0, 0)
    for name, lines in before.items():
        words = words_of(name)
        if name in after:
            continue
        named = int(all(word in said for word in words)) + int(blamed in words)
        rank = (named, int(line in lines), name.count("."), name.count("("))
        if max(rank[:2]) > 0 and rank > best_rank:
            best, best_rank = name, rank
    return best or _completed(before, after, line)


def _completed(
    before: Mapping[str, tuple[int, ...]], after: Mapping[str, tuple[int, ...]], line: int | None
) -> str | None:
    """A call that the repair gave more keywords: best the one that failed."""
    grown = [base_of(name) for name in after if "=" in name and name not in before]
    there = [name for name in grown if name in before]
    return next((name for name in there if line in before[name]), there[0] if there else None)


def _altered(
    repair: Repair, before: Mapping[str, tuple[int, ...]], after: Mapping[str, tuple[int, ...]]
) -> str | None:
    """A use that stayed, in a line that failed: the one named, else the last of the line."""
    blamed, line = culprit(repair.error), failing_line(repair.error)
    there = [name for name, lines in before.items() if name in after and "(" not in name]
    named = [name for name in there if blamed in words_of(name)]
    failing = [name for name in there if line in before[name] and "." in name.lstrip(".")]
    return next(iter([*named, *failing]), None)


def _essential(added: list[str], trigger: str) -> tuple[str, ...]:
    """Of what came in, the new names; what they are given only where the call itself is old."""
    own = [name for name in added if base_of(name) == base_of(trigger)]
    names = [name for name in added if "(" not in name]
    chosen = own or names or added
    if own and "(" not in trigger:
        chosen = [*own, *names]
    kept = [name for name in chosen if not any(_says_more(other, name) for other in chosen)]
    return tuple(dict.fromkeys(kept))[:_REMEDIES_MAX]


def _says_more(one: str, other: str) -> bool:
    """Whether one use tells all of another: `a.b.c` of `a.b`, `f(x='y')` of `f(x=)`."""
    return one != other and one.startswith((f"{other}.", other.removesuffix(")")))


def _holding(lines: list[Statement], where: tuple[int, ...], failing: int | None) -> str:
    """The statement with the use at fault: the one that failed, if it holds it."""
    found = [(start, end, text) for start, end, text in lines if _holds(where, start, end)]
    at = [text for start, end, text in found if failing and start <= failing <= end]
    return next(iter([*at, *(text for _, _, text in found)]), "")


def _holds(lines: tuple[int, ...], start: int, end: int) -> bool:
    return any(start <= line <= end for line in lines)


def _packages(
    change: _Change, error: ExecutionError, inventory: Inventory | None
) -> tuple[tuple[str, str], ...]:
    if inventory is None:
        return ()
    modules = [name for name in (change.trigger, *change.remedy) if not name.startswith(".")]
    modules = [*inventory.classes_named(owner_named(error))[:1], *modules]
    found = (inventory.version_of(base_of(module)) for module in modules[:1])
    return tuple(one for one in found if one)


def _told(repair: Repair, change: _Change, packages: tuple[tuple[str, str], ...]) -> str:
    head = " ".join(f"{name} {version}:" for name, version in packages)
    said = message(repair.error)[:_MESSAGE_CHARS_MAX]
    remedy = ", ".join(f"`{shown(name)}`" for name in change.remedy)
    remedy = f"use {remedy}" if remedy else "write it otherwise"
    # A method is told with the class that lacks it: lists have an `append`, too.
    owner = owner_named(repair.error) if change.trigger.startswith(".") else ""
    text = f"{head} `{owner}{shown(change.trigger)}` "
    if change.grown:
        text += f"may fail ({repair.error.name}: {said}); then {remedy}."
    elif "unexpected keyword" in said or "takes no `" in said:
        text += f"is not taken; {remedy}."
    elif repair.kind in _GONE and "(" not in change.trigger:
        text += f"is gone; {remedy}."
    else:
        text += f"fails ({repair.error.name}: {said}); {remedy}."
    if change.after and change.before and not _is_rename(change):
        text += f" Not `{change.before}` but `{change.after}`."
    return text.strip()


def _is_rename(change: _Change) -> bool:
    """Whether another name is all there is to it: then no example is needed."""
    if len(change.remedy) != 1 or "(" in change.trigger + change.remedy[0]:
        return False
    if not change.trigger.startswith(".") and not change.remedy[0].startswith("."):
        return True
    old, new = (name.rpartition(".")[2] for name in (change.trigger, change.remedy[0]))
    own = change.trigger.rpartition(".")[0] == change.remedy[0].rpartition(".")[0]
    return own and change.before.replace(old, new) == change.after
