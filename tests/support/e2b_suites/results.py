"""What came of a suite: the results that pytest writes, and the exceptions that are declared."""

import tomllib
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from support.e2b_surface.claims import COMPAT

EXCEPTIONS: Final = COMPAT / "e2b_suites.toml"
RECORDED: Final = COMPAT / "e2b_suites.tsv"
_STATES: Final = {"failure": "failed", "error": "failed", "skipped": "skipped"}


@dataclass(frozen=True)
class Result:
    """What one test said."""

    test: str  # module::name
    state: str  # passed, failed or skipped
    message: str = ""


@dataclass(frozen=True)
class Declared:
    """Tests that need not pass, and why."""

    suite: str
    tests: tuple[str, ...]  # patterns
    says: str

    def covers(self, suite: str, test: str) -> bool:
        """Whether it speaks of a test."""
        return suite == self.suite and any(fnmatchcase(test, pattern) for pattern in self.tests)


def read(report: Path) -> list[Result]:
    """Read a report in JUnit's form."""
    found = []
    for case in ET.parse(report).getroot().iter("testcase"):
        state, message = "passed", ""
        for child in case:
            if child.tag in _STATES:
                state = _STATES[child.tag]
                message = (child.get("message") or child.text or "").strip()
        found.append(Result(f"{case.get('classname')}::{case.get('name')}", state, message))
    return found


def exceptions() -> list[Declared]:
    """Return what is declared."""
    declared = tomllib.loads(EXCEPTIONS.read_text()).get("exception", [])
    return [Declared(one["suite"], tuple(one["tests"]), one["says"]) for one in declared]


def untold(suite: str, results: list[Result]) -> list[Result]:
    """Return what failed though no exception speaks of it; what E2B skips is E2B's."""
    told = exceptions()
    return [
        result
        for result in results
        if result.state == "failed" and not any(one.covers(suite, result.test) for one in told)
    ]


def summary(results: list[Result]) -> Counter[str]:
    """Return how many said what."""
    return Counter(result.state for result in results)


def record(suite: str, package: str, version: str, revision: str, count: Counter[str]) -> None:
    """Note the figures of a whole run."""
    lines = RECORDED.read_text().splitlines() if RECORDED.exists() else []
    kept = [line for line in lines if line.partition("\t")[0] != suite]
    total = sum(count.values())
    row = (suite, package, version, revision[:12], total, count["passed"], count["skipped"])
    kept.append("\t".join(str(word) for word in row))
    RECORDED.write_text("".join(f"{line}\n" for line in sorted(kept)))
