"""Domain values as plain JSON for a person or a program outside: the HTTP API and `--json`.

Not for storing: bytes are left out (their size stays), and what JSON has no word for (NaN,
infinities) becomes null. The store's own codec loses nothing.
"""

import dataclasses
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from capibara6.domain.events import Event
from capibara6.domain.executions import Artefact
from capibara6.domain.requests import DataFile

_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")


def event_name(kind: type[Event]) -> str:
    """The event's name outside: `RunStarted` reads "run_started"."""
    return _WORD_START.sub("_", kind.__name__).lower()


def event_view(event: Event) -> dict[str, Any]:
    """An event as a JSON object; its name is the key "event"."""
    return {"event": event_name(type(event)), **_fields(event)}


def view(value: Any) -> Any:
    """Any domain value as JSON."""
    if isinstance(value, DataFile | Artefact):
        return {**_fields(value, without="content"), "size_bytes": len(value.content)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    if isinstance(value, Mapping):
        return {str(key): view(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [view(item) for item in value]
    if isinstance(value, bytes):
        return {"size_bytes": len(value)}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def _fields(value: Any, without: str = "") -> dict[str, Any]:
    names = (field.name for field in dataclasses.fields(value))
    return {name: view(getattr(value, name)) for name in names if name != without}
