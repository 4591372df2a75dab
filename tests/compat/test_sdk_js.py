"""The published JS SDK and CLI, driven by the scripts in `js`, test by test."""

import os
import re
from pathlib import Path

import pytest

from support.e2b_surface import claims, node_methods
from support.e2b_surface.recording import hold
from support.images import GOOGLE_KEY, PASSWORD, USER
from support.javascript import Outcome, installed, outcomes
from support.registries import DockerHub
from support.sandbox_server import SandboxServer

FOLDER = Path(__file__).parent / "js"
TESTS = [
    (script.name, name)
    for script in sorted(FOLDER.glob("*.test.mjs"))
    for name in re.findall(r"^test\('(.+?)',", script.read_text(), re.MULTILINE)
]
# What they show, a server without cgroups measures, or carries, as nothing.
NEED_CGROUPS = {
    ("cli.test.mjs", "metrics"),
    ("lifecycle.test.mjs", "what a sandbox uses is measured"),
    ("states.test.mjs", "forks carry files and variables and go their own ways"),
}
# Builds change /usr where root serves.
NEED_ROOT = {
    ("programs.test.mjs", "packages of the system come from the archives that apt is told"),
    ("programs.test.mjs", "templates of the cloud are replaced by ones own"),
}


@pytest.fixture(scope="module")
def reports(sandbox_server: SandboxServer) -> dict[str, dict[str, Outcome]]:
    """What each script has reported, filled as tests ask for it."""
    del sandbox_server
    return {}


@pytest.fixture(scope="module")
def methods() -> set[claims.Method]:
    """Every method of the JS SDK and every command of the CLI."""
    packages = installed(FOLDER)
    return node_methods.methods(packages) | node_methods.commands(packages)


@pytest.mark.timeout(420)  # the first one installs the packages
@pytest.mark.parametrize(("script", "name"), TESTS)
def test_js(
    sandbox_server: SandboxServer,
    reports: dict[str, dict[str, Outcome]],
    methods: set[claims.Method],
    script: str,
    name: str,
    request: pytest.FixtureRequest,
) -> None:
    if script not in reports:
        server = _surroundings(script, request, sandbox_server)
        reports[script] = outcomes(FOLDER / script, installed(FOLDER), server)
    assert name in reports[script], f"{script} did not run {name!r}"
    if (script, name) in NEED_CGROUPS and not sandbox_server.cgroups():
        pytest.skip("needs cgroups: usage is not measured and variables not carried without")
    if (script, name) in NEED_ROOT and os.geteuid() != 0:
        pytest.skip("needs a server of root's: builds change /usr")
    assert reports[script][name].failure == ""
    called = claims.methods_among(reports[script][name].calls, methods)
    hold(f"tests/compat/js/{script}::{name}", called)


def _surroundings(
    script: str, request: pytest.FixtureRequest, server: SandboxServer
) -> dict[str, str]:
    """Return the variables that lead a script to what it needs."""
    if script != "images.test.mjs":
        return server.environ | {"E2B_VOLUME_API_URL": server.url}
    hub: DockerHub = request.getfixturevalue("hub")
    found: SandboxServer = request.getfixturevalue("hub_server")
    opened = {"USER_OF_IMAGE": USER, "PASSWORD_OF_IMAGE": PASSWORD, "GOOGLE_KEY": GOOGLE_KEY}
    return found.environ | {"PRIVATE_IMAGE": hub.private} | opened


def test_every_method_and_command_is_in_the_table(methods: set[claims.Method]) -> None:
    assert methods == {known for known in claims.read() if known[0] in ("js", "cli")}
