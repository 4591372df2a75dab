"""A template is another one when its host has gained a language."""

from pathlib import Path

import pytest

from capibara6_sandbox.templates import build, skeleton
from capibara6_sandbox.templates.catalog import BASE


def test_the_key_names_the_languages_that_the_host_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = set()
    for missing in ([], ["r"], ["java"], ["r", "java"]):
        monkeypatch.setattr(build, "missing_languages", lambda missing=missing: missing)
        keys.add(build._digest(BASE))
    assert len(keys) == 4


def test_a_language_is_there_when_its_settings_are(tmp_path: Path) -> None:
    assert skeleton.missing_languages(tmp_path) == ["r", "java"]
    (tmp_path / "R").mkdir()
    assert skeleton.missing_languages(tmp_path) == ["java"]
    (tmp_path / "java-17-openjdk").mkdir()
    assert skeleton.missing_languages(tmp_path) == []
