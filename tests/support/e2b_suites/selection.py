"""A plugin of pytest: leaves out the tests of the list $LEFT_OUT, named as in JUnit's reports."""

import os
from pathlib import Path

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "LEFT_OUT" not in os.environ:
        return
    unwanted = set(Path(os.environ["LEFT_OUT"]).read_text().splitlines())
    left_out = [item for item in items if _name(item) in unwanted]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if _name(item) not in unwanted]


def _name(item: pytest.Item) -> str:
    path, *names = item.nodeid.split("::")
    module = path.removesuffix(".py").replace("/", ".")
    return f"{'.'.join([module, *names[:-1]])}::{names[-1]}"
