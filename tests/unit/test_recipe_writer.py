import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import capibara6.codegen.recipes as recipes_package
from capibara6.codegen.profiling import profile_file
from capibara6.codegen.recipes import RecipeWriter
from capibara6.codegen.recipes.choices import CHOOSERS
from capibara6.codegen.recipes.literals import literal
from capibara6.codegen.recipes.localisation import localise
from capibara6.domain.executions import ExecutionError, ExecutionResult
from capibara6.domain.programs import Diagnosis, Failure, Program
from capibara6.domain.requests import DataFile, Request, Route
from capibara6.errors import NoRecipeError
from messy_tables import sensors, strikes, ventas

PROGRAMS = Path(recipes_package.__file__).parent / "programs"
TABLES = {table.name: table for table in (strikes(), ventas(), sensors())}


async def write(
    question: str, task: str, language: str = "en", name: str = "birdstrikes.csv",
    failure: Failure | None = None,
) -> tuple[str, Program]:  # fmt: skip
    request = Request("0" * 32, question, (profile_file(name, TABLES[name].content),))
    route = Route(task, "data_analysis", "recipe", language, 1.0)
    *texts, program = [i async for i in RecipeWriter().write(request, route, failure)]
    return "".join(texts), program


def failed(program: Program, kind: str, error: ExecutionError) -> Failure:
    result = ExecutionResult(success=False, error=error)
    return Failure(program, Diagnosis(kind, "the cause", "a hint"), result)


async def test_sentence_then_program() -> None:
    text, program = await write("Total cost by state", "group")
    assert text.startswith("No model was used: the recipe “group” answers")
    assert "Origin State" in text
    assert (program.origin, program.tier, program.language) == ("recipe:group", "recipe", "python")
    assert program.parameters["VALUE"] == "Cost Total $"
    assert 'FILE = "/home/user/birdstrikes.csv"' in program.code


def names_of(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("task", [task for task in CHOOSERS if task != "visualization"])
async def test_programs_are_whole_and_in_one_language(task: str, language: str, table: str) -> None:
    data = TABLES[table]
    _, program = await write(f"{data.number} {data.category}", task, language, table)
    tree = ast.parse(program.code)
    assert "text" not in names_of(tree)
    assert "prelude" not in program.code
    other = "Rows used" if language == "es" else "Filas usadas"
    assert other not in program.code
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert all(name in names_of(tree) for name in defined), "an unused part was copied"


@pytest.mark.parametrize("path", sorted(PROGRAMS.glob("*.py")), ids=lambda path: path.stem)
def test_program_sources_keep_the_conventions(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            assert "text" not in names_of(node), f"text() in an f-string, line {node.lineno}"


def test_localise_chooses_innermost_first() -> None:
    source = 'x = text(en=[text(en="é", es="ñ"), "y"], es="b")\n'
    assert localise(source, "en") == 'x = ["é", "y"]\n'
    assert localise(source, "es") == 'x = "b"\n'


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children) | st.lists(children).map(tuple),
)  # fmt: skip


@given(PLAIN)
def test_literals_evaluate_to_the_value(value: object) -> None:
    written = literal(value)
    written.encode()
    assert ast.literal_eval(written) == value


@pytest.mark.parametrize("value", [{1, 2}, object(), float("nan"), float("inf"), b"x", [{}]])
def test_only_plain_values_become_code(value: object) -> None:
    with pytest.raises(TypeError):
        literal(value)


async def test_hostile_names_stay_data() -> None:
    evil = 'x"]\nimport os; os.system("true")  # \\'
    content = f'"{evil.replace(chr(34), chr(34) * 2)}",n\na,1\nb,2\n'.encode()
    file = profile_file('a"\n.csv', content)
    request = Request("0" * 32, "group n by x import os", (file,))
    route = Route("group", "data_analysis", "recipe", "en", 1.0)
    *_, program = [i async for i in RecipeWriter().write(request, route)]
    imported = [
        alias.name for node in ast.walk(ast.parse(program.code))
        if isinstance(node, ast.Import) for alias in node.names
    ]  # fmt: skip
    assert "os" not in imported


async def test_after_a_timeout_fewer_rows_are_read_once() -> None:
    _, program = await write("Total cost by state", "group")
    failure = failed(program, "timeout", ExecutionError("Timeout", "", ""))
    _, again = await write("Total cost by state", "group", failure=failure)
    assert "ROWS_READ = 50000" in again.code
    twice = failed(again, "timeout", ExecutionError("Timeout", "", ""))
    with pytest.raises(NoRecipeError, match="no other recipe applies"):
        await write("Total cost by state", "group", failure=twice)


@pytest.mark.parametrize("language", ["en", "es"])
async def test_what_the_data_lack_is_passed_on(language: str) -> None:
    _, program = await write("Total cost by state", "group")
    error = ExecutionError("ValueError", "No row meets the conditions", "")
    failure = failed(program, "value_error", error)
    with pytest.raises(NoRecipeError, match="No row meets the conditions"):
        await write("Total cost by state", "group", language, failure=failure)


async def test_a_models_failure_does_not_stop_a_recipe() -> None:
    program = Program("1/0", origin="model:x", tier="balanced")
    failure = failed(program, "other", ExecutionError("ZeroDivisionError", "", ""))
    _, written = await write("Total cost by state", "group", failure=failure)
    assert written.origin == "recipe:group"


async def test_excel_files_are_read_by_the_program() -> None:
    request = Request("0" * 32, "overview", (DataFile("t.xlsx", b"PK\3\4"),))
    route = Route("profile", "data_analysis", "recipe", "en", 1.0)
    *_, program = [i async for i in RecipeWriter().write(request, route)]
    assert "pd.read_excel(" in program.code
    assert "read_csv" not in program.code
