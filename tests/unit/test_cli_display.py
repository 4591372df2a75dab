"""What the command line shows and keeps of a run."""

import io
import json
import string
import sys

import pytest
from rich.console import Console

from capibara6.cli.narration import Narrator, folded
from capibara6.cli.run_folder import plain_name, save_run
from capibara6.cli.terminal import environment_language, visible
from capibara6.domain import events as ev
from capibara6.domain.executions import (
    Artefact,
    ExecutionError,
    ExecutionResult,
    OutputChunk,
    ResultItem,
    Usage,
)
from capibara6.domain.programs import Diagnosis, Finding, Program
from capibara6.domain.requests import DataFile, Request, Route
from capibara6.outcomes import Outcome
from capibara6.texts import LANGUAGES, TEXTS, say
from capibara6.views import event_name, event_view, view

RUN = "1" * 32
ROUTE = Route("group", "default", "fast", "es", 0.5, ("porque sí",))


def shown(*events, terminal=False):
    stream = io.StringIO()
    console = Console(file=stream, width=200, highlight=False, force_terminal=terminal)
    narrator = Narrator(console, "en")
    for event in events:
        narrator.show(event)
    return stream.getvalue()


@pytest.mark.parametrize("key", TEXTS)
def test_every_text_exists_in_both_languages_with_the_same_fields(key):
    fields = [
        {name for _, name, _, _ in string.Formatter().parse(TEXTS[key][language]) if name}
        for language in LANGUAGES
    ]
    assert set(TEXTS[key]) == set(LANGUAGES)
    assert fields[0] == fields[1]


def test_an_unknown_language_reads_english():
    assert say("answer", "fr") == "Answer"


def test_candidates_are_told_with_what_they_did_and_why_one_won():
    tried = ev.CandidateTried(RUN, 1, 1, None, success=False, shown="KeyError:\n 'x'")
    other = ev.CandidateTried(
        RUN, 1, 2, None, success=True, shown="7\x1b[2J", sandbox_id="s", forked=True, examples=2
    )
    chosen = ev.CandidateChosen(RUN, 1, 2, 5, 2, kept=True, ground="only", reason="no other runs")
    text = shown(tried, other, chosen)
    assert "✗ candidate 1: KeyError: 'x' (0.00 s, not run)" in text
    assert "✓ candidate 2: 7" in text
    assert "0 of 2 examples (0.00 s, live fork)" in text
    assert "Candidate 2 of 5 is kept: no other runs" in text
    assert "\x1b" not in text


def test_a_run_is_told_in_the_language_of_the_question():
    text = shown(
        ev.Routed(RUN, ROUTE),
        ev.ProgramWritten(RUN, 1, Program("print(1)", origin="model:m")),
        ev.Validated(RUN, 1, (Finding("F821", "undefined name 'x'", 3, 1),)),
        ev.RepairStarted(RUN, 1, Diagnosis("undefined", "No hay x.", "Define x."), "balanced"),
        ev.ExecutionStarted(RUN, 2, "sbx", "default"),
        ev.Output(RUN, 2, OutputChunk("stdout", "uno")),
        ev.ExecutionFinished(RUN, 2, ExecutionResult(True, usage=Usage(1.5, 0.25, 64 << 20))),
        ev.RunFinished(RUN, True, "cuarenta y dos", 2, 2.0),
    )

    for expected in (
        "Ruta: group → fast (plantilla default, confianza 50%)",
        "  · porque sí",
        "Programa (intento 1, model:m)\n  print(1)",
        "línea 3: undefined name 'x'",
        "El intento 1 falló (undefined): No hay x. Define x. Sigue: balanced.",
        "uno\nDuró 1.50 s, 0.25 s de CPU, como máximo 64 MiB",
        "Respuesta\ncuarenta y dos",
    ):
        assert expected in text


def test_a_failed_run_shows_its_traceback_and_its_code():
    error = ExecutionError("KeyError", "'x'", "Traceback: KeyError 'x'")
    text = shown(
        ev.ExecutionFinished(RUN, 1, ExecutionResult(False, error=error)),
        ev.RunFinished(RUN, False, "", 1, 1.0, "program_failed", "It failed."),
    )

    assert "Traceback: KeyError 'x'" in text
    assert "It failed. [program_failed]" in text


def test_what_a_program_prints_cannot_steer_the_terminal():
    attack = "\x1b]0;owned\x07\x1b[2J\x9b31mred\r[bold]x"
    text = shown(
        ev.ProgramWritten(RUN, 1, Program(f"print('{attack}')", origin=attack)),
        ev.Output(RUN, 1, OutputChunk("stdout", attack)),
        ev.ResultShown(RUN, 1, ResultItem({"e2b/data": {attack: [attack]}})),
        ev.ResultShown(RUN, 1, ResultItem({"text/plain": attack})),
        ev.RunFinished(RUN, True, attack, 1, 1.0),
    )

    assert not any(sign in text for sign in "\x1b\x07\x9b\r")
    assert text.count("[bold]x") >= 5  # and is no markup of ours


