"""Fixtures that several kinds of test share."""

import os
import signal
from collections.abc import Iterator

import hypothesis
import pytest

from support.runtimes import start_server
from support.sandbox_server import CANARY, CANARY_NAME, START_TIMEOUT_S, SandboxServer

# How long an example takes says more of the machine's load than of the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the first test that needs the server time to build the templates."""
    for item in items:
        if "sandbox_server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(START_TIMEOUT_S))
            return


def pytest_sessionstart() -> None:
    """Let the programs under test be interrupted, even if a shell runs pytest in its background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[SandboxServer]:
    """The embedded server, real, for the whole session."""
    server = SandboxServer(environment={CANARY_NAME: CANARY}).start()
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="session")
def container_server() -> Iterator[SandboxServer]:
    """Another one, whose sandboxes container runtimes run: see `support.runtimes`."""
    if os.geteuid() != 0:
        pytest.skip("needs root: container runtimes get a range of ids")
    server = start_server()
    yield server
    assert server.stop() == 0
