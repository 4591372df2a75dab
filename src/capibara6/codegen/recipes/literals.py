"""Plain values as Python source: a question's words enter a program without becoming code."""

import math

LINE_CHARACTERS = 80


def literal(value: object, indent: int = 0) -> str:
    """Write a plain value so that Python reads the same value; long lists take several lines.

    Raises:
        TypeError: for anything but None, bool, int, finite float, str, lists and tuples of these.
    """
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list | tuple):
        return _sequence(value, indent)
    if value is None or isinstance(value, bool | int):
        return repr(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    raise TypeError(f"not a plain value: {value!r}")


def _quoted(value: str) -> str:
    """Quote a text, with double quotes where that needs no escape; lone surrogates are escaped."""
    written = repr(value)
    if written[0] == "'" and '"' not in written and "\\" not in written:
        written = f'"{written[1:-1]}"'
    return written.encode("utf-8", "backslashreplace").decode("utf-8")


def _sequence(value: list[object] | tuple[object, ...], indent: int) -> str:
    opening, closing = ("[", "]") if isinstance(value, list) else ("(", ")")
    items = [literal(item, indent + 4) for item in value]
    tail = "," if isinstance(value, tuple) and len(items) == 1 else ""
    line = opening + ", ".join(items) + tail + closing
    if len(line) + indent <= LINE_CHARACTERS:
        return line
    pad = " " * (indent + 4)
    return f"{opening}\n" + "".join(f"{pad}{item},\n" for item in items) + " " * indent + closing
