"""Reads files of recorded facts, one JSON object a line, and says exactly what is wrong in them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from capibara6.errors import DataFileError

T = TypeVar("T")
LINE_BYTES_MAX: Final = 16 * 1024**2


class LineError(Exception):
    """What is wrong with a line; `read_lines` adds which one it is."""


def read_lines(path: Path, parse: Callable[[Mapping[str, Any]], T]) -> list[T]:
    """Every line of a JSONL file, as `parse` takes it; empty lines are passed over.

    Raises:
        DataFileError: the file cannot be read, a line is no JSON object, or `parse` raised
            LineError on it; the message names the line.
    """
    found: list[T] = []
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    found.append(_parsed(path, number, line, parse))
    except OSError as cause:
        raise DataFileError(
            str(path), f"cannot be read ({cause.strerror})", "Name another."
        ) from None
    if not found:
        raise DataFileError(str(path), "holds no lines", "Write one JSON object a line.")
    return found


def _parsed(path: Path, number: int, line: bytes, parse: Callable[[Mapping[str, Any]], T]) -> T:
    try:
        return parse(_object(line))
    except (LineError, ValueError, RecursionError) as cause:
        remedy = "See docs/BENCHMARKS.md for the format."
        raise DataFileError(str(path), f"line {number}: {cause}", remedy) from None


def _object(line: bytes) -> Mapping[str, Any]:
    if len(line) > LINE_BYTES_MAX:
        raise LineError(f"longer than {LINE_BYTES_MAX} bytes")
    value = json.loads(line)
    if not isinstance(value, dict):
        raise LineError("no JSON object")
    return value


def text_of(value: Mapping[str, Any], key: str, default: str | None = None) -> str:
    """A text of a line.

    Raises:
        LineError: it is missing without a default, or no text.
    """
    found = value.get(key, default)
    if not isinstance(found, str):
        raise LineError(f"{key!r} is {found!r}, not a text")
    return found
