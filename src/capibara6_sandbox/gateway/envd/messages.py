"""Reading protobuf messages from their JSON form, strictly and without a schema compiler.

Names are accepted in lowerCamelCase and as in the .proto file, null means absent, whole numbers
may be strings: https://protobuf.dev/programming-guides/json/
"""

import base64
import binascii
import json
from typing import Any

from capibara6_guest.wire import CallError

_DIGITS_MAX = 10


class Message:
    """One message; its methods raise `CallError` invalid_argument for a value of another type."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def has(self, name: str) -> bool:
        """Whether the field is set."""
        return self._value(name) is not None

    def text(self, name: str, default: str = "") -> str:
        """Return a string field."""
        value = self._value(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise _wrong(name, "a string", value)
        return value

    def optional_text(self, name: str) -> str | None:
        """Return a string field that may be absent."""
        return self.text(name) if self.has(name) else None

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a boolean field."""
        value = self._value(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise _wrong(name, "true or false", value)
        return value

    def number(self, name: str, default: int = 0) -> int:
        """Return an unsigned 32-bit field."""
        value = self._value(name)
        if value is None:
            return default
        if isinstance(value, str) and value.isdecimal() and len(value) <= _DIGITS_MAX:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32:
            raise _wrong(name, "a whole number from 0 to 4294967295", value)
        return value

    def message(self, name: str) -> "Message":
        """Return a message field; an absent one is an empty message."""
        value = self._value(name)
        if value is None:
            return Message({})
        if not isinstance(value, dict):
            raise _wrong(name, "an object", value)
        return Message(value)

    def texts(self, name: str) -> list[str]:
        """Return a repeated string field."""
        value = self._value(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise _wrong(name, "a list of strings", value)
        return value

    def mapping(self, name: str) -> dict[str, str]:
        """Return a map<string, string> field."""
        value = self._value(name)
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            raise _wrong(name, "an object of strings", type(value))  # values may be secrets
        return value

    def base64(self, name: str) -> str:
        """Return a bytes field in standard base64 with padding; the URL-safe form is accepted."""
        text = self.text(name).replace("-", "+").replace("_", "/").rstrip("=")
        text += "=" * (-len(text) % 4)
        try:
            base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise CallError("invalid_argument", f"field {name!r} is not base64") from None
        return text

    def _value(self, name: str) -> Any:
        value = self._values.get(name)
        return self._values.get(_camel(name)) if value is None else value


def parse(payload: bytes) -> Message:
    """Parse a message.

    Raises:
        CallError: invalid_argument when it is not a JSON object.
    """
    try:
        values = json.loads(payload or b"{}")
    except (ValueError, RecursionError) as cause:
        raise CallError("invalid_argument", f"the message is not JSON: {cause}") from None
    if not isinstance(values, dict):
        raise CallError("invalid_argument", "the message is not a JSON object")
    return Message(values)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _wrong(name: str, wanted: str, value: object) -> CallError:
    return CallError("invalid_argument", f"field {name!r} must be {wanted}, not {value!r:.100}")
