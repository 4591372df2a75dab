"""The set of hostile programs is whole: every entry says what it tries, and who judges it."""

import re
from pathlib import Path

import pytest

from capibara6_sandbox.attack.oracles import ORACLES
from capibara6_sandbox.attack.output import Output
from capibara6_sandbox.attack.programs import LANGUAGES, Program, programs
from capibara6_sandbox.attack.questions import QUESTIONS

THREATS = (Path(__file__).parents[2] / "docs/THREAT_MODEL.md").read_text()


@pytest.mark.parametrize("program", programs(), ids=lambda program: program.id)
def test_an_entry_is_whole(program: Program) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", program.id)
    assert program.tries
    assert program.rows
    assert set(program.rows) <= set(range(1, 70))
    assert f"| {program.promise} |" in THREATS
    assert {oracle.partition(" ")[0] for oracle in program.oracles} <= set(ORACLES) | set(QUESTIONS)
    if program.language == "python":
        compile(program.code, program.id, "exec")


def test_the_set_covers_the_list_it_was_made_from() -> None:
    assert len(programs()) >= 100
    assert {row for program in programs() for row in program.rows} == set(range(1, 70))


def test_every_language_is_there() -> None:
    assert {program.language for program in programs()} == set(LANGUAGES)


async def test_output_is_searched_across_its_pieces_and_kept_in_part() -> None:
    output = Output(lambda text: ["found"] if "c6-secret-1" in text else [])
    for piece in ("x" * 100_000, "c6-sec", "ret-1", "\n@EPERM mount\n@he", "ld\n"):
        output.take(piece)
    assert output.leaks == {"found"}
    assert output.held.is_set()
    assert output.characters == 100_000 + 31
    assert len(output.head) == 65_536


async def test_what_a_program_says_it_met_is_kept_short_and_printable() -> None:
    output = Output(lambda _: [])
    output.take("@EPERM mount\n@OK \x1b[31mred\nplain\n@" + "y" * 1000 + "\n")
    assert output.met == ["EPERM mount", "y" * 160]
