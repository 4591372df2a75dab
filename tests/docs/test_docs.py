"""What the documentation says exists: commands, links, settings, numbers, errors, tests."""

import importlib
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from capibara6.api.application import application
from capibara6.api.status import status_of_code
from capibara6.cli import exit_codes
from capibara6.cli.commands import app
from capibara6.config import load_settings
from capibara6.config.loading import packaged_values
from capibara6.config.settings import Settings
from capibara6.errors import CapibaraError
from capibara6.store import states as store_states
from capibara6_sandbox.host import states as host_states
from capibara6_sandbox.isolation.limits import MIB
from capibara6_sandbox.templates.catalog import TEMPLATES

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "README.es.md")
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md")
    for path in ROOT.glob(pattern)
    if path.is_file()
)
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "docs/ARCHITECTURE.md").read_text()
SPECIFICATION = (ROOT / "docs/SPECIFICATION.md").read_text()
THREATS = (ROOT / "docs/THREAT_MODEL.md").read_text()


def rows(text: str, columns: int) -> Iterator[list[str]]:
    """Yield the cells of every table row that has so many columns, without the heads."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == columns and "---" not in cells[0]:
            yield cells


def code_words(text: str, pattern: str) -> set[str]:
    return set(re.findall(pattern, text, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    local = [target for target in targets if not target.startswith(("http://", "https://"))]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert code_words(page.read_text(), r"(?:`|^    )make ([a-z-]+)") <= targets


@pytest.mark.parametrize("name", READMES)
def test_every_command_is_documented_and_exists(name: str) -> None:
    group: Any = typer.main.get_command(app)
    commands = {
        f"{command} {below}".strip()
        for command, found in group.commands.items()
        for below in getattr(found, "commands", [""])
    }
    table = code_words((ROOT / name).read_text(), r"^\| `capibara6 ([a-z-]+(?: [a-z-]+)?)")
    assert table == commands


@pytest.mark.parametrize("name", READMES)
def test_every_exit_status_is_documented(name: str) -> None:
    known = {str(status) for status in vars(exit_codes).values() if isinstance(status, int)}
    assert code_words((ROOT / name).read_text(), r"^\| (\d+) \|") == known


@pytest.mark.parametrize("name", READMES)
def test_every_address_of_the_api_is_documented(name: str) -> None:
    paths: dict[str, dict[str, Any]] = application(load_settings(), None).openapi()["paths"]  # type: ignore[arg-type]
    served = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert code_words((ROOT / name).read_text(), r"`((?:GET|POST) /[^`]+)`") == served


@pytest.mark.parametrize("name", READMES)
def test_every_setting_is_documented(name: str) -> None:
    settings = (ROOT / name).read_text().split("\n## Conf", 1)[1].split("\n## ", 1)[0]
    assert code_words(settings, r"^\| `(\w+)` \|") == set(Settings.model_fields)


def test_both_readmes_tell_the_same() -> None:
    english, spanish = ((ROOT / name).read_text() for name in READMES)
    levels = [re.findall(r"^#+ ", text, re.MULTILINE) for text in (english, spanish)]
    assert levels[0] == levels[1]
    for pattern in (r"```.*?```", r"(?m)^    .+$"):
        blocks = [
            re.findall(pattern, text, re.DOTALL if "```" in pattern else 0)
            for text in (english, spanish)
        ]
        assert [_without_comment(block) for block in blocks[0]] == [
            _without_comment(block) for block in blocks[1]
        ]
    assert _numbers(english) == _numbers(spanish)


def _without_comment(block: str) -> str:
    return block.partition(" # ")[0].rstrip()


def _numbers(readme: str) -> list[list[str]]:
    """Return the figures of the speed table."""
    return [
        cells[1:] for cells in rows(readme, 4) if all(map(re.compile("[0-9–]").match, cells[1:]))
    ]


def test_the_architecture_names_files_that_exist() -> None:
    sources = [f"/{path.relative_to(ROOT)}" for path in (ROOT / "src").rglob("*.py")]
    named = code_words(ARCHITECTURE, r"`([\w/]+\.py)`")
    assert [name for name in named if not any(s.endswith(f"/{name}") for s in sources)] == []


def test_the_module_map_has_every_folder_of_platform_and_server() -> None:
    source = ROOT / "src"
    files = [*source.glob("capibara6/*/*.py"), *source.glob("capibara6_sandbox/*/*.py")]
    folders = {str(path.parent.relative_to(source)) for path in files}
    mapped = code_words(ARCHITECTURE.partition("## Module map")[2], r"`(capibara6\w*/\w+)")
    assert folders - mapped == set()


def test_numbers_of_the_specification_are_those_of_the_code() -> None:
    wrong, checked = {}, 0
    for what, value, place, _ in rows(SPECIFICATION, 4):
        if "`" not in place:
            continue
        checked += 1
        actual = _value(place.strip("`"))
        if float(value) != float(actual):
            wrong[what] = actual
    assert wrong == {}
    assert checked > 20


def _value(place: str) -> Any:
    module, _, name = place.partition(":")
    if name:
        return getattr(importlib.import_module(module), name)
    section, _, key = place.partition(".")
    return packaged_values()[section][key]


def test_limits_of_the_settings_are_all_specified() -> None:
    named = code_words(SPECIFICATION, r"`limits\.(\w+)`")
    assert named == set(packaged_values()["limits"])


def test_templates_are_those_of_the_catalog() -> None:
    documented = {
        cells[0].strip("`"): [float(cell) for cell in cells[1:]]
        for cells in rows(SPECIFICATION, 6)
        if cells[0].startswith("`")
    }
    assert documented == {
        name: [
            template.timeout_s,
            template.limits.memory_bytes / MIB,
            template.limits.cpus,
            template.limits.processes,
            template.limits.disk_bytes / MIB,
        ]
        for name, template in TEMPLATES.items()
    }


def test_states_and_their_steps_are_those_of_the_code() -> None:
    kinds = {
        "sandbox": (host_states, host_states.State),
        "build of a template": (host_states, host_states.BuildState),
        "snapshot": (host_states, host_states.SnapshotState),
        "run of the platform": (store_states, store_states.RunState),
        "attempt of a run": (store_states, store_states.AttemptState),
    }
    documented = {
        (cells[0], cells[1].strip("`")): (cells[2] == "yes", cells[3])
        for cells in rows(SPECIFICATION, 5)
        if cells[0] in kinds
    }
    assert documented == {
        (name, str(state)): (
            state in table.BEGINNINGS[kind],
            ", ".join(sorted(f"`{after}`" for after in table.TRANSITIONS[kind][state])),
        )
        for name, (table, kind) in kinds.items()
        for state in kind
    }
    for table in (host_states, store_states):
        assert {kind for named, kind in kinds.values() if named is table} == set(table.TRANSITIONS)


def test_every_error_is_documented_with_its_statuses() -> None:
    kinds = _tree(CapibaraError)
    documented = {
        cells[0].strip("`"): (int(cells[1]), int(cells[2]))
        for cells in rows(SPECIFICATION, 4)
        if cells[0].startswith("`") and cells[1].isdecimal()
    }
    assert documented == {
        kind.code: (status_of_code(kind.code), exit_codes.of_error(kind)) for kind in kinds
    }


def _tree(root: type[CapibaraError]) -> list[type[CapibaraError]]:
    return [root, *(kind for child in root.__subclasses__() for kind in _tree(child))]


@pytest.mark.parametrize("text", [SPECIFICATION, THREATS], ids=["SPECIFICATION", "THREAT_MODEL"])
def test_named_tests_exist(text: str) -> None:
    named = re.findall(r"`(tests/\S+?\.py)::(\w+)`", text)
    missing = [
        (path, test)
        for path, test in named
        if not (ROOT / path).exists() or f"def {test}(" not in (ROOT / path).read_text()
    ]
    assert missing == []
    assert named


def test_every_threat_has_its_tests() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests/security").glob("test_*.py"))
    marked = set(re.findall(r'mark\.threat\("(T-[A-Z]+-\d+)"\)', tests))
    assert code_words(THREATS, r"^\| (T-[A-Z]+-\d+) \|") == marked


def test_the_page_of_system_calls_is_that_of_the_code() -> None:
    script = runpy.run_path(str(ROOT / "scripts/system_calls.py"))
    assert script["PAGE"].read_text() == script["page"](), "run `python scripts/system_calls.py`"
