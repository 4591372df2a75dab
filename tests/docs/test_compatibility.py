"""docs/E2B_COMPATIBILITY.md says what the SDKs have, what tests call, and nothing else."""

import re
from pathlib import Path

import pytest

from support.e2b_surface import claims, page, python_methods

ROOT = Path(__file__).parents[2]
AGAIN = "run `make compatibility`"


def test_every_method_of_the_python_sdk_is_in_the_table() -> None:
    known = {method for method in claims.read() if method[0].startswith("python")}
    assert known == python_methods.methods(), AGAIN


def test_every_method_is_tested_or_its_difference_is_declared() -> None:
    differences = claims.differences()
    untold = [
        method
        for method, test in claims.read().items()
        if not test and not page.concerning(method, differences)
    ]
    assert untold == [], f"add a test and {AGAIN}, or declare it in {claims.DIFFERENCES.name}"


@pytest.mark.parametrize("test", sorted({test for test in claims.read().values() if test}))
def test_a_test_of_the_table_exists(test: str) -> None:
    path, _, name = test.partition("::")
    source = (ROOT / path).read_text()
    pattern = rf"def {re.escape(name.partition('[')[0])}\("
    if path.endswith(".mjs"):
        pattern = rf"^test\('{re.escape(name)}',"
    assert re.search(pattern, source, re.MULTILINE), AGAIN


def test_every_difference_is_of_a_method_that_exists() -> None:
    known = {page.of_python(method) for method in claims.read()}
    groups = {f"{name.rpartition('.')[0]}.*" for name in known}
    declared = {name for one in claims.differences() for name in one.methods}
    assert declared <= known | groups


def test_the_page_is_what_the_script_writes() -> None:
    text = page.page(claims.read(), claims.differences(), page.versions())
    assert (ROOT / "docs/E2B_COMPATIBILITY.md").read_text() == text, "run `make compatibility`"
