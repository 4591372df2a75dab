"""Reads files of recorded facts, one JSON object a line, and says exactly what is wrong in them."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, TypeVar, cast

from capibara6.errors import DataFileError

T = TypeVar("T")
LINE_BYTES_MAX: Final = 16 * 1024**2


class LineError(Exception):
    """What is wrong with a line; `read_lines` adds which one it is."""


def read_lines(path: Path, parse: Callable[[Mapping[str, Any]], T]) -> list[T]:
    """Every line of a JSONL file, as `parse` takes it; empty lines are passed over.

    A file whose name ends in `.gz` is read as gzip.

    Raises:
        DataFileError: the file cannot be read, a line is no JSON object, or `parse` raised
            LineError on it; the message names the line.
    """
    found: list[T] = []
    try:
        with _opened(path) as file:
            for number, line in enumerate(_lines(file), 1):
                if line.strip():
                    found.append(_parsed(path, number, line, parse))
    except (OSError, EOFError, zlib.error) as cause:
        reason = getattr(cause, "strerror", None) or cause
        raise DataFileError(str(path), f"cannot be read ({reason})", "Name another.") from None
    if not found:
        raise DataFileError(str(path), "holds no lines", "Write one JSON object a line.")
    return found


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as file:
        if path.suffix != ".gz":
            yield file
            return
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield cast("IO[bytes]", unpacked)


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """The lines; of one that is too long a part, which is longer than `LINE_BYTES_MAX` too."""
    while line := file.readline(LINE_BYTES_MAX + 1):
        yield line


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
