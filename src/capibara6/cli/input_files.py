"""Reads the files named on the command line, or says what is wrong with one."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from capibara6.errors import DataFileError, RequestError, TooLargeError

_LANGUAGES: Final = {
    ".py": "python",
    ".ipy": "python",
    ".js": "javascript",
    ".mjs": "javascript",
    ".ts": "typescript",
    ".sh": "bash",
    ".bash": "bash",
    ".r": "r",
    ".java": "java",
}


def read_data(paths: Sequence[Path], bytes_max: int) -> dict[str, bytes]:
    """The files' contents by plain name.

    Raises:
        DataFileError: one is missing, no file, unreadable, or named like another.
        TooLargeError: all together are larger than `bytes_max`.
    """
    contents: dict[str, bytes] = {}
    left = bytes_max
    for path in paths:
        if path.name in contents:
            raise DataFileError(path.name, "two files have this name", "Rename one of them.")
        contents[path.name] = _read(path, left, bytes_max)
        left -= len(contents[path.name])
    return contents


def read_program(name: str, bytes_max: int) -> str:
    """A program's text; "-" is standard input.

    Raises:
        RequestError: it cannot be read, or is no UTF-8 text.
    """
    if name == "-":
        content = sys.stdin.buffer.read(bytes_max + 1)
    else:
        content = _read(Path(name), bytes_max, bytes_max)
    if len(content) > bytes_max:
        raise TooLargeError("The program", len(content), bytes_max)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise RequestError(f"Program {name!r} is no UTF-8 text ({cause.reason}).") from None


def language_of(name: str) -> str:
    """The programming language by the file's ending; Python when it says nothing."""
    return _LANGUAGES.get(Path(name).suffix.lower(), "python")


def _read(path: Path, bytes_max: int, limit_told: int) -> bytes:
    try:
        if path.is_dir():
            raise DataFileError(str(path), "this is a directory", "Name a file in it.")
        with path.open("rb") as stream:
            content = stream.read(bytes_max + 1)
    except FileNotFoundError:
        raise DataFileError(str(path), "there is no such file", "Check its path.") from None
    except (OSError, ValueError) as cause:
        reason = getattr(cause, "strerror", None) or str(cause)
        raise DataFileError(str(path), f"it cannot be read ({reason})", "Check it.") from None
    if len(content) > bytes_max:
        raise TooLargeError(f"File {path}", path.stat().st_size, limit_told)
    return content
