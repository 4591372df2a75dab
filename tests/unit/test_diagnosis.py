"""Failed attempts are named: real tracebacks of the sandbox's packages, and the limits."""

import json
import re
from pathlib import Path

import pytest

from capibara6.domain.executions import ExecutionError, ExecutionResult
from capibara6.domain.programs import Finding, Program
from capibara6.domain.requests import Column, DataFile, Request
from capibara6.repair import diagnose, diagnose_findings, diagnose_result
from capibara6.repair.kinds import KINDS
from capibara6.repair.phrases import PHRASES
from capibara6.repair.rules import RULES
from failing_programs import COLUMNS, FAILING, Failing

RECORDED = json.loads(Path(__file__).with_name("tracebacks.json").read_text(encoding="utf-8"))
FILMS = DataFile("films.csv", b"", tuple(Column(name, "text", 4) for name in COLUMNS))
REQUEST = Request("0" * 32, "What is the mean rating of the films?", (FILMS,))
PREGUNTA = Request("0" * 32, "¿Cuál es la nota media de las películas?", (FILMS,))


def result_of(name: str, value: str = "", traceback: str = "") -> ExecutionResult:
    return ExecutionResult(success=False, error=ExecutionError(name, value, traceback))


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize(("name", "failing"), FAILING.items(), ids=FAILING)
def test_a_real_failure_is_named(name: str, failing: Failing, language: str) -> None:
    result = result_of(**RECORDED[name])
    diagnosis = diagnose_result(result, Program(failing.code), REQUEST, language)
    said = f"{diagnosis.cause} {diagnosis.hint}"
    assert diagnosis.kind == failing.kind, said
    for word in failing.words:
        assert word in said
    assert not re.search(r"\{[a-z_]+\}", said)
    assert diagnosis.cause.endswith(".")
    assert len(said) < 1_200


def test_every_recorded_program_is_still_listed() -> None:
    assert RECORDED.keys() == FAILING.keys()


def test_every_class_is_known_and_has_words_in_both_languages() -> None:
    assert {failing.kind for failing in FAILING.values()} <= KINDS
    assert all(set(phrase) == {"en", "es"} for phrase in PHRASES.values())
    decided = {"import", "pandas_key", "plotly_column", "owned_attribute", "keyword", "frequency"}
    named = {rule.kind for rule in RULES} - decided - {"event_loop"}
    assert named <= KINDS
    assert {rule.phrase for rule in RULES} - decided <= PHRASES.keys()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Timeout", "timeout"),
        ("OutOfMemory", "out_of_memory"),
        ("SandboxDied", "killed_kernel"),
        ("KernelDied", "killed_kernel"),
        ("OutputLimit", "output_limit"),
        ("KeyboardInterrupt", "interrupted"),
    ],
)
def test_a_limit_is_named(name: str, kind: str) -> None:
    diagnosis = diagnose_result(result_of(name, "The limit."), Program("1"), REQUEST, "en")
    assert diagnosis.kind == kind
    assert diagnosis.hint


def test_a_timeout_of_the_network_is_the_networks() -> None:
    frames = 'File "/opt/template/lib/python3.11/site-packages/requests/adapters.py"'
    result = result_of("Timeout", "timed out", frames)
    assert diagnose_result(result, Program("1"), REQUEST, "en").kind == "network_denied"


def test_a_notebooks_event_loop_is_explained() -> None:
    value = "asyncio.run() cannot be called from a running event loop"
    diagnosis = diagnose_result(result_of("RuntimeError", value), Program("1"), REQUEST, "es")
    assert "await" in diagnosis.hint


def test_the_line_of_the_program_is_quoted() -> None:
    failing = FAILING["column"]
    diagnosis = diagnose_result(
        result_of(**RECORDED["column"]), Program(failing.code), REQUEST, "es"
    )
    assert diagnosis.cause == (
        "No existe la columna 'US_Gross'. Quizá 'US Gross' (línea 4: `films['US_Gross'].mean()`)."
    )
    assert diagnosis.hint.startswith("Las columnas son: 'Title', 'US Gross'")


def test_colours_are_no_part_of_it() -> None:
    coloured = "\x1b[31mKeyError\x1b[39m  Cell \x1b[32mIn[1]\x1b[39m\x1b[32m, line 1\x1b[39m"
    result = result_of("ZeroDivisionError", "\x1b[31mdivision by zero\x1b[0m", coloured)
    diagnosis = diagnose_result(result, Program("1 / 0"), REQUEST, "en")
    assert diagnosis.cause == "Something is divided by zero (line 1: `1 / 0`)."


