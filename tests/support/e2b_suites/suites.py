"""The suites: where they lie in E2B's repositories, and what they need to run."""

import re
import shutil
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

_TOOLS: Final = (
    "pytest>=9.0.3,<10", "pytest-asyncio>=1.3,<2", "pytest-xdist>=3.6.1,<4",
    "pytest-dotenv>=0.5.2,<0.6", "python-dotenv>=1.0,<2", "pytest-timeout>=2.4,<3", "ipython",
)  # fmt: skip


@dataclass(frozen=True)
class Suite:
    """One package's tests."""

    name: str
    repository: str
    folder: str  # of the package, in the repository
    package: str  # as PyPI knows it
    timeout_s: int  # of a test
    newest: bool = False  # whether to test our pinned version, not that whose tests these are


SUITES: Final = (
    Suite("sdk", "E2B", "packages/python-sdk", "e2b", 60),
    # Its 2.9.1, whose tests these are, does not work with any `e2b` that pip takes for it.
    Suite(
        "code-interpreter", "code-interpreter", "python", "e2b-code-interpreter", 120, newest=True
    ),
)


@dataclass(frozen=True)
class Ready:
    """A suite with its tests and an environment to run them."""

    suite: Suite
    place: Path  # holds tests/
    python: Path
    version: str  # of the package
    revision: str  # of the repository


def prepare(suite: Suite, mirror: Path, work: Path, version: str = "") -> Ready:
    """Lay out a suite's tests, and install what they test; both are kept for the next time.

    Args:
        suite: which.
        mirror: a folder with E2B's repositories, as `NAME` or `e2b-dev+NAME`.
        work: for what is made.
        version: of the package; "": the suite's own.
    """
    git = repository(mirror, suite.repository)
    revision = _git(git, "rev-parse", "HEAD")
    sources = work / f"{suite.repository}-{revision[:12]}"
    if not sources.exists():
        _archive(git, sources)
    project = (sources / suite.folder / "pyproject.toml").read_text()
    told = re.search(r'^version = "(.*)"', project, re.MULTILINE)
    assert told is not None, f"{suite.folder}/pyproject.toml names no version"
    version = version or (metadata.version(suite.package) if suite.newest else told[1])
    environment = work / f"{suite.package}-{version}"
    if not environment.exists():
        _install(environment, [f"{suite.package}=={version}", *_TOOLS])
    place = work / f"run-{suite.name}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for name in ("tests", "pytest.ini"):  # without the package: the installed one is tested
        subprocess.run(["cp", "-r", sources / suite.folder / name, place / name], check=True)
    return Ready(suite, place, environment / "bin/python", version, revision)


def repository(mirror: Path, name: str) -> Path:
    """Return the git directory of a fetched repository."""
    for folder in (mirror / name, mirror / f"e2b-dev+{name}"):
        for git in (folder / ".git", folder / "repo", folder):
            if (git / "HEAD").is_file():
                return git
    raise SystemExit(f"There is no copy of e2b-dev/{name} in {mirror}: git clone it there.")


def _git(git: Path, *arguments: str) -> str:
    command = ["git", "--git-dir", str(git), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _archive(git: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as aside:
        packed = Path(aside, "sources.tar")
        _git(git, "archive", "--output", str(packed), "HEAD")
        unpacked = Path(aside, "sources")
        unpacked.mkdir()
        subprocess.run(["tar", "-xf", packed, "-C", unpacked], check=True)
        unpacked.rename(target)


def _install(environment: Path, packages: list[str]) -> None:
    with tempfile.TemporaryDirectory(dir=environment.parent) as aside:
        made = Path(aside, "environment")
        venv.create(made)
        command = [sys.executable, "-m", "uv", "pip", "install", "--quiet"]
        subprocess.run([*command, "--python", made / "bin/python", *packages], check=True)
        made.rename(environment)
