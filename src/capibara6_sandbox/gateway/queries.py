"""Parameters of a query that are numbers or words of a list."""

import re
from typing import Final

from starlette.datastructures import QueryParams

from capibara6_sandbox.errors import BadRequestError

_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_SHOWN_CHARS: Final = 80


def number(query: QueryParams, name: str, least: int = 0, most: int = 10**18) -> int | None:
    """Return a whole number; None where it is not given.

    Raises:
        BadRequestError: it is none, or out of bounds.
    """
    text = query.get(name)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise BadRequestError(f"{name} must be from {least} to {most}, not {text[:_SHOWN_CHARS]!r}")
    return int(text)


def word(query: QueryParams, name: str, known: tuple[str, ...], default: str) -> str:
    """Return one of the words in `known`.

    Raises:
        BadRequestError: it is another one.
    """
    text = query.get(name, default)
    if text not in known:
        listed = ", ".join(known)
        raise BadRequestError(f"{name} must be one of {listed}, not {text[:_SHOWN_CHARS]!r}")
    return text
