"""docs/HOSTILE_PROGRAMS.md is of today's programs and layers, and says what was measured."""

import pytest

from capibara6_sandbox.attack.programs import programs
from support import hostile_page as pages
from support.walls_off import LAYERS, LIMITS

AGAIN = "run `make hostile`"


def test_the_page_is_what_was_measured() -> None:
    assert pages.PAGE.read_text() == pages.page(pages.read()), AGAIN


def test_what_was_measured_is_of_todays_programs_and_layers() -> None:
    results = pages.read()
    known = {program.id for program in programs()}
    assert {name for found in results.values() for name in found} <= known, AGAIN
    whole = (pages.ALL, pages.NONE, pages.ALL_LIMITS)
    layers = {name.partition(" ")[2] for name in results if name not in whole}
    bounds = {f"the limits of {kind}" for kind in LIMITS}
    assert layers <= {*LAYERS, *bounds}, AGAIN
    assert {f"without {layer}" for layer in (*LAYERS, *bounds)} <= results.keys(), AGAIN


def test_with_all_layers_nothing_got_anywhere() -> None:
    results = pages.read()
    assert [p.id for p in pages.measured() if pages.broke_out(results, pages.ALL, p)] == []
    assert [p.id for p in pages.limited() if results[pages.ALL_LIMITS][p.id]] == []


def test_without_cgroups_a_machine_is_at_the_mercy_of_its_programs() -> None:
    results = pages.read()
    assert any(results["without the limits of cgroups"].values())


@pytest.mark.parametrize(
    "layer",
    ["root file system", "PID namespace", "network namespace", "seccomp", "egress process"],
)
def test_a_layer_is_seen_to_stop_something(layer: str) -> None:
    results = pages.read()
    programs_shown = [p for p in pages.measured() if pages.broke_out(results, pages.NONE, p)]
    assert [p for p in programs_shown if layer in pages.needed(results, p)]
