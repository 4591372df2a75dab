"""The forms in which E2B returns a Python value: MIME bundle -> result event, and three formatters.

Runs inside the template's Python, where IPython is present; everything else may be absent.
"""

import base64
import dataclasses
import datetime
import enum
import json
import math
import sys
import uuid
from typing import Any, Final

from IPython.core.formatters import BaseFormatter, JSONFormatter, catch_format_error
from traitlets import ObjectName, Unicode

# An event has to fit one frame to the gateway (64 MiB) with room to spare.
EVENT_CHARS_MAX: Final = 32 * 1024 * 1024
_DEPTH_MAX: Final = 200
_NUMBER_CHARS: Final = 24
_INTEGERS: Final = range(-(2**63), 2**64)

_FIELDS: Final = {
    "text/plain": "text",
    "text/html": "html",
    "text/markdown": "markdown",
    "image/svg+xml": "svg",
    "image/png": "png",
    "image/jpeg": "jpeg",
    "application/pdf": "pdf",
    "text/latex": "latex",
    "application/json": "json",
    "application/javascript": "javascript",
    "e2b/data": "data",
    "e2b/chart": "chart",
}


class TooLargeError(Exception):
    """A value does not fit into what is left of an event."""


class _Room:
    """Characters left in one event."""

    def __init__(self, chars: int) -> None:
        self.chars = chars

    def take(self, chars: int) -> None:
        if chars > self.chars:
            raise TooLargeError
        self.chars -= chars

    def take_text(self, text: str) -> str:
        # One character needs at most twelve once escaped; counting exactly is the dearer way.
        fits_surely = len(text) * 12 <= self.chars
        self.take(len(text) if fits_surely else len(json.dumps(text)))
        return str(text)


