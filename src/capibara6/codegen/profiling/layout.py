"""How a data file is written: what a program must know in order to read it."""

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

CELLS_READ_MAX = 20_000

_DECIMAL_COMMA = re.compile(
    r"[+-]?\d*(\.\d{3})*,(\d{1,2}|\d{4,})\s?[%€$]?|\d{1,3}(\.\d{3}){2,}|\d{1,3}(\.\d{3})+,\d+"
)
_DECIMAL_POINT = re.compile(r"[+-]?\d*(,\d{3})*\.(\d{1,2}|\d{4,})\s?[%€$]?|\d{1,3}(,\d{3}){2,}")
_SLASHED = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}|\d{2})(\s.*)?")


@dataclass(frozen=True, slots=True)
class Layout:
    """The writing of a file."""

    format: str  # "delimited" | "json" | "excel" | "parquet" | "feather"
    encoding: str = "utf-8"  # as Python names it, with its byte order mark ("utf-8-sig")
    delimiter: str = ","
    header: bool = True  # the first row names the columns
    decimal_comma: bool = False
    day_first: bool | None = None  # None: the dates do not say


@dataclass(frozen=True, slots=True)
class Table:
    """The sampled part of a table: all cells as text, rows as long as they were in the file."""

    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    layout: Layout

    def values(self, index: int) -> list[str]:
        """Return one column's cells; short rows give empty ones."""
        return [row[index] if index < len(row) else "" for row in self.rows]


def has_decimal_comma(cells: Iterable[str], delimiter: str) -> bool:
    """Weigh the numbers with a decimal comma against those with a decimal point."""
    comma = point = 0
    for cell in cells:
        comma += bool(_DECIMAL_COMMA.fullmatch(cell))
        point += bool(_DECIMAL_POINT.fullmatch(cell))
    return comma > point or (comma == point and comma > 0 and delimiter == ";")


def is_day_first(cells: Iterable[str]) -> bool | None:
    """Tell 31/12/2020 from 12/31/2020; None when every date can be read both ways."""
    day_first = month_first = 0
    for match in filter(None, (_SLASHED.fullmatch(cell.strip()) for cell in cells)):
        day_first += int(match[1]) > 12
        month_first += int(match[2]) > 12
    return None if day_first == month_first else day_first > month_first


def layout_of(
    rows: Sequence[Sequence[str]],
    file_format: str,
    encoding: str,
    delimiter: str = ",",
    header: bool = True,
) -> Layout:
    """Complete a layout with what the cells themselves tell."""
    cells = list(itertools.islice(itertools.chain.from_iterable(rows), CELLS_READ_MAX))
    comma = has_decimal_comma((cell.strip() for cell in cells), delimiter)
    return Layout(file_format, encoding, delimiter, header, comma, is_day_first(cells))
