"""How far candidates agree with one another, by what they gave or by what they said. Pure."""

import ast
import re
from collections.abc import Sequence
from typing import Final

from capibara6.search.examination import Examined, Finding, Inquiry

_DIGITS: Final = 4  # significant ones of a number in prose that are compared
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,_]*(?:\.\d+)?(?:[eE][-+]?\d+)?")
_TEXT_CHARS_MAX: Final = 20_000
_KINDS: Final = {
    "list": "list", "sequence": "list", "iterable": "list", "tuple": "tuple", "dict": "dict",
    "set": "set", "str": "str", "int": "int", "float": "float", "bool": "bool", "none": "NoneType",
}  # fmt: skip
_ALSO: Final = {"float": "int"}  # what else does for a kind


def by_values(found: Sequence[Examined], asked: Inquiry) -> list[float]:
    """Of each candidate, 0 to 1: how many others gave the same, over all probes and examples.

    An exception, and a value of another type than the question asks for, agrees with nothing.
    """
    kinds = wanted_kinds(asked)
    rows = [_digests(one, asked, kinds) for one in found]
    checks = len(asked.probes) + len(asked.examples)
    others = max(1, len(found) - 1)
    shares = []
    for number, row in enumerate(rows):
        same = sum(
            value is not None and value == other[place]
            for index, other in enumerate(rows)
            if index != number
            for place, value in enumerate(row)
        )
        shares.append(same / (others * checks) if checks else 0.0)
    return shares


def by_texts(texts: Sequence[str]) -> list[float]:
    """Of each candidate, 0 to 1: how much of what it says others say as well."""
    said = [substance(text) for text in texts]
    others = max(1, len(said) - 1)
    return [
        sum(_overlap(one, other) for index, other in enumerate(said) if index != number) / others
        for number, one in enumerate(said)
    ]


def substance(text: str) -> frozenset[str]:
    """What an answer says: its numbers, to four digits; without any, its words."""
    numbers = frozenset(
        f"{float(number.replace(',', '').replace('_', '')):.{_DIGITS}g}"
        for number in _NUMBER.findall(text[:_TEXT_CHARS_MAX])
    )
    return numbers or frozenset(text[:_TEXT_CHARS_MAX].casefold().split())


def wanted_kinds(asked: Inquiry) -> frozenset[str]:
    """The types that a result may have, as the signature or the examples say; empty: any."""
    told = asked.signature.result.lower() if asked.signature else ""
    kinds = {kind for word, kind in _KINDS.items() if word == re.split(r"\W", told)[0]}
    if told.startswith(("optional", "union")) or "|" in told or "any" in told:
        return frozenset()
    if not kinds:
        kinds = {_kind(one.expected) for one in asked.examples}
    return frozenset(kinds | {_ALSO[kind] for kind in kinds if kind in _ALSO})


def _kind(expected: str) -> str:
    try:
        return type(ast.literal_eval(expected)).__name__
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return ""


def _digests(found: Examined, asked: Inquiry, kinds: frozenset[str]) -> list[str | None]:
    findings: list[Finding | None] = [found.probes.get(n) for n in range(len(asked.probes))]
    findings += [found.examples.get(n) for n in range(len(asked.examples))]
    return [_digest(finding, kinds) for finding in findings]


def _digest(finding: Finding | None, kinds: frozenset[str]) -> str | None:
    if finding is None or finding.error or (kinds and finding.type not in kinds):
        return None
    return f"{finding.type}:{finding.digest}"


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one or other else 0.0
