"""Which test calls which method: the table `tests/compat/methods.tsv`, and what keeps it true.

A test that is named there fails as soon as it does not call the method any more; the table is
written by `scripts/compatibility.py`, from what the tests have called.
"""

import tomllib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

COMPAT: Final = Path(__file__).parents[2] / "compat"
METHODS: Final = COMPAT / "methods.tsv"
DIFFERENCES: Final = COMPAT / "differences.toml"
Method = tuple[str, str]  # surface and name


@dataclass(frozen=True)
class Difference:
    """What is otherwise than in E2B's cloud."""

    methods: tuple[str, ...]
    works: bool  # whether tests call these methods nevertheless
    says: str
    surfaces: tuple[str, ...]


def read() -> dict[Method, str]:
    """Return the test of every method; an empty text for one without."""
    lines = METHODS.read_text().splitlines() if METHODS.exists() else []
    rows = (line.split("\t") for line in lines)
    return {(surface, name): test for surface, name, test in rows}


def write(tests: dict[Method, str]) -> None:
    """Write the table."""
    rows = ("\t".join((*method, test)) for method, test in sorted(tests.items()))
    METHODS.write_text("".join(f"{row}\n" for row in rows))


def of_test(test: str) -> set[Method]:
    """Return what a test is said to call."""
    return {method for method, named in read().items() if named == test}


def differences() -> list[Difference]:
    """Return what is declared to be otherwise."""
    declared = tomllib.loads(DIFFERENCES.read_text())["difference"]
    return [
        Difference(
            methods=tuple(one["methods"]),
            works=one["works"],
            says=one["says"],
            surfaces=tuple(one.get("surfaces", ("python", "python-async", "js", "cli"))),
        )
        for one in declared
    ]


def chosen(
    known: Iterable[Method], before: dict[Method, str], calls: dict[str, set[Method]]
) -> dict[Method, str]:
    """Return a test for every method: the one it had, if that still calls it, else a short one."""
    callers: dict[Method, list[str]] = defaultdict(list)
    for test, methods in sorted(calls.items(), key=lambda item: (len(item[1]), item[0])):
        for method in methods if _has_built(methods) else _without_recipes(methods):
            callers[method].append(test)
    tests = {}
    for method in known:
        found = callers[method]
        had = before.get(method, "")
        tests[method] = had if had in found else next(iter(found), "")
    return tests


def _has_built(methods: set[Method]) -> bool:
    return any(name == "Template.build" for _, name in methods)


def _without_recipes(methods: set[Method]) -> set[Method]:
    """Leave out the steps of recipes, which show nothing where no build has succeeded."""
    return {(surface, name) for surface, name in methods if not name.startswith("Template().")}


def methods_among(calls: Iterable[str], known: Iterable[Method]) -> set[Method]:
    """Return the known methods and commands among what a script of the JS tests has noted."""
    found = set()
    for call in calls:
        for surface, name in known:
            is_command = surface == "cli" and f"{call} ".startswith(f"e2b {name} ")
            if is_command or (surface == "js" and call == name):
                found.add((surface, name))
    return found
