"""docs/E2B_COMPATIBILITY.md, from the tests of the methods and the declared differences."""

import json
import re
from collections import defaultdict
from importlib import metadata
from typing import Final

from support.e2b_suites import results
from support.e2b_surface.claims import COMPAT, Difference, Method

SURFACES: Final = {"python": "Python", "python-async": "Python, async", "js": "JS"}
_HEAD: Final = """\
# What E2B's clients can do here

Every public method of the published SDKs (Python `e2b` {python} and `e2b-code-interpreter`
{interpreter}; JS `e2b` {js} and `@e2b/code-interpreter` {js_interpreter}) and every command of the
CLI ({cli}).

- **yes**: a test in `tests/compat` calls it on a real server and gets what it should.
- **not tested**: it should work, but no test calls it.
- **no**: it does not work here.

A number leads to what is [different](#differences) from E2B's cloud. Where a client has no such
method, its cell is empty.

`scripts/compatibility.py` writes this page: from the methods of the installed SDKs, from what the
tests call (`tests/compat/methods.tsv`), and from the differences that are declared
(`tests/compat/differences.toml`). Tests fail where it is not true. Versions of the last twelve
months are tested too: [ADR 25](adr/0025-sdks-of-a-year.md).
"""
_SUITES: Final = """\
## E2B's own test suites

`make suites` runs the tests of E2B's repositories that ask a server, with the published packages,
in a network of their own: two public addresses, one web site, the echo server of E2B's template
`httpbin` and Docker Hub's `ubuntu:22.04` are stand-ins there.
"""
_DECLARED: Final = "Tests that need not pass (`tests/compat/e2b_suites.toml`):"
_TITLES: Final = {
    "functions": "Functions",
    "Template()": "Building a template: `Template()`",
}


def page(tests: dict[Method, str], differences: list[Difference], versions: dict[str, str]) -> str:
    """Return the page."""
    groups: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    for (surface, name), test in sorted(tests.items()):
        if surface != "cli":
            group, _, attribute = name.rpartition(".")
            cell = _cell((surface, name), test, differences)
            groups[group][snake(attribute)][surface] = cell
    parts = [_HEAD.format(**versions)]
    parts += [_section(group, rows) for group, rows in _in_order(groups)]
    parts.append(_commands(tests, differences))
    parts.append(_notes(differences))
    parts.append(_suites())
    return "\n".join(parts)


def snake(name: str) -> str:
    """Return a method's name as Python would write it."""
    name = name.replace("URL", "Url").replace("JSON", "Json")
    name = re.sub(r"(AWS|GCP)(?=[A-Z])", lambda found: found[1].capitalize(), name)
    return re.sub(r"(?<=[a-z0-9])[A-Z]", lambda found: f"_{found[0]}", name).lower()


def concerning(method: Method, differences: list[Difference]) -> list[int]:
    """Return the numbers of the differences that concern a method, from one on."""
    name = of_python(method)
    group = f"{name.rpartition('.')[0]}.*"
    return [
        number
        for number, one in enumerate(differences, 1)
        if method[0] in one.surfaces and (name in one.methods or group in one.methods)
    ]


def of_python(method: Method) -> str:
    """Return the name that a method has in Python; a command's is its own."""
    surface, name = method
    group, dot, attribute = name.rpartition(".")
    return name if surface == "cli" else f"{group}{dot}{snake(attribute)}"


def _cell(method: Method, test: str, differences: list[Difference]) -> str:
    numbers = concerning(method, differences)
    works = all(differences[number - 1].works for number in numbers)
    word = ("yes" if test else "not tested") if works else "no"
    return " ".join([word, *(f"[{number}](#differences)" for number in numbers)])


def _in_order(
    groups: dict[str, dict[str, dict[str, str]]],
) -> list[tuple[str, dict[str, dict[str, str]]]]:
    first = ("Sandbox", "Sandbox.commands", "CommandHandle", "Sandbox.pty", "Sandbox.files")
    order = [*first, *(group for group in sorted(groups) if group not in first)]
    return [(group, groups[group]) for group in order if group in groups]


def _section(group: str, rows: dict[str, dict[str, str]]) -> str:
    shared = all("python-async" not in cells for cells in rows.values())
    title = _TITLES.get(group, f"`{group}`")
    lines = [f"## {title}\n", f"| | {' | '.join(SURFACES.values())} |", "|---|---|---|---|"]
    for name, cells in sorted(rows.items()):
        if shared:
            cells = {**cells, "python-async": cells.get("python", "")}
        shown = " | ".join(cells.get(surface, "") for surface in SURFACES)
        lines.append(f"| `{name}` | {shown} |")
    return "\n".join(lines) + "\n"


def _commands(tests: dict[Method, str], differences: list[Difference]) -> str:
    lines = ["## Commands: `e2b …`\n", "| | CLI |", "|---|---|"]
    for method, test in sorted(tests.items()):
        if method[0] == "cli":
            lines.append(f"| `{method[1]}` | {_cell(method, test, differences)} |")
    return "\n".join(lines) + "\n"


def _notes(differences: list[Difference]) -> str:
    notes = [f"{number}. {one.says}" for number, one in enumerate(differences, 1)]
    return "\n".join(["## Differences\n", *notes]) + "\n"


def _suites() -> str:
    """Tell what came of E2B's own suites the last time they were run."""
    rows = results.RECORDED.read_text().splitlines()
    lines = [
        "| | package | tests of commit | run | passed | skipped by E2B |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        name, package, version, revision, total, passed, skipped = row.split("\t")
        lines.append(
            f"| {name} | `{package}` {version} | {revision} | {total} | {passed} | {skipped} |"
        )
    told = results.exceptions()
    notes = [f"- `{test}` ({one.suite}): {one.says}" for one in told for test in one.tests]
    return "\n".join([_SUITES, *lines, "", _DECLARED, "", *notes]) + "\n"


def versions() -> dict[str, str]:
    """Return the versions of the clients: those that are installed, those of the lock file."""
    packages = json.loads((COMPAT / "js/package.json").read_text())["dependencies"]
    return {
        "python": metadata.version("e2b"),
        "interpreter": metadata.version("e2b-code-interpreter"),
        "js": packages["e2b"],
        "js_interpreter": packages["@e2b/code-interpreter"],
        "cli": packages["@e2b/cli"],
    }
