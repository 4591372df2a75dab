"""Whether a recipe fits a later request, and its parameters' values for it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from capibara6.ace.reuse.facts import Facts, fits
from capibara6.ace.reuse.form import Form, Slot
from capibara6.ace.reuse.parameters import file_values
from capibara6.ace.reuse.proofs import Proof
from capibara6.ace.reuse.reach import ANY_TABLE, SAME_DATA
from capibara6.domain.playbook import Bullet
from capibara6.domain.requests import Request

_TEXTS: Final = ("COLUMN_", "VALUE_", "TEXT_")  # parameters that stand for whole texts
_PLAIN_TEXT_SIGNS: Final = " _-"


@dataclass(frozen=True, slots=True)
class Filling:
    """Values for a recipe's parameters.

    Attributes:
        same: data and values are those of its proof, so that its answer is known.
    """

    values: dict[str, Any]
    same: bool


def filling(
    bullet: Bullet,
    test: Proof,
    request: Request,
    form: Form,
    language: str,
    facts: Sequence[Facts],
) -> Filling | None:
    """The values for a request; None where it asks for something else, or of other data."""
    if form.tokens != test.tokens or not (language == test.language or test.wordless):
        return None
    if len(facts) != len(test.files) or len(form.slots) != len(test.slots):
        return None
    if not _is_whole(bullet, test) or not _data_fit(test, facts):
        return None
    values: dict[str, Any] = {**file_values(request)}
    columns = {name: kind for one in facts for name, kind in one.columns.items()}
    known = {name: kind for file in test.files for name, kind in file["columns"].items()}
    for old, new, names in zip(test.slots, form.slots, test.bound, strict=True):
        found = _filled(old, new, names, columns, known)
        if found is None:
            return None
        values |= found
    values = {name: one for name, one in values.items() if name in bullet.parameters}
    if not _apart({**bullet.parameters, **values}, bullet, values):
        return None
    same = all(one.content and one.content == file["content"]
               for one, file in zip(facts, test.files, strict=True))  # fmt: skip
    unchanged = all(bullet.parameters[name] == one for name, one in values.items())
    return Filling(values, same and unchanged)


def _is_whole(bullet: Bullet, test: Proof) -> bool:
    """Whether the parameters that a test speaks of are there; an imported one may lie."""
    bound = zip(test.slots, test.bound, strict=True)
    named = {name for slot, names in bound if slot.kind != "file" for name in names}
    return named <= bullet.parameters.keys()


def _data_fit(test: Proof, facts: Sequence[Facts]) -> bool:
    for one, file in zip(facts, test.files, strict=True):
        if one.content and one.content == file["content"]:
            continue
        if test.reach == SAME_DATA or not one.schema or one.layout != file["layout"]:
            return False
        if test.reach != ANY_TABLE and one.schema != file["schema"]:
            return False
        if len(facts) > 1 and one.name != file["name"]:
            return False
        if one.name.rsplit(".", 1)[-1] != file["name"].rsplit(".", 1)[-1]:
            return False
    return _columns_are_there(test, facts)


def _columns_are_there(test: Proof, facts: Sequence[Facts]) -> bool:
    """Those that the program names, but for those that the question may change."""
    varying = {slot.value for slot, names in zip(test.slots, test.bound, strict=True)
               if slot.kind == "column" and names}  # fmt: skip
    for one, file in zip(facts, test.files, strict=True):
        for name, kind in file["columns"].items():
            if name not in varying and not (name in one.columns and fits(one.columns[name], kind)):
                return False
    return True


def _filled(
    old: Slot,
    new: Slot,
    names: Sequence[str],
    columns: Mapping[str, tuple[str, tuple[str, ...]]],
    known: Mapping[str, tuple[str, tuple[str, ...]]],
) -> dict[str, Any] | None:
    """The values of a slot's parameters; None where it cannot be changed so."""
    same = old.value == new.value
    if not names:
        return {} if same and (old.said.casefold() == new.said.casefold()) else None
    if old.kind == "file":
        return {}  # its path is that of the request's file
    if old.kind == "column" and not same:
        before, after = known.get(str(old.value)), columns.get(str(new.value))
        if before is None or after is None or not fits(after, before):
            return None
    if old.kind == "text" and not same and not (_is_plain(old.value) and _is_plain(new.value)):
        return None
    if type(old.value) is not type(new.value):
        return None
    return {name: new.said if name.startswith("SAID_") else new.value for name in names}


def _is_plain(value: object) -> bool:
    """Whether a text means the same where a program takes it for a pattern."""
    return all(sign.isalnum() or sign in _PLAIN_TEXT_SIGNS for sign in str(value))


def _apart(chosen: Mapping[str, Any], bullet: Bullet, changed: Mapping[str, Any]) -> bool:
    """Whether values that were different still are, and none is a text of the program itself."""
    columns = [one for name, one in chosen.items() if name.startswith("COLUMN_")]
    if len(set(columns)) < len(columns):
        return False
    body = "\n".join(bullet.program.splitlines()[len(bullet.parameters) :])
    texts = {name: one for name, one in changed.items() if name.startswith(_TEXTS)}
    new = (one for name, one in texts.items() if one != bullet.parameters[name])
    return not any(repr(one) in body for one in new)
