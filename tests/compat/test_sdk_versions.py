"""The SDKs of the last twelve months: the oldest, a middle one and the newest, in both modes.

Each version tells the same scenario: `versions/scenario.py`, `versions/scenario.test.mjs`. What a
version cannot do by itself is declared here, with the reason, and has to be so.
"""

import functools
import json
import os
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.javascript import installed, outcomes
from support.python_sdks import interpreter
from support.sandbox_server import SandboxServer
from support.wildcard_proxy import wildcard_proxy

FOLDER = Path(__file__).parent / "versions"
VERSIONS = ("oldest", "middle", "newest")
PACKAGES = (FOLDER / "oldest", FOLDER / "middle", FOLDER.parent / "js")
AT_ONCE = 3
SCENARIO_TIMEOUT_S = 110.0
PYTHON_PARTS = re.findall(
    r"^@part\ndef (\w+)", (FOLDER / "scenario.py").read_text(), flags=re.MULTILINE
)
JAVASCRIPT_PARTS = re.findall(
    r"^test\('(\w+)'", (FOLDER / "scenario.test.mjs").read_text(), flags=re.MULTILINE
)
# Before July 2026 (2.9.0 in Python, 2.7.0 in JS) the code interpreter's SDK does not heed
# E2B_SANDBOX_URL: it reaches kernels at https://49999-<id>.<domain> only.
OF_KERNELS = (
    "run_code",
    "chart",
    "contexts",
    "contexts_listed_restarted_and_removed",
    "code_over_its_time",
    "pausing_keeps_variables",
)
NEEDS_DOMAIN = {(version, part) for version in ("oldest", "middle") for part in OF_KERNELS}
# What a version does not have, and what it says then.
MISSING = {
    ("oldest", "contexts_listed_restarted_and_removed"): (
        r"no attribute 'list_code_contexts'|listCodeContexts is not a function"
    ),
}
Report = dict[str, str]


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    server = SandboxServer(arguments=("--tls-port", "0")).start()
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def modes(server: SandboxServer) -> Iterator[dict[str, dict[str, str]]]:
    """The variables of both modes: one address for all, or a domain with a name for each."""
    assert server.process.stdout is not None
    domain = dict(re.findall(r"(\w+)=(\S+)", server.process.stdout.readline()))
    with wildcard_proxy() as proxy:
        yield {"address": server.environ, "domain": domain | {"SCENARIO_PROXY": proxy}}


@pytest.fixture(scope="module")
def reports(modes: dict[str, dict[str, str]]) -> dict[tuple[str, str, str], Report]:
    """What every version tells in every mode: they mostly wait, so some do it at a time."""
    runners = {
        ("python", version): functools.partial(_python, interpreter(version))
        for version in VERSIONS
    } | {
        ("javascript", version): functools.partial(_javascript, installed(packages))
        for version, packages in zip(VERSIONS, PACKAGES, strict=True)
    }
    cases = [(*case, mode) for case in runners for mode in modes]

    def tell(case: tuple[str, str, str]) -> Report:
        language, version, mode = case
        out = [part for of, part in NEEDS_DOMAIN if of == version and mode == "address"]
        return runners[language, version](modes[mode] | {"SCENARIO_LEAVES_OUT": ",".join(out)})

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(cases, pool.map(tell, cases), strict=True))


def _python(interpreter: str, environment: dict[str, str]) -> Report:
    done = subprocess.run(
        [interpreter, str(FOLDER / "scenario.py")],
        env={"PATH": os.defpath, **environment},
        capture_output=True,
        text=True,
        timeout=SCENARIO_TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
    found: Report = json.loads(done.stdout)
    return found


def _javascript(packages: Path, environment: dict[str, str]) -> Report:
    told = outcomes(FOLDER / "scenario.test.mjs", packages, environment)
    return {name: outcome.failure for name, outcome in told.items()}


def test_both_languages_tell_the_same_parts() -> None:
    assert PYTHON_PARTS == JAVASCRIPT_PARTS
    assert {part for _, part in NEEDS_DOMAIN | MISSING.keys()} <= set(PYTHON_PARTS)


@pytest.mark.timeout(420)  # the first one installs the versions and lets all of them tell
@pytest.mark.parametrize("part", PYTHON_PARTS)
@pytest.mark.parametrize("mode", ["address", "domain"])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("language", ["python", "javascript"])
def test_a_version_works(
    reports: dict[tuple[str, str, str], Report],
    language: str,
    version: str,
    mode: str,
    part: str,
) -> None:
    if mode == "address" and (version, part) in NEEDS_DOMAIN:
        pytest.skip("this version reaches kernels by their names only: mode domain tests it")
    outcome = reports[language, version, mode][part]
    missing = MISSING.get((version, part))
    assert re.search(missing or "^$", outcome), outcome
