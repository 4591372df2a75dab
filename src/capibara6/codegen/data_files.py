"""Data files as a prompt describes them: path, format, columns, first lines, in a budget. Pure."""

import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from capibara6.codegen.wording import Wording
from capibara6.domain.requests import Column, DataFile

_TEXT_FORMATS: Final = frozenset({"csv", "tsv", "txt", "json", "jsonl", "ndjson", "xml", "md"})
_OPENING_BYTES: Final = 2_000
_OPENING_LINES_MAX: Final = 3
_OPENING_LINE_CHARS_MAX: Final = 160
_UNITS: Final = ("B", "kB", "MB", "GB")


def described_files(files: Sequence[DataFile], words: Wording, chars_max: int) -> str:
    """All files, each with its share of `chars_max`; "" without any."""
    if not files:
        return ""
    share = max(chars_max // len(files), 0)
    return "\n\n".join([words.data, *(_described(file, words, share) for file in files)])


def _described(file: DataFile, words: Wording, chars_max: int) -> str:
    extension = _extension(file)
    parts = [
        words.file.format(
            path=_quoted(file.path), kind=extension.upper() or "?", size=_size(len(file.content))
        )
    ]
    room = chars_max - len(parts[0])
    if file.columns:
        parts += [words.columns, *_column_lines(file.columns, words, room - len(words.columns))]
    else:
        parts.append(words.unprofiled)
    room = chars_max - sum(len(part) + 1 for part in parts)
    opening = _opening(file) if extension in _TEXT_FORMATS else ""
    if opening and len(opening) + len(words.opening) < room:
        parts += [words.opening, opening]
    return "\n".join(parts)


def _column_lines(columns: Sequence[Column], words: Wording, room: int) -> list[str]:
    """With examples if they fit, else without, else as many columns as fit."""
    full = [_column_line(column, words, with_examples=True) for column in columns]
    if _length(full) <= room:
        return full
    lines = [_column_line(column, words, with_examples=False) for column in columns]
    if _length(lines) <= room:
        return lines
    room -= len(words.more_columns) + 8
    kept: list[str] = []
    for line in lines:
        room -= len(line) + 1
        if room < 0 and kept:
            break
        kept.append(line)
    if len(kept) < len(lines):
        kept.append(words.more_columns.format(count=len(lines) - len(kept)))
    return kept


def _column_line(column: Column, words: Wording, *, with_examples: bool) -> str:
    line = words.column_examples if with_examples and column.examples else words.column
    return line.format(
        name=_quoted(column.name),
        kind=words.kinds.get(column.kind, column.kind),
        distinct=column.distinct,
        examples=", ".join(map(_quoted, column.examples)),
    )


def _opening(file: DataFile) -> str:
    """The first lines, which show delimiter, decimal sign and header; "" when it is not text."""
    beginning = file.content[:_OPENING_BYTES]
    if b"\x00" in beginning:
        return ""
    text = beginning.decode("utf-8-sig", "replace")
    lines = text.splitlines()[:_OPENING_LINES_MAX]
    return "\n".join(line[:_OPENING_LINE_CHARS_MAX] for line in lines)


def _extension(file: DataFile) -> str:
    return PurePosixPath(file.name).suffix.removeprefix(".").lower()


def _quoted(text: str) -> str:
    """As a Python or JSON literal: quotes, newlines and blanks at the ends stay visible."""
    return json.dumps(text, ensure_ascii=False)


def _size(size_bytes: int) -> str:
    size, unit = float(size_bytes), 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.3g} {_UNITS[unit]}"


def _length(lines: list[str]) -> int:
    return sum(len(line) + 1 for line in lines)