def test_a_table_is_shown_in_part_and_says_so():
    data = {f"c{i}": list(range(50)) for i in range(12)}
    text = shown(ev.ResultShown(RUN, 1, ResultItem({"e2b/data": data})))

    assert "… 30 more rows, 2 more columns" in text
    assert "c9" in text
    assert "c10" not in text


def test_a_ragged_table_and_an_odd_one_are_shown():
    text = shown(
        ev.ResultShown(RUN, 1, ResultItem({"e2b/data": {"a": [1, 2], "b": [3], "c": "no list"}})),
        ev.ResultShown(RUN, 1, ResultItem({"e2b/data": {}})),
        ev.ResultShown(RUN, 1, ResultItem({"image/png": "aGk="})),
    )

    assert "[chart: image/png]" in text


def test_a_long_program_is_folded_in_the_middle():
    code = "\n".join(f"line_{i}" for i in range(300))

    text = folded(code, "en")

    assert "… 220 lines more" in text
    assert text.startswith("line_0\n")
    assert text.endswith("\nline_299")
    assert folded("short", "en") == "short"


def test_visible_keeps_text_of_every_script():
    assert visible("ñandú 東京 😀\t\n") == "ñandú 東京 😀\t\n"


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("a.png", "a.png"),
        ("/home/user/out/a.png", "a.png"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\x.txt", "x.txt"),
        (".bashrc", "bashrc"),
        ("..", "file"),
        ("", "file"),
        ("a\nb\x1b.txt", "a_b_.txt"),
        ("ñ" * 300, "ñ" * 100),
    ],
)
def test_artefacts_stay_in_their_folder(name, plain):
    assert plain_name(name) == plain


def test_a_run_folder_holds_everything_under_names_of_its_own(tmp_path):
    artefacts = [
        Artefact("a.png", "image/png", b"1"),
        Artefact("x/a.png", "image/png", b"2"),
        Artefact("run.json", "application/json", b"3"),
    ]

    saved = save_run(tmp_path / "run", artefacts, {"answer": "ñ"})

    assert [file.read_bytes() for file in saved] == [b"1", b"2", b"3"]
    assert len(set(saved)) == 3
    assert json.loads((tmp_path / "run" / "run.json").read_text()) == {"answer": "ñ"}
    assert (tmp_path / "run").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("value", "language"),
    [("es_ES.UTF-8", "es"), ("C.UTF-8", "en"), ("de_DE", "en"), ("", "en")],
)
def test_the_session_decides_where_no_question_does(monkeypatch, value, language):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", value)

    assert environment_language() == language


def test_views_are_json_without_contents():
    request = Request(RUN, "q", (DataFile("a.csv", b"secret"),))
    result = ExecutionResult(
        True,
        results=(ResultItem({"e2b/data": {"x": [1.0, float("nan"), float("inf")]}}),),
        artefacts=(Artefact("f", "text/plain", b"secret"),),
    )

    shown = [event_view(ev.RunStarted(RUN, request)), view(result)]
    text = json.dumps(shown, allow_nan=False)

    assert "secret" not in text
    assert shown[0]["request"]["files"][0]["size_bytes"] == 6
    assert shown[1]["results"][0]["data"]["e2b/data"]["x"] == [1.0, None, None]


def test_event_names_are_words_with_underscores():
    assert event_name(ev.ExecutionFinished) == "execution_finished"


def test_an_outcome_gathers_every_attempt():
    outcome = Outcome()
    bad = ExecutionResult(False, error=ExecutionError("E", "v", "t"))
    for event in (
        ev.RunStarted(RUN, Request(RUN, "q")),
        ev.Routed(RUN, ROUTE),
        ev.ProgramWritten(RUN, 1, Program("a")),
        ev.ExecutionFinished(RUN, 1, bad),
        ev.RepairStarted(RUN, 1, Diagnosis("k", "c", "h"), "fast"),
        ev.ProgramWritten(RUN, 2, Program("b")),
        ev.ExecutionFinished(RUN, 2, ExecutionResult(True, stdout="42")),
        ev.RunFinished(RUN, True, "42", 2, 1.0),
    ):
        outcome.add(event)

    record = outcome.as_json()

    assert [attempt["program"]["code"] for attempt in record["attempts"]] == ["a", "b"]
    assert record["attempts"][0]["diagnosis"]["kind"] == "k"
    assert (record["success"], record["answer"], record["error"]) == (True, "42", None)


def test_the_command_line_imports_no_heavy_module():
    import subprocess

    code = "import capibara6.cli.commands, sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env={"PYTHONPATH": ":".join(filter(None, sys.path))})  # fmt: skip

    loaded = set(done.stdout.split())
    assert not loaded & {"fastapi", "sqlalchemy", "e2b", "openai", "pydantic", "httpx", "rich"}
