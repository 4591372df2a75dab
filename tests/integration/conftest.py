"""Fixtures that several integration tests share."""

import pytest

from support.envd_server import running_envd


@pytest.fixture(scope="module")
def envd(tmp_path_factory):
    with running_envd(tmp_path_factory.mktemp("agent") / "socket") as server:
        yield server
