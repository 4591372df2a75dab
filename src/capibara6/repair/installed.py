"""Facts about the installed packages that explain an error: looked up, never remembered. Pure.

What versions newer than a model's memory have removed or renamed stands in no table: the inventory
of the template says what is there.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from capibara6.domain.executions import ExecutionResult
from capibara6.domain.programs import Program
from capibara6.inventory import Inventory, Missing, Signature, Use, uses
from capibara6.repair.evidence import Evidence, evidence_of
from capibara6.repair.phrases.facts import FACTS
from capibara6.syntax import parse

FACTS_MAX: Final = 3
EXPLAINED: Final = frozenset(
    {"arguments", "attribute", "attribute_removed", "bad_value", "missing_module", "missing_name"}
    | {"type_mismatch", "other", "unknown_key"}
)
_SIGNATURE_CHARS_MAX: Final = 240
_CODE_CHARS_MAX: Final = 100_000  # a longer program would keep other runs waiting
_OF_CLASS = re.compile(
    r"'(\w+)' object has no attribute '(\w+)'|type object '(\w+)' has no .*'(\w+)'"
)
_KEYWORD = re.compile(
    r"(?:([\w.]+)\(\) )?got an unexpected keyword argument '(\w+)'"
    r"|([\w.]+)\.set\(\) got an unexpected keyword argument '(\w+)'"
)
_MODULE = re.compile(r"No module named '([\w.]+)'")
_WORD = re.compile(r"\w+")


def facts_about(
    program: Program, result: ExecutionResult | None, inventory: Inventory, language: str
) -> tuple[str, ...]:
    """What the installed packages say to a failure; the most telling first.

    Args:
        program: in Python; what else it may be has no facts.
        result: None when validation stopped the program: nothing to explain.
        inventory: of the template it ran in.
        language: "es" | "en"; any other reads English.
    """
    if result is None or program.language != "python":
        return ()
    evidence = evidence_of(result)
    used = _used(program.code)
    told = _told(evidence, used, inventory, FACTS.get(language, FACTS["en"]))
    return tuple(dict.fromkeys(told))[:FACTS_MAX]


def _told(
    evidence: Evidence, used: Sequence[Use], inventory: Inventory, words: dict[str, str]
) -> Iterator[str]:
    """One sentence a fact."""
    value = evidence.value
    if module := _MODULE.search(value):
        yield from _about_module(module[1], inventory, words)
    named = set(_WORD.findall(value))
    for use in used:
        gone = inventory.missing(use.dotted)
        if gone and gone.certain and (gone.name in named or use.line == evidence.line):
            yield _gone(gone, inventory, words)
    if owned := _OF_CLASS.search(value):
        yield from _about_attribute(owned[1] or owned[3], owned[2] or owned[4], inventory, words)
    if refused := _KEYWORD.search(value):
        function, keyword = refused[1] or refused[3] or "", refused[2] or refused[4]
        yield from _about_keyword(function, keyword, used, inventory, words)


def _about_module(name: str, inventory: Inventory, words: dict[str, str]) -> Iterator[str]:
    top, _, rest = name.partition(".")
    if rest and inventory.is_installed(top) and (gone := inventory.missing(name)):
        yield _gone(gone, inventory, words)
    elif not inventory.is_installed(top):
        yield words["no_package"].format(module=top)


def _about_attribute(
    owner: str, name: str, inventory: Inventory, words: dict[str, str]
) -> Iterator[str]:
    for found in inventory.classes_named(owner)[:1]:
        gone = inventory.missing(f"{found}.{name}")
        if gone and gone.name == name:
            yield _gone(gone, inventory, words)


def _about_keyword(
    function: str, keyword: str, used: Sequence[Use], inventory: Inventory, words: dict[str, str]
) -> Iterator[str]:
    last = function.rpartition(".")[2]
    owner = function.split(".")[-2] if "." in function else ""
    for use in used:
        if use.keywords is None or keyword not in use.keywords:
            continue
        if last not in (use.name, "__init__", "", "wrapper") and owner != use.name:
            continue
        dotted = use.dotted.lstrip(".")
        candidates = [dotted] if dotted == use.dotted else _methods(owner, dotted, inventory)
        for candidate in candidates:
            entry = inventory.find(candidate)
            signature = entry.signature if entry else None
            if signature and signature.refused([keyword]):
                yield _refused(candidate, keyword, signature, inventory, words)
                break


def _methods(owner: str, name: str, inventory: Inventory) -> list[str]:
    """Where a method may be meant: in the class that the error names, else in the usual ones."""
    owners = [owner] if owner else ["DataFrame", "Series", "Axes", "Figure", "Styler"]
    return [f"{one}.{name}" for short in owners for one in inventory.classes_named(short)[:1]]


def _gone(gone: Missing, inventory: Inventory, words: dict[str, str]) -> str:
    close = [f"`{name}`" for name in inventory.close(gone.owner, gone.name)]
    meant = words["close"].format(names=", ".join(close)) if close else ""
    package = _package(gone.owner, inventory)
    return words["gone"].format(package=package, owner=gone.owner, name=gone.name) + meant


def _refused(
    function: str, keyword: str, signature: Signature, inventory: Inventory, words: dict[str, str]
) -> str:
    shown = str(signature)
    if len(shown) > _SIGNATURE_CHARS_MAX:
        shown = f"{shown[:_SIGNATURE_CHARS_MAX]}…)"
    package = _package(function, inventory)
    return words["keyword"].format(
        package=package, function=function, keyword=keyword, signature=shown
    )


def _package(module: str, inventory: Inventory) -> str:
    found = inventory.version_of(module)
    return f"{found[0]} {found[1]}" if found else f"Python {inventory.python}"


def _used(code: str) -> tuple[Use, ...]:
    if len(code) > _CODE_CHARS_MAX:
        return ()
    try:
        return uses(parse(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