def test_the_question_decides_the_language() -> None:
    result = result_of(**RECORDED["division"])
    program = Program("1 / 0")
    assert "Se divide" in diagnose(program, result, (), PREGUNTA).cause
    assert "divided" in diagnose(program, result, (), REQUEST).cause
    assert "divided" in diagnose(program, result, (), PREGUNTA, "en").cause
    assert "divided" in diagnose(program, result, (), PREGUNTA, "fr").cause


def test_without_files_the_columns_are_said_to_be_unknown() -> None:
    bare = Request("0" * 32, "mean")
    diagnosis = diagnose_result(result_of(**RECORDED["column"]), Program(""), bare, "en")
    assert diagnosis.kind == "unknown_column"
    assert "print(df.columns)" in diagnosis.hint


def test_a_million_columns_stay_bounded() -> None:
    columns = tuple(Column(f"column number {n}", "text", 1) for n in range(100_000))
    wide = Request("0" * 32, "mean", (DataFile("wide.csv", b"", columns),))
    diagnosis = diagnose_result(result_of(**RECORDED["column"]), Program(""), wide, "en")
    assert len(diagnosis.hint) < 800
    assert diagnosis.hint.endswith("….")


def test_stderr_speaks_where_there_is_no_error() -> None:
    stderr = "Traceback…\nValueError: could not convert string to float: '1,5'\n"
    result = ExecutionResult(success=False, stderr=stderr)
    assert diagnose_result(result, Program("1"), REQUEST, "en").kind == "bad_value"
    lost = ExecutionResult(success=False, stderr="line 1: foo: command not found\n")
    diagnosis = diagnose_result(lost, Program("foo", "bash"), REQUEST, "en")
    assert diagnosis.kind == "other"
    assert "command not found" in diagnosis.cause
    assert diagnose_result(ExecutionResult(False), Program(""), REQUEST, "es").kind == "other"


@pytest.mark.parametrize(
    ("finding", "kind", "words"),
    [
        (Finding("F821", "Undefined name `totl`", 2, 1, "total"), "name", ("'totl'", "`total`")),
        (Finding("F821", "Undefined name `zz`", 2, 1), "name", ("'zz'",)),
        (Finding("F823", "Local variable `x` referenced…", 2, 1), "name", ("'x'",)),
        (Finding("E999", "Expected an expression", 2, 5), "syntax", ("Expected an expression",)),
        (Finding("F706", "`return` outside function", 2, 5), "syntax", ("return",)),
        (Finding("syntax", "SyntaxError: {odd}", 9, 1), "syntax", ("{odd}",)),
    ],
)
@pytest.mark.parametrize("language", ["en", "es"])
def test_findings_are_named(
    finding: Finding, kind: str, words: tuple[str, ...], language: str
) -> None:
    program = Program("a = {'b': 1}\nprint(totl)")
    diagnosis = diagnose_findings((finding,), program, language)
    assert diagnosis.kind == kind
    assert all(word in f"{diagnosis.cause} {diagnosis.hint}" for word in words)
    assert diagnosis == diagnose(program, None, (finding,), REQUEST, language)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "{missing} {0}",
        "x" * 500_000,
        "'" * 10_000,
        "\ud800 \x00",
        "[" * 9_999,
        "' not in index",
    ],
)
@pytest.mark.parametrize("name", ["KeyError", "ValueError", "TypeError", "OddError", "", "OSError"])
def test_odd_errors_end_in_a_diagnosis(name: str, value: str) -> None:
    result = result_of(name, value, f"/site-packages/pandas/core/frame.py\n{value}")
    diagnosis = diagnose_result(result, Program("x"), REQUEST, "es")
    assert diagnosis.kind in KINDS
    assert len(diagnosis.cause) < 2_000


TRACE = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\n    code()\n'


@pytest.mark.parametrize(
    ("stderr", "kind"),
    [
        (f"{TRACE}zipfile.BadZipFile: File is not a zip file\n", "file_format"),
        (f"{TRACE}StopIteration\n", "index"),
        (f"{TRACE}AssertionError\n", "assertion"),
        (f"{TRACE}KeyError: 'a'\n\n{TRACE}SystemExit: 3\n", "exit"),
        (
            f"{TRACE}ValueError: Expected 2D array, got 1D:\narray=[1].\nReshape your data\n",
            "shape",
        ),
        ("Killed\n", "out_of_memory"),
        ("the command timed out after 10 s", "timeout"),
        ("cat: x.csv: No such file or directory", "missing_file"),
        ("  indented\nDone\n", "other"),
    ],
)
def test_error_output_alone_is_understood(stderr: str, kind: str) -> None:
    result = ExecutionResult(success=False, stderr=stderr)
    assert diagnose_result(result, Program("x"), REQUEST, "en").kind == kind