def result_event(bundle: dict[str, Any], *, is_main_result: bool) -> dict[str, Any]:
    """Build E2B's result event from a MIME bundle.

    What is too large for one event is left out (plain text is cut), and stderr says so.
    """
    room = _Room(EVENT_CHARS_MAX)
    event: dict[str, Any] = {"type": "result", "extra": {}, "is_main_result": is_main_result}
    for mime, value in bundle.items():
        if value is None:
            continue
        try:
            plain = _field(mime, value, room)
        except TooLargeError:
            _say(f"the {mime} form of a result is too large to be sent; save it to a file instead")
            if mime != "text/plain":
                continue
            plain = _without_quotes(str(value))[: room.chars // 12]
        except TypeError as cause:
            _say(f"the {mime} form of a result cannot be sent: {cause}")
            continue
        target = event if mime in _FIELDS else event["extra"]
        target[_FIELDS.get(mime, mime)] = plain
    return event


def _field(mime: str, value: Any, room: _Room) -> Any:
    if isinstance(value, bytes):
        return room.take_text(base64.b64encode(value).decode("ascii"))
    if mime == "text/plain":
        return room.take_text(_without_quotes(str(value)))
    if isinstance(value, str) or (mime in _FIELDS and mime.startswith(("text/", "image/"))):
        return room.take_text(str(value))
    return to_json(value, room)


def _without_quotes(text: str) -> str:
    for quote in "'\"":
        if text.startswith(quote) and text.endswith(quote):
            return text[1:-1]
    return text


def _is_a(value: Any, module: str, name: str) -> bool:
    """Whether `value` is of a class of a library; it cannot be where that is not imported."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def _say(message: str) -> None:
    print(f"capibara6: {message}", file=sys.stderr)  # noqa: T201 - the user's own stderr


def to_json(value: Any, room: _Room, *, strict: bool = False, depth: int = 0) -> Any:
    """Return `value` as plain JSON data: no NaN (null instead), text keys, only JSON's own types.

    Args:
        value: any Python value.
        room: what it may take up.
        strict: refuse types without a usual JSON form, instead of taking their `str`.
        depth: how deep `value` lies.

    Raises:
        TooLargeError: it does not fit.
        TypeError: it is nested too deeply, or strict and of another type.
    """
    if depth > _DEPTH_MAX:
        raise TypeError(f"it is nested more than {_DEPTH_MAX} levels deep")
    if isinstance(value, dict):
        return {
            room.take_text(_key(key)): to_json(item, room, strict=strict, depth=depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple) or (not strict and isinstance(value, set | frozenset)):
        return _array(value, room, strict=strict, depth=depth)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return to_json(fields, room, strict=strict, depth=depth + 1)
    return _scalar(value, room, strict=strict, depth=depth)


def _array(value: Any, room: _Room, *, strict: bool, depth: int) -> list[Any]:
    """Columns of one plain type, which tables mostly have, need no look at every item."""
    room.take(2 + 2 * len(value))
    kinds = set(map(type, value))
    if kinds == {float} and math.isfinite(sum(value)):
        room.take(_NUMBER_CHARS * len(value))
        return list(value)
    if kinds == {int} and min(value) in _INTEGERS and max(value) in _INTEGERS:
        room.take(_NUMBER_CHARS * len(value))
        return list(value)
    return [to_json(item, room, strict=strict, depth=depth + 1) for item in value]


def _scalar(value: Any, room: _Room, *, strict: bool, depth: int) -> Any:
    if isinstance(value, enum.Enum):
        return to_json(value.value, room, strict=strict, depth=depth + 1)
    if isinstance(value, str):
        return room.take_text(value)
    if value is None or isinstance(value, bool | int | float):
        return _number(value, room, strict=strict)
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return room.take_text(value.isoformat())
    if _is_a(value, "numpy", "generic") or _is_a(value, "numpy", "ndarray"):
        # Dates of numpy become plain numbers in tolist().
        plain = str(value) if getattr(value.dtype, "kind", "") in "mM" else value.tolist()
        return to_json(plain, room, strict=strict, depth=depth + 1)
    return room.take_text(_as_text(value, strict=strict))


def _as_text(value: Any, *, strict: bool) -> str:
    if strict and not isinstance(value, uuid.UUID):
        raise TypeError(f"no JSON form of {type(value).__name__}")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return str(value)


def _number(value: Any, room: _Room, *, strict: bool) -> Any:
    room.take(_NUMBER_CHARS)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, bool):
        return value
    if value in _INTEGERS:
        return int(value)
    if strict:
        raise TypeError("an integer of more than 64 bits")
    # Python refuses to write very long integers in decimal.
    return room.take_text(str(value) if value.bit_length() < 10_000 else f"{value:#x}")


def _key(key: Any) -> str:
    if isinstance(key, bool) or key is None:
        return json.dumps(key)
    if isinstance(key, enum.Enum):
        return str(key.value)
    return key.isoformat() if isinstance(key, datetime.date | datetime.time) else str(key)


class DataFormatter(BaseFormatter):  # type: ignore[misc]
    """A pandas DataFrame as lists by column; other types through `_repr_e2b_data_`."""

    format_type = Unicode("e2b/data")
    print_method = ObjectName("_repr_e2b_data_")
    _return_type = (dict, str)

    @catch_format_error  # type: ignore[untyped-decorator]
    def __call__(self, obj: Any) -> Any:
        """Return the columns, or None."""
        if not _is_a(obj, "pandas", "DataFrame"):
            return super().__call__(obj)
        if obj.size * 3 > EVENT_CHARS_MAX:
            _say(f"the data of a table of {obj.size} cells are too many to be sent")
            return None
        return {
            column: obj.iloc[:, position].tolist() for position, column in enumerate(obj.columns)
        }


class ChartFormatter(BaseFormatter):  # type: ignore[misc]
    """A matplotlib figure as chart data, {} where the chart has none."""

    format_type = Unicode("e2b/chart")
    print_method = ObjectName("_repr_e2b_chart_")
    _return_type = (dict, str)

    @catch_format_error  # type: ignore[untyped-decorator]
    def __call__(self, obj: Any) -> Any:
        """Return the chart, or None."""
        if not _is_a(obj, "matplotlib.figure", "Figure"):
            return super().__call__(obj)
        try:
            from e2b_charts import chart_figure_to_dict
        except ImportError:
            return None
        try:
            return chart_figure_to_dict(obj)
        except Exception:  # noqa: BLE001 - as E2B: a chart that cannot be read is an empty chart
            return {}


class PlainJSONFormatter(JSONFormatter):  # type: ignore[misc]
    """Lists and dicts of plain values as JSON, next to their text."""

    @catch_format_error  # type: ignore[untyped-decorator]
    def __call__(self, obj: Any) -> Any:
        """Return the plain value and its metadata, or None."""
        if not isinstance(obj, list | dict):
            return super().__call__(obj)
        try:
            return to_json(obj, _Room(EVENT_CHARS_MAX), strict=True), {"expanded": True}
        except (TypeError, TooLargeError):
            return super().__call__(obj)
