"""A lower memory limit for one sandbox, which clients ask for by its metadata.

E2B's protocol sets memory by template alone, and its clients have no other field for it; a label is
what every client can send and every other server passes over.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from capibara6_sandbox.errors import BadRequestError
from capibara6_sandbox.isolation.limits import MIB
from capibara6_sandbox.templates.catalog import Template

LABEL: Final = "capibara6.memoryMB"
MEMORY_MB_MIN: Final = 32


def with_label(template: Template, metadata: Mapping[str, str]) -> Template:
    """Return the template with the memory that a label asks for, at most its own.

    Raises:
        BadRequestError: the label is no number of MiB, or is too low to start anything.
    """
    label = metadata.get(LABEL)
    if label is None:
        return template
    if not (label.isascii() and label.isdigit() and len(label) < 10):
        raise BadRequestError(f"metadata '{LABEL}' is {label!r}: write a number of MiB.")
    if int(label) < MEMORY_MB_MIN:
        raise BadRequestError(f"metadata '{LABEL}' is {label}: at least {MEMORY_MB_MIN}.")
    memory = min(int(label) * MIB, template.limits.memory_bytes)
    return replace(template, limits=replace(template.limits, memory_bytes=memory))
