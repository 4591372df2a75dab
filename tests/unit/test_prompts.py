"""What models are told: everything they need, in the question's language, within the budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara6.codegen.prompts import CHARS_PER_TOKEN, build_messages
from capibara6.codegen.wording import Wording, wording
from capibara6.domain.executions import ExecutionError, ExecutionResult
from capibara6.domain.programs import Diagnosis, Failure, Finding, Program
from capibara6.domain.requests import Column, DataFile, Request, Route

COLUMNS = (
    Column("US Gross", "number", 900, ("146083", "10876")),
    Column('odd "name"\n', "date", 3, ("31/01/2024",)),
)
FILMS = DataFile("films.csv", b"Title;US Gross\nSlam;1.087.521\n", COLUMNS)


def request_of(question: str = "What is the mean gross?", *files: DataFile) -> Request:
    return Request("0" * 32, question, files)


def route_of(language: str = "en") -> Route:
    return Route("describe", "default", "balanced", language, 1.0)


def prompt(request: Request, language: str = "en", failure: Failure | None = None) -> str:
    messages = build_messages(request, route_of(language), failure, 8_000)
    return "\n".join(message["content"] for message in messages)


def test_question_files_columns_and_first_lines_are_told() -> None:
    text = prompt(request_of("What is the mean gross?", FILMS))
    assert "What is the mean gross?" in text
    assert '"/home/user/films.csv" (CSV, 30 B)' in text
    assert '- "US Gross" (number, 900 distinct in the sample; e.g. "146083", "10876")' in text
    assert r'- "odd \"name\"\n" (date' in text
    assert "Slam;1.087.521" in text


def test_spanish_questions_get_spanish_prompts() -> None:
    text = prompt(request_of("¿Cuál es la recaudación media?", FILMS), "es")
    assert "en español" in text
    assert "900 distintos" in text
    assert "número" in text
    assert "Question" not in text


def test_another_language_reads_english() -> None:
    assert wording("fr") is wording("en")


def test_both_languages_have_the_same_fields() -> None:
    def fields(words: Wording) -> list[int]:
        names = [name for name in Wording.__slots__ if name not in ("rules", "kinds")]
        return [str(getattr(words, name)).count("{") for name in names]

    assert fields(wording("es")) == fields(wording("en"))
    assert wording("es").kinds.keys() == wording("en").kinds.keys()


def test_no_files_and_unprofiled_files() -> None:
    assert "Data:" not in prompt(request_of())
    binary = DataFile("x.parquet", b"PAR1\x00\x01" * 10)
    text = prompt(request_of("?", binary))
    assert "PARQUET, 60 B" in text
    assert "columns are not known" in text
    assert "PAR1" not in text


FAILURE = Failure(
    Program("print(films['Gross'])\n"),
    Diagnosis("unknown_column", "There is no column 'Gross'.", "Use {US Gross}."),
    ExecutionResult(
        success=False,
        stdout="reading\n" * 200,
        error=ExecutionError("KeyError", "'Gross'", "\x1b[31mTraceback\x1b[0m\nKeyError: 'Gross'"),
    ),
)


@pytest.mark.parametrize(("language", "word"), [("en", "failed"), ("es", "falló")])
def test_a_repair_tells_program_class_cause_hint_and_traceback(language: str, word: str) -> None:
    text = prompt(request_of("?", FILMS), language, FAILURE)
    for told in ("```python\nprint(films['Gross'])\n```", "unknown_column", "Use {US Gross}."):
        assert told in text
    assert "Traceback\nKeyError: 'Gross'" in text
    assert word in text
    assert "\x1b" not in text
    assert text.count("reading") < 100


def test_a_repair_after_validation_tells_the_findings() -> None:
    findings = (Finding("F821", "Undefined name `totl`", 3, 7, "total"),)
    failure = Failure(Program("…"), Diagnosis("name", "c", "h"), None, findings)
    text = prompt(request_of(), "es", failure)
    assert "- línea 3, columna 7: Undefined name `totl` (F821); quizá total" in text
    assert "no se ejecutó" in text


@given(
    question_chars=st.integers(0, 30_000),
    columns=st.integers(0, 400),
    files=st.integers(0, 4),
    code_lines=st.integers(0, 800),
    tokens=st.integers(0, 20_000),
    repair=st.booleans(),
    language=st.sampled_from(["en", "es"]),
)
def test_the_budget_holds(
    question_chars: int,
    columns: int,
    files: int,
    code_lines: int,
    tokens: int,
    repair: bool,
    language: str,
) -> None:
    many = tuple(Column(f"column {n}", "text", n, ("x" * 40,) * 3) for n in range(columns))
    data = tuple(DataFile(f"file{n}.csv", b"a,b\n" * 900, many) for n in range(files))
    program = Program("x = 1\n" * code_lines)
    error = ExecutionError("KeyError", "x" * 5_000, "frame\n" * 5_000)
    failure = Failure(program, Diagnosis("other", "c", "h"), ExecutionResult(False, error=error))
    messages = build_messages(
        request_of("?" * question_chars, *data),
        route_of(language),
        failure if repair else None,
        tokens,
    )
    chars = sum(len(message["content"]) for message in messages)
    least = len(wording(language).rules) + 1_500
    slack = 200 * (files + 1) + 600 * repair  # what is never left out: a file's name, a column
    assert chars <= max(tokens * CHARS_PER_TOKEN, least) + slack


def test_what_was_left_out_is_told() -> None:
    many = tuple(Column(f"column {n}", "text", n) for n in range(5_000))
    request = request_of("?" * 9_000, DataFile("wide.csv", b"", many))
    text = "\n".join(m["content"] for m in build_messages(request, route_of(), None, 3_000))
    assert "more columns" in text
    assert "[…cut…]" in text


def test_lone_surrogates_can_be_sent() -> None:
    odd = DataFile("\udcff.csv", b"", (Column("\ud800", "text", 1),))
    prompt(request_of("\ud800?", odd)).encode("utf-8")
