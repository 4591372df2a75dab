"""What of a request's data decides whether a program fits them. Pure."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from capibara6.domain.requests import Column, DataFile
from capibara6.language.words import fold

CONTENT_BYTES_MAX: Final = 32 * 1024 * 1024  # of a larger file, nobody can say that it is the same


@dataclass(frozen=True, slots=True)
class Written:
    """How a table is written, and what its columns of words hold.

    Attributes:
        layout: delimiter, decimal sign and so on, as a text that is equal where they are.
        values: the different values of each column of words or booleans, in a sample.
    """

    layout: str
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)


ReadTable = Callable[[DataFile], Written | None]


@dataclass(frozen=True, slots=True)
class Facts:
    """A data file as recipes see it.

    Attributes:
        columns: kind and signs of each; none of a file that only the sandbox can read.
        schema: equal where names, kinds and order of the columns are.
        content: equal where the bytes are; "" for a file too large to say.
    """

    name: str
    layout: str
    columns: Mapping[str, tuple[str, tuple[str, ...]]]
    schema: str
    content: str


def facts_of(file: DataFile, written: Written | None) -> Facts:
    """Look at a file."""
    columns = {column.name: (column.kind, signs(column)) for column in file.columns}
    kinds = [[column.name, column.kind] for column in file.columns]
    small = len(file.content) <= CONTENT_BYTES_MAX
    return Facts(
        file.name,
        written.layout if written else "",
        columns,
        _digest(json.dumps(kinds).encode()) if kinds else "",
        _digest(file.content) if small else "",
    )


def signs(column: Column) -> tuple[str, ...]:
    """How a column's cells are written, as far as programs that read them care."""
    if column.kind == "number":
        found = {sign for cell in column.examples for sign in re.sub(r"[\d.\s-]", "", cell)}
    elif column.kind == "date":
        found = {re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", cell)) for cell in column.examples}
    elif column.kind == "boolean":
        found = {fold(cell) for cell in column.examples}
    else:
        found = set()
    return tuple(sorted(found))


def fits(new: tuple[str, tuple[str, ...]], old: tuple[str, tuple[str, ...]]) -> bool:
    """Whether a program that reads one column can read another: kind and signs of each."""
    if new[0] != old[0]:
        return False
    return set(new[1]) <= set(old[1]) if new[0] == "number" else new[1] == old[1]


def as_json(facts: Facts, needed: Sequence[str]) -> dict[str, Any]:
    """What is kept of a file with a recipe: of its columns, those that the program needs."""
    columns = [[name, *facts.columns[name]] for name in needed if name in facts.columns]
    kept = {"name": facts.name, "layout": facts.layout, "columns": columns}
    return {**kept, "schema": facts.schema, "content": facts.content}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
