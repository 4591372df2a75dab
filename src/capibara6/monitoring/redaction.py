"""Keeping secrets out of everything that is logged: by value, by name and by form."""

import re
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Final

MARK: Final = "[redacted]"
_SECRET_CHARACTERS_MIN = 6  # a shorter value would blot out innocent words

_NAME = re.compile(
    r"(?i)(^|[._-])(api_?-?keys?|secrets?|password|passwd|pwd|access_?token|auth_?token|token"
    r"|authorization|cookie|set-cookie|credentials?|private_?key)$"
)
_FORMS = (
    re.compile(r"e2b_[0-9a-fA-F]{8,}"),
    re.compile(r"\bsk-[A-Za-z0-9_-]{8,}"),
    re.compile(r"(?i)(?<=bearer )[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)"),
)


class Redactor:
    """A structlog processor, to stand right before the renderer."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        long_enough = [secret for secret in secrets if len(secret) >= _SECRET_CHARACTERS_MIN]
        longest_first = sorted(long_enough, key=len, reverse=True)
        self._values = (
            re.compile("|".join(re.escape(secret) for secret in longest_first))
            if longest_first
            else None
        )

    def __call__(
        self, _logger: Any, _method: str, event_dict: MutableMapping[str, Any]
    ) -> Mapping[str, Any]:
        """Return the entry without secrets."""
        return {self.text(str(key)): self._field(key, item) for key, item in event_dict.items()}

    def text(self, text: str) -> str:
        """Return `text` without known secrets and without what has the form of one."""
        if self._values is not None:
            text = self._values.sub(MARK, text)
        for form in _FORMS:
            text = form.sub(MARK, text)
        return text

    def _field(self, name: Any, value: Any) -> Any:
        hidden = isinstance(name, str) and _NAME.search(name) is not None
        if hidden and value is not None and not isinstance(value, bool):
            return MARK
        return self._value(value)

    def _value(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {
                self.text(key) if isinstance(key, str) else key: self._field(key, item)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value(item) for item in value]
        return self.text(repr(value))
