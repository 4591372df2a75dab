"""JSON in its tabular forms: a list of records, an object that holds one, columns, JSON Lines."""

import json
from collections.abc import Iterable
from typing import Any

from capibara6.codegen.profiling.delimited import COLUMNS_MAX, ROWS_MAX
from capibara6.codegen.profiling.layout import Table, layout_of
from capibara6.errors import DataFileError

_SPACE = " \t\r\n"


def read_records(name: str, text: str, encoding: str, complete: bool) -> Table | None:
    """Read up to 2,000 rows of a JSON table; None when it is JSON but not a table.

    Args:
        name: the file's name, for errors.
        text: the decoded beginning of the file.
        encoding: what it was decoded from.
        complete: whether `text` is the whole file.
    """
    try:
        records = _records(text.lstrip(_SPACE), complete)
    except (ValueError, RecursionError) as error:
        raise DataFileError(
            name, f"it is not valid JSON ({error})", "Check it with `python -m json.tool`"
        ) from error
    if not records:
        return None
    names = list(dict.fromkeys(key for record in records for key in record))
    if len(names) > COLUMNS_MAX:
        raise DataFileError(
            name,
            f"its records have {len(names):,} different keys; at most {COLUMNS_MAX:,} can be used",
            "Give a list of records that share their keys",
        )
    rows = tuple(tuple(_cell(record.get(key)) for key in names) for record in records)
    return Table(tuple(names), rows, layout_of(rows, "json", encoding))


def _records(text: str, complete: bool) -> list[dict[str, Any]]:
    if text.startswith("["):
        return _tabular(_elements(text, 1, complete))
    first, end = json.JSONDecoder().raw_decode(text)
    if text[end:].strip():
        return _tabular(_elements(text, 0, complete))
    return _from_object(first)


def _elements(text: str, position: int, complete: bool) -> list[Any]:
    """Decode up to 2,000 values that stand one after the other (commas or line ends between)."""
    decoder, found = json.JSONDecoder(), list[Any]()
    while len(found) < ROWS_MAX:
        while position < len(text) and text[position] in _SPACE + ",":
            position += 1
        if position >= len(text) or text[position] == "]":
            break
        try:
            value, position = decoder.raw_decode(text, position)
        except ValueError:
            if complete or not found:
                raise
            break
        found.append(value)
    return found


def _from_object(value: Any) -> list[dict[str, Any]]:
    """Read `{"data": [records]}` or `{"column": [values]}`."""
    if not isinstance(value, dict):
        return []
    lists = [item for item in value.values() if isinstance(item, list)]
    if lists and len(lists) == len(value) and not any(isinstance(x, dict) for x in lists[0][:1]):
        rows = zip(*(item[:ROWS_MAX] for item in lists), strict=False)
        return [dict(zip(value, row, strict=True)) for row in rows]
    return max((_tabular(item[:ROWS_MAX]) for item in lists), key=len, default=[])


def _tabular(values: Iterable[Any]) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
