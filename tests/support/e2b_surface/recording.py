"""Hooks of pytest for tests/compat: each test has to call what the table says it does."""

import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest

from support.e2b_surface import claims, python_methods

RECORD: Final = "E2B_SURFACE_RECORD"  # a variable that names the file for what the tests call
_STALE: Final = "{test} is said to call {missing}, and does not: run `make compatibility`"
_calls: Final[dict[str, set[claims.Method]]] = {}


def hold(test: str, called: set[claims.Method]) -> None:
    """Fail if a test has not called what it is said to call; note what it has called."""
    _calls[test] = called
    missing = claims.of_test(test) - called
    if missing and RECORD not in os.environ:
        pytest.fail(_STALE.format(test=test, missing=sorted(missing)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, object, object]:
    """Begin before a test's fixtures."""
    python_methods.record()
    python_methods.begin()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Hold a test that has passed to what the table says."""
    result = yield
    hold(item.nodeid, python_methods.called())
    return result


def pytest_sessionfinish() -> None:
    """Write what the tests have called, where that is asked for."""
    if RECORD in os.environ:
        told = {test: sorted(called) for test, called in _calls.items()}
        Path(os.environ[RECORD]).write_text(json.dumps(told))
