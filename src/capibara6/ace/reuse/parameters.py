"""From a program to one with parameters at its top: what one request alone brought. Pure."""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from capibara6.ace.deltas import PROGRAM_CHARS_MAX
from capibara6.ace.reuse.form import Slot
from capibara6.ace.reuse.replacing import Inside, Replacer
from capibara6.ace.reuse.residue import Residue
from capibara6.ace.signatures import tree_of
from capibara6.domain.playbook import Bullet
from capibara6.domain.requests import Request

_KINDS: Final = {"value": "VALUE", "number": "NUMBER", "text": "TEXT"}


@dataclass(frozen=True, slots=True)
class Parametrised:
    """A program with parameters.

    Attributes:
        code: the parameters' values at its top, the program below.
        parameters: their names and values.
        bound: for each slot of the question the parameters that carry it; none where the program
            may hold it in another way too, so that it cannot be changed.
        body: the tree of the program below the parameters.
    """

    code: str
    parameters: dict[str, Any]
    bound: tuple[tuple[str, ...], ...]
    body: ast.Module


def parametrised(code: str, request: Request, slots: Sequence[Slot] = ()) -> Parametrised | None:
    """A program with the request's own names, values and numbers as parameters at its top.

    None when it cannot be parsed, names no file of the request, or grows too long.
    """
    tree = tree_of(code)
    if tree is None or any(isinstance(node, ast.Match) for node in ast.walk(tree)):
        return None  # of a pattern, a name would take the value instead of comparing it
    taken = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    values = {name: one for name, one in _values(request, slots).items() if name not in taken}
    replacer = Replacer(_exact(values), _numbers(values), _inside(slots, values))
    try:
        tree = ast.fix_missing_locations(replacer.visit(tree))
        body = ast.unparse(tree)
    except (ValueError, RecursionError):
        return None  # a text that Python 3.11 cannot write within an f-string
    used = {name: one for name, one in values.items() if name in replacer.counts}
    if not any(name.startswith("FILE") for name in used):
        return None
    head = "\n".join(f"{name} = {one!r}" for name, one in used.items())
    whole = f"{head}\n{body}"
    if len(whole) > PROGRAM_CHARS_MAX:
        return None
    left = Residue.of(tree)
    bound = tuple(
        _bound(place, slot, values, replacer, left) for place, slot in enumerate(slots, 1)
    )
    return Parametrised(whole, used, bound, tree)


def without_parameters(code: str, parameters: Mapping[str, Any]) -> str:
    """The program below its parameters: what it is, whatever they are."""
    return "\n".join(code.splitlines()[len(parameters) :])


def with_parameters(bullet: Bullet, values: Mapping[str, Any]) -> str:
    """The recipe's program for other values; a parameter without one keeps its own."""
    chosen = {name: values.get(name, one) for name, one in bullet.parameters.items()}
    head = "\n".join(f"{name} = {one!r}" for name, one in chosen.items())
    return f"{head}\n{without_parameters(bullet.program, bullet.parameters)}"


def file_values(request: Request) -> dict[str, str]:
    """The parameters that name a request's files: by their paths, or from where programs start."""
    paths = {f"FILE_{n}": file.path for n, file in enumerate(request.files, 1)}
    return paths | {f"FILENAME_{n}": file.name for n, file in enumerate(request.files, 1)}


def _values(request: Request, slots: Sequence[Slot]) -> dict[str, Any]:
    files = file_values(request)
    columns = dict.fromkeys(column.name for file in request.files for column in file.columns)
    named = {f"COLUMN_{n}": name for n, name in enumerate(columns, 1)}
    own = {f"{_KINDS[s.kind]}_{n}": s.value for n, s in enumerate(slots, 1) if s.kind in _KINDS}
    said = {f"SAID_{n}": slot.said for n, slot in enumerate(slots, 1) if slot.kind == "column"}
    return {**files, **named, **own, **said}


def _exact(values: Mapping[str, Any]) -> dict[str, str]:
    """Parameters by texts that a program may write; none by a text that two of them have."""
    found: dict[str, str] = {}
    twice: set[str] = set()
    for name, one in values.items():
        if isinstance(one, str) and not name.startswith("SAID_"):
            twice.update({one} & found.keys())
            found[one] = name
    return {text: name for text, name in found.items() if text not in twice}


def _numbers(values: Mapping[str, Any]) -> dict[float, str]:
    return {one: name for name, one in values.items() if isinstance(one, int | float)}


def _inside(slots: Sequence[Slot], values: Mapping[str, Any]) -> tuple[Inside, ...]:
    """What of the slots may stand within longer texts, the longest first."""
    found: list[tuple[str, Inside]] = []
    columns = {one: name for name, one in values.items() if name.startswith("COLUMN_")}
    for place, slot in enumerate(slots, 1):
        if slot.kind == "file":
            continue
        own = f"{_KINDS[slot.kind]}_{place}" if slot.kind in _KINDS else ""
        name = columns.get(slot.value, own)
        if name in values:
            found.append((str(slot.value), Inside(_whole(str(slot.value)), name)))
        if f"SAID_{place}" in values:
            said = Inside(_whole(slot.said, re.IGNORECASE), f"SAID_{place}")
            found.append((slot.said, said))
    for column, name in columns.items():  # "unit price" is not what is said of "price"
        if any(one.pattern.search(column) for text, one in found if text != column):
            found.append((column, Inside(_whole(column), name)))
    return tuple(one for _, one in sorted(found, key=lambda pair: -len(pair[0])))


def _whole(text: str, flags: int = 0) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_])(?<!\d[.]){re.escape(text)}(?![^\W_]|[.]\d)", flags)


def _bound(
    place: int, slot: Slot, values: Mapping[str, Any], replacer: Replacer, left: Residue
) -> tuple[str, ...]:
    """The parameters that carry a slot, and all of it; none if it cannot be changed."""
    counts = replacer.counts
    if slot.kind == "file":
        stem = str(slot.value).rsplit(".", 1)[0]
        return () if left.names(stem) else ("FILE_1",)
    if slot.kind == "column":
        name = next(
            (n for n, v in values.items() if n.startswith("COLUMN_") and v == slot.value), ""
        )
        both = tuple(one for one in (name, f"SAID_{place}") if one in counts)
        whole = name in counts and replacer.exactly[name] > 0
        return both if whole and not left.names(str(slot.value), slot.said) else ()
    name = f"{_KINDS[slot.kind]}_{place}"
    if slot.kind == "number":
        return (name,) if _number_is_bound(name, slot, replacer, left) else ()
    whole = replacer.exactly[name] > 0 and not left.names(str(slot.value), slot.said)
    return (name,) if whole else ()


def _number_is_bound(name: str, slot: Slot, replacer: Replacer, left: Residue) -> bool:
    """A number that the program writes once; of a year, also as the beginning of a date."""
    number = float(slot.value)
    once = replacer.exactly[name] == 1
    dated = slot.sort == "year" and replacer.exactly[name] == 0 and replacer.dates[name] > 0
    return (once or dated) and not left.follows_from(number)
