"""The reflector that needs no model: from a failed program and its repair, the lesson. Pure.

What the repair changed about the uses of packages is compared with what the error names and with
the line that failed. Where the repair changed nothing of the kind (a column's name, a path), there
is nothing to teach another program, and no lesson.
"""

import ast
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from capibara6.ace.deltas import TEXT_CHARS_MAX, stable_id
from capibara6.ace.signatures import base_of, shown, signatures, tree_of, words_of
from capibara6.domain.executions import ExecutionError
from capibara6.domain.playbook import Bullet, Scope
from capibara6.inventory import Inventory

_REMEDIES_MAX: Final = 4
_STATEMENT_CHARS_MAX: Final = 140
_MESSAGE_CHARS_MAX: Final = 90
# What a program got wrong about this data or itself: nothing that another one could learn.
_OWN_FAULTS: Final = frozenset(
    (
        *("unknown_column", "unknown_key", "missing_file", "syntax", "name", "assertion", "exit"),
        *("timeout", "out_of_memory", "killed_kernel", "interrupted", "output_limit"),
        *("disk_full", "no_output", "network_denied", "zero_division", "recursion"),
    )
)
_GONE: Final = frozenset({"attribute", "attribute_removed", "missing_name", "missing_module"})
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_WORD = re.compile(r"[\w-]+")
_LINE = re.compile(r"(?:Cell In\[\d+\], line |File \"<[^>]*>\", line |-+> ?)(\d+)")
_OWNER = re.compile(r"'(\w+)' object has no attribute|\b([A-Z]\w+)\.\w+\(\)")


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
    trigger = _trigger(repair, before, after)
    if trigger is None:
        return None
    lines = _statements(repair.failed), _statements(repair.mended)
    old = next((text for start, end, text in lines[0] if _holds(before[trigger], start, end)), "")
    changed = _changed(lines[0], lines[1], old)
    added = [name for name in after if name not in before]
    near = [name for name in added if any(_holds(after[name], s, e) for s, e, _ in changed)]
    remedy = _essential(near or added, trigger)
    if not remedy and trigger in after:
        return None
    new = next(
        (text for s, e, text in lines[1] for name in remedy if _holds(after[name], s, e)
         and not text.startswith(("import ", "from "))), "",
    )  # fmt: skip
    return _Change(trigger, remedy, old, new, grown=trigger in after)


def _trigger(
    repair: Repair, before: Mapping[str, tuple[int, ...]], after: Mapping[str, tuple[int, ...]]
) -> str | None:
    """The use at fault: gone from the mended program, and named by the error or its line."""
    said = set(_WORD.findall(_ANSI.sub("", repair.error.value)))
    line = _failing_line(repair.error)
    best, best_rank = None, (0, 0, 0)
    for name, lines in before.items():
        if name in after:
            continue
        named = sum(word in said for word in words_of(name))
        rank = (int(named == len(words_of(name))), int(line in lines), name.count("("))
        if rank[:2] > (0, 0) and rank > best_rank:
            best, best_rank = name, rank
    return best or _completed(before, after, line)


def _completed(
    before: Mapping[str, tuple[int, ...]], after: Mapping[str, tuple[int, ...]], line: int | None
) -> str | None:
    """A call that the repair gave more keywords: best the one that failed."""
    grown = [base_of(name) for name in after if "=" in name and name not in before]
    there = [name for name in grown if name in before]
    return next((name for name in there if line in before[name]), there[0] if there else None)


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


def _changed(
    before: list[tuple[int, int, str]], after: list[tuple[int, int, str]], old: str
) -> list[tuple[int, int, str]]:
    """The statements of the mended program that stand where a statement of the failed one did."""
    texts = [text for _, _, text in before]
    matcher = difflib.SequenceMatcher(None, texts, [text for _, _, text in after], autojunk=False)
    for tag, first, last, start, end in matcher.get_opcodes():
        if tag != "equal" and old in texts[first:last]:
            return after[start:end]
    return []


def _statements(code: str) -> list[tuple[int, int, str]]:
    """First line, last line and text of each simple statement, other texts than code left out."""
    tree = tree_of(code)
    return sorted(
        (node.lineno, node.end_lineno or node.lineno, _text(node))
        for node in (ast.walk(tree) if tree else ())
        if isinstance(node, ast.stmt) and not hasattr(node, "body")
    )


def _text(node: ast.stmt) -> str:
    plain = " ".join(ast.unparse(_Redacted().visit(ast.parse(ast.unparse(node)))).split())
    if len(plain) > _STATEMENT_CHARS_MAX:
        return plain[: _STATEMENT_CHARS_MAX - 1] + "…"
    return plain


class _Redacted(ast.NodeTransformer):
    """Leaves out long texts and those that look like data: a lesson is about calls."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, str) and not re.fullmatch(r"[\w-]{1,12}", node.value):
            return ast.Constant("…")
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Constant("…")


def _holds(lines: tuple[int, ...], start: int, end: int) -> bool:
    return any(start <= line <= end for line in lines)


def _failing_line(error: ExecutionError) -> int | None:
    found = _LINE.findall(_ANSI.sub("", error.traceback))
    return int(found[-1]) if found else None


def _packages(
    change: _Change, error: ExecutionError, inventory: Inventory | None
) -> tuple[tuple[str, str], ...]:
    if inventory is None:
        return ()
    modules = [name for name in (change.trigger, *change.remedy) if not name.startswith(".")]
    if owner := _OWNER.search(_ANSI.sub("", error.value)):
        modules = [*inventory.classes_named(owner[1] or owner[2])[:1], *modules]
    found = (inventory.version_of(base_of(module)) for module in modules[:1])
    return tuple(one for one in found if one)


def _told(repair: Repair, change: _Change, packages: tuple[tuple[str, str], ...]) -> str:
    head = " ".join(f"{name} {version}:" for name, version in packages)
    message = " ".join(_ANSI.sub("", repair.error.value).split())[:_MESSAGE_CHARS_MAX]
    remedy = ", ".join(f"`{shown(name)}`" for name in change.remedy) or "nothing"
    text = f"{head} `{shown(change.trigger)}` "
    if change.grown:
        text += f"may fail ({repair.error.name}: {message}); then give it {remedy}."
    elif "unexpected keyword" in message:
        text += f"is not taken; use {remedy}."
    elif repair.kind in _GONE and "(" not in change.trigger:
        text += f"is gone; use {remedy}."
    else:
        text += f"fails ({repair.error.name}: {message}); use {remedy}."
    if change.after and change.before:
        text += f" Not `{change.before}` but `{change.after}`."
    return text.strip()
