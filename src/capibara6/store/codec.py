"""Events as JSON objects and back, losing nothing.

Dataclasses are written field by field and read by their type hints; where the hint is `Any`, what
JSON cannot tell apart is tagged: {"$tuple": [...]}, {"$bytes": ...}, {"$float": "nan"},
{"$items": [[key, value], ...]} for a dict that has other keys than plain strings. Bytes are base64
when small, otherwise handed to `keep`, which answers with a key for them.
"""

import base64
import dataclasses
import functools
import json
import math
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar, Union

from capibara6.domain import events
from capibara6.domain.events import Event

INLINE_BYTES_MAX = 4096

Keep = Callable[[bytes], str]
Fetch = Callable[[str], bytes]
T = TypeVar("T")

_hints_by_type: dict[type, dict[str, Any]] = {}  # reading hints is slow


def event_to_dict(event: Event, keep: Keep | None = None) -> dict[str, Any]:
    """Return a JSON object for `event`.

    Args:
        event: any event of domain/events.py.
        keep: takes bytes beyond `INLINE_BYTES_MAX` and returns their key; None: all inline.

    Raises:
        TypeError: an `Any` field holds something that is not data.
    """
    return {"type": type(event).__name__, **_encode_fields(event, keep)}


def event_from_dict(payload: dict[str, Any], fetch: Fetch | None = None) -> Event:
    """Rebuild an event.

    Raises:
        ValueError: no such event, or fields that it does not have.
    """
    fields = dict(payload)
    kind = _event_types().get(fields.pop("type", ""))
    if kind is None:
        raise ValueError(f"no event is called {payload.get('type')!r}")
    event: Event = _decode(fields, kind, fetch)
    return event


def to_json(value: Any, hint: Any = Any, keep: Keep | None = None) -> str:
    """Return `value` as ASCII JSON text, which every database takes."""
    return json.dumps(_encode(value, hint, keep), separators=(",", ":"), allow_nan=False)


def from_json(text: str, hint: Any = Any, fetch: Fetch | None = None) -> Any:
    """Rebuild what `to_json` wrote for a value of type `hint`."""
    return _decode(json.loads(text), hint, fetch)


@functools.cache
def _event_types() -> dict[str, type[Event]]:
    # Not Event.__subclasses__(): a dataclass with slots leaves its first version there.
    found = [item for item in vars(events).values() if isinstance(item, type)]
    return {kind.__name__: kind for kind in found if issubclass(kind, Event) and kind is not Event}


def _hints(kind: type) -> dict[str, Any]:
    if kind not in _hints_by_type:
        _hints_by_type[kind] = typing.get_type_hints(kind)
    return _hints_by_type[kind]


def _encode_fields(value: Any, keep: Keep | None) -> dict[str, Any]:
    hints = _hints(type(value))
    return {
        field.name: _encode(getattr(value, field.name), hints[field.name], keep)
        for field in dataclasses.fields(value)
    }


def _encode(value: Any, hint: Any, keep: Keep | None) -> Any:
    if isinstance(value, bytes):
        return _encode_bytes(value, keep)
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": str(value)}
    if value is None or isinstance(value, str | int | float):
        return value
    if hint is Any:
        return _encode_any(value, keep)
    if dataclasses.is_dataclass(value):
        return _encode_fields(value, keep)
    if isinstance(value, tuple):
        return [_encode(item, _inner(hint), keep) for item in value]
    if isinstance(value, dict):
        return _encode_dict(value, _inner(hint), keep)
    raise TypeError(f"{type(value).__name__} cannot be stored where {hint} is expected")


def _encode_any(value: Any, keep: Keep | None) -> Any:
    if isinstance(value, list):
        return [_encode(item, Any, keep) for item in value]
    if isinstance(value, tuple):
        return {"$tuple": [_encode(item, Any, keep) for item in value]}
    if isinstance(value, dict):
        return _encode_dict(value, Any, keep)
    raise TypeError(f"{type(value).__name__} is not data that can be stored")


def _encode_dict(value: dict[Any, Any], inner: Any, keep: Keep | None) -> dict[str, Any]:
    if all(isinstance(key, str) and not key.startswith("$") for key in value):
        return {key: _encode(item, inner, keep) for key, item in value.items()}
    items = [[_encode(key, Any, keep), _encode(item, inner, keep)] for key, item in value.items()]
    return {"$items": items}


def _encode_bytes(value: bytes, keep: Keep | None) -> dict[str, Any]:
    if keep is None or len(value) <= INLINE_BYTES_MAX:
        return {"$bytes": base64.b64encode(value).decode("ascii")}
    return {"$blob": keep(value), "size": len(value)}


def _decode(value: Any, hint: Any, fetch: Fetch | None) -> Any:
    if isinstance(value, dict) and ("$bytes" in value or "$blob" in value):
        return _decode_bytes(value, fetch)
    if isinstance(value, dict) and "$float" in value:
        return float(value["$float"])
    if value is None or isinstance(value, str | int | float):
        return value
    if hint is Any:
        return _decode_any(value, fetch)
    kind = _without_none(hint)
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(value, typing.cast("type", kind), fetch)
    if isinstance(value, list):
        return tuple(_decode(item, _inner(kind), fetch) for item in value)
    return _decode_dict(value, _inner(kind), fetch)


def _decode_any(value: Any, fetch: Fetch | None) -> Any:
    if isinstance(value, list):
        return [_decode(item, Any, fetch) for item in value]
    if "$tuple" in value:
        return tuple(_decode(item, Any, fetch) for item in value["$tuple"])
    return _decode_dict(value, Any, fetch)


def _decode_dict(value: dict[str, Any], inner: Any, fetch: Fetch | None) -> dict[Any, Any]:
    if "$items" in value:
        pairs = value["$items"]
        return {_decode(key, Any, fetch): _decode(item, inner, fetch) for key, item in pairs}
    return {key: _decode(item, inner, fetch) for key, item in value.items()}


def _decode_bytes(value: dict[str, Any], fetch: Fetch | None) -> bytes:
    if "$bytes" in value:
        return base64.b64decode(value["$bytes"], validate=True)
    if fetch is None:
        raise ValueError(f"the bytes of blob {value['$blob']} lie elsewhere; give `fetch`")
    return fetch(value["$blob"])


def _decode_dataclass(value: dict[str, Any], kind: type[T], fetch: Fetch | None) -> T:
    hints = _hints(kind)
    unknown = sorted(set(value) - set(hints))
    if unknown:
        raise ValueError(f"{kind.__name__} has no field {', '.join(unknown)}")
    try:
        return kind(**{name: _decode(item, hints[name], fetch) for name, item in value.items()})
    except TypeError as cause:  # a field without default is missing
        raise ValueError(f"{kind.__name__}: {cause}") from None


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) not in (Union, types.UnionType):
        return hint
    return next(part for part in typing.get_args(hint) if part is not type(None))


def _inner(hint: Any) -> Any:
    """Return the item type of `tuple[X, ...]` and the value type of `dict[str, X]`."""
    arguments = typing.get_args(_without_none(hint))
    if typing.get_origin(_without_none(hint)) is tuple:
        return arguments[0]
    return arguments[1]
