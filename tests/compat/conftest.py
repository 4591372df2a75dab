"""Sandboxes for the tests of the published SDKs."""

from collections.abc import AsyncIterator, Iterator

import pytest
from e2b_code_interpreter import AsyncSandbox, Sandbox

from support.e2b_surface.recording import (  # noqa: F401 - hooks
    pytest_runtest_call,
    pytest_runtest_setup,
    pytest_sessionfinish,
)
from support.registries import DockerHub, docker_hub
from support.sandbox_server import SandboxServer


@pytest.fixture(scope="session")
def hub() -> Iterator[DockerHub]:
    """A registry that stands for Docker Hub, and others beside it."""
    with docker_hub() as it:
        yield it


@pytest.fixture(scope="session")
def hub_server(hub: DockerHub) -> Iterator[SandboxServer]:
    """A server that finds them."""
    server = SandboxServer((*hub.options, "--pool", "0"), hub.environment).start()
    yield server
    assert server.stop() == 0


@pytest.fixture
def sandbox(sandbox_server: SandboxServer) -> Iterator[Sandbox]:
    """A sandbox of one test's own, through the synchronous SDK."""
    sandbox = Sandbox.create(envs={"GLOBAL": "g"}, **sandbox_server.sdk)
    yield sandbox
    sandbox.kill()


@pytest.fixture
async def async_sandbox(sandbox_server: SandboxServer) -> AsyncIterator[AsyncSandbox]:
    """A sandbox of one test's own, through the asynchronous SDK."""
    sandbox = await AsyncSandbox.create(envs={"GLOBAL": "g"}, **sandbox_server.sdk)
    yield sandbox
    await sandbox.kill()
