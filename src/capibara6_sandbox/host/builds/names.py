"""Names and tags of templates, by E2B's own rules and in its words."""

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from capibara6_sandbox.errors import BadRequestError

DEFAULT_TAG: Final = "default"
_IDENTIFIER: Final = re.compile(r"[a-z0-9_-]{1,128}")
_TAG: Final = re.compile(r"[a-z0-9_.-]{1,128}")


@dataclass(frozen=True, slots=True)
class Name:
    """A name, perhaps with a tag, cleaned."""

    alias: str
    tag: str = ""  # "" where none was given, or the default one


def parse_name(text: str, what: str = "Invalid name") -> Name:
    """Read a template's name or id, perhaps with a tag.

    Args:
        text: as the client wrote it; a namespace before "/" is dropped, for there is one owner.
        what: how the error begins.

    Raises:
        BadRequestError: it has other characters.
    """
    identifier, separator, tag = text.strip().partition(":")
    namespace, slash, alias = identifier.rpartition("/")
    if slash:
        _clean(namespace, "namespace", _IDENTIFIER, what)
    alias = _clean(alias, "template ID", _IDENTIFIER, what)
    if not separator:
        return Name(alias)
    tag = _clean(tag, "tag", _TAG, what)
    return Name(alias, "" if tag == DEFAULT_TAG else tag)


def clean_tags(tags: Iterable[str]) -> list[str]:
    """Return tags in lower case, each once.

    Raises:
        BadRequestError: one has other characters, or is a UUID.
    """
    cleaned: dict[str, None] = {}
    for tag in tags:
        clean = _clean(tag, "tag", _TAG, "Invalid tag")
        if _is_uuid(clean):
            raise BadRequestError(f"Invalid tag: invalid tag '{tag}': tag cannot be a UUID")
        cleaned[clean] = None
    return list(cleaned)


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _clean(value: str, kind: str, form: re.Pattern[str], what: str) -> str:
    cleaned = value.strip().lower()
    if form.fullmatch(cleaned) is None:
        raise BadRequestError(f"{what}: invalid {kind}: {value[:80]}")
    return cleaned
