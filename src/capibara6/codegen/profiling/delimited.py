"""CSV and its relatives: which delimiter, which header, the first rows."""

import csv
import io
import itertools
from collections.abc import Iterator, Sequence

from capibara6.codegen.profiling.kinds import is_number
from capibara6.codegen.profiling.layout import Table, layout_of
from capibara6.errors import DataFileError

COLUMNS_MAX = 16_384  # Excel's own limit; more is a mistake in the file
CELLS_MAX = 200_000
ROWS_MAX = 2_000

_DELIMITERS = ",;\t|"
_SNIFFED_LINES = 50
_LINE_CHARACTERS_SNIFFED_MAX = 200_000


def read_delimited(name: str, text: str, encoding: str, complete: bool) -> Table:
    """Read the header and up to 2,000 rows (fewer when there are many columns).

    Args:
        name: the file's name, for errors and for the hint in its ending.
        text: the decoded beginning of the file.
        encoding: what it was decoded from.
        complete: whether `text` is the whole file; otherwise its last line is dropped.
    """
    delimiter = sniff_delimiter(name, text)
    rows = _rows(name, text, delimiter)
    header = next(rows, None)
    if header is None:
        raise DataFileError(name, "it has no rows", "Give a file with a header and rows")
    if not complete and "\n" not in text and "\r" not in text:
        raise DataFileError(name, "its first line is longer than 8 MiB", "Check the line ends")
    if len(header) > COLUMNS_MAX:
        raise DataFileError(
            name,
            f"it has {len(header):,} columns; at most {COLUMNS_MAX:,} can be used",
            "Keep the columns that matter, or put the values into rows (long format)",
        )
    wanted = max(20, min(ROWS_MAX, CELLS_MAX // max(1, len(header))))
    sampled = list(itertools.islice(rows, wanted))
    if not complete and len(sampled) < wanted and sampled:
        sampled.pop()  # cut in the middle
    named = not all(is_number(cell) for cell in header)
    names = unique_names(header) if named else [f"column_{i + 1}" for i in range(len(header))]
    sampled = sampled if named else [header, *sampled]
    layout = layout_of(sampled, "delimited", encoding, delimiter, named)
    return Table(tuple(names), tuple(map(tuple, sampled)), layout)


def sniff_delimiter(name: str, text: str) -> str:
    """Choose the delimiter whose number of fields agrees best with the first line's."""
    lines = [
        line[:_LINE_CHARACTERS_SNIFFED_MAX]
        for line in itertools.islice(io.StringIO(text, newline=None), _SNIFFED_LINES)
        if line.strip()
    ]
    prior = "\t" if name.lower().endswith((".tsv", ".tab")) else ","
    scores = {d: (_agreement(lines, d), d == prior) for d in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda d: scores[d])
    return best if scores[best][0] > 0 else prior


def _agreement(lines: Sequence[str], delimiter: str) -> float:
    """Share of lines with the header's number of fields, plus a little for more fields."""
    try:
        counts = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return 0.0
    if not counts or counts[0] < 2:
        return 0.0
    agreeing = sum(count == counts[0] for count in counts) / len(counts)
    return agreeing + min(counts[0], 100) / 1_000


def _rows(name: str, text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        yield from (row for row in reader if any(cell.strip() for cell in row))
    except csv.Error as error:
        raise DataFileError(
            name,
            f"line {reader.line_num:,} cannot be read as a row ({error})",
            "Check the quotes around the fields",
        ) from error


def unique_names(header: Sequence[str]) -> list[str]:
    """Name empty and repeated columns the way pandas does (`Unnamed: 2`, `price.1`)."""
    seen: dict[str, int] = {}
    names = []
    for index, cell in enumerate(header):
        base = cell.strip() or f"Unnamed: {index}"
        count = seen.get(base, 0)
        seen[base] = count + 1
        names.append(f"{base}.{count}" if count else base)
    return names
