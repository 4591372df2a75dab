"""Errors whose class depends on more than their words: on frames, columns, tables. Pure."""

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from capibara6.repair.evidence import Evidence
from capibara6.repair.names import close_names
from capibara6.repair.removed import (
    replacement_for_frequency,
    replacement_for_keyword,
    replacement_for_name,
)

_COLUMN_LIKENESS_MIN: Final = 0.7  # of an attribute: most are methods, not columns
_OF_COLUMNS = re.compile(r"columns\.get_loc|_get_label_or_level|/groupby/|/reshape/|/plotting/")
_OF_ROWS = re.compile(r"index\.get_loc|/core/series\.py|\bxs\(|_get_value")
_PLOTLY_VALUE = r"""\b{argument}\s*=\s*(['"])(.+?)\1"""


@dataclass(frozen=True, slots=True)
class Case:
    """A class of failure with the phrase that says it and the phrase's fields."""

    kind: str
    phrase: str
    fields: dict[str, str]

    def become(self, kind: str, phrase: str = "", **fields: str) -> "Case":
        """The same error as another class, with more fields."""
        return Case(kind, phrase or kind, self.fields | fields)


def resolve(case: Case, evidence: Evidence, columns: Sequence[str]) -> Case:
    """Decide the class of an error whose rule names none itself; others pass.

    Args:
        case: as its rule found it.
        evidence: the error.
        columns: of all data files.
    """
    decide = _DECISIONS.get(case.kind)
    return decide(case, evidence, columns) if decide else case


def _import(case: Case, evidence: Evidence, columns: Sequence[str]) -> Case:
    owner, name = case.fields["owner"], case.fields["attribute"]
    if replacement := replacement_for_name(owner, name):
        return case.become(
            "attribute_removed", attribute=f"{owner}.{name}", replacement=replacement
        )
    return case.become("missing_name")


def _pandas_key(case: Case, evidence: Evidence, columns: Sequence[str]) -> Case:
    """A column, a row label, or a key of something that pandas called."""
    key = _literal(case.fields["key"])
    as_column = case.become("unknown_column", column=str(key))
    if isinstance(key, str) and key not in columns and close_names(key, columns):
        return as_column
    if _OF_COLUMNS.search(evidence.traceback):
        return as_column
    if not isinstance(key, str) or _OF_ROWS.search(evidence.traceback):
        return case.become("index", label=case.fields["key"])
    return as_column


def _plotly_column(case: Case, evidence: Evidence, columns: Sequence[str]) -> Case:
    """Plotly names the argument; the column stands in the line of the program."""
    pattern = _PLOTLY_VALUE.format(argument=re.escape(case.fields["argument"]))
    called = re.search(pattern, evidence.traceback)
    return case.become("unknown_column", column=called[2] if called else case.fields["argument"])


def _owned_attribute(case: Case, evidence: Evidence, columns: Sequence[str]) -> Case:
    owner, name = case.fields["owner"], case.fields["attribute"]
    if replacement := replacement_for_name(owner, name):
        return case.become(
            "attribute_removed", attribute=f"{owner}.{name}", replacement=replacement
        )
    if owner == "DataFrame" and close_names(name, columns, _COLUMN_LIKENESS_MIN):
        return case.become("unknown_column", column=name)
    return case.become("attribute")


def _keyword(case: Case, evidence: Evidence, columns: Sequence[str]) -> Case:
    keyword = case.fields["keyword"]
    if replacement := replacement_for_keyword(case.fields.get("function", ""), keyword):
        return case.become("attribute_removed", attribute=f"{keyword}=", replacement=replacement)
    return case.become("arguments")


def _frequency(case: Case, evidence: Evidence, columns: Sequence[str]) -> Case:
    alias = case.fields["frequency"]
    replacement = case.fields.get("replacement") or replacement_for_frequency(alias)
    if replacement is None:
        return case.become("bad_value")
    return case.become(
        "attribute_removed", attribute=f"freq={alias!r}", replacement=f"freq={replacement!r}"
    )


def _event_loop(case: Case, evidence: Evidence, columns: Sequence[str]) -> Case:
    return case.become("other", "event_loop")


def _literal(text: str) -> object:
    """A key as Python shows it; the text itself when it is no literal."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text


_DECISIONS: Final[dict[str, Callable[[Case, Evidence, Sequence[str]], Case]]] = {
    "import": _import,
    "pandas_key": _pandas_key,
    "plotly_column": _plotly_column,
    "owned_attribute": _owned_attribute,
    "keyword": _keyword,
    "frequency": _frequency,
    "event_loop": _event_loop,
}
