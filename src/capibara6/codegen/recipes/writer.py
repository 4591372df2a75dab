"""The recipes as a ProgramWriter: the tier that costs nothing and asks no model."""

from collections.abc import AsyncIterator, Mapping, Sequence

from capibara6.codegen.recipes import wording
from capibara6.codegen.recipes.asked import Asked, read_question
from capibara6.codegen.recipes.assembly import assemble
from capibara6.codegen.recipes.choice import Choice, used_columns
from capibara6.codegen.recipes.choices import CHOOSERS, WITHOUT_COLUMNS
from capibara6.codegen.recipes.conditions import Condition, conditions, flag_conditions
from capibara6.domain.playbook import Advice
from capibara6.domain.programs import Failure, Program, Sampling
from capibara6.domain.requests import Request, Route
from capibara6.errors import NoRecipeError

TIER = "recipe"
ORIGIN = "recipe:"
ROWS_READ_AFTER_FAILURE = 50_000

_TOO_MUCH = frozenset(("timeout", "out_of_memory"))  # kinds of failure that fewer rows can mend


class RecipeWriter:
    """Answers a question about a table with a tested program; the question sets its parameters."""

    @property
    def tier(self) -> str:
        """The name of the recipes' tier."""
        return TIER

    @property
    def at_once(self) -> int:
        """A recipe writes one program, always the same."""
        return 1

    async def write(
        self,
        request: Request,
        route: Route,
        failure: Failure | None = None,
        advice: Sequence[Advice] = (),
        sampling: Sampling | None = None,
    ) -> AsyncIterator[str | Program]:
        """Yield a sentence that says what will be done, then the program.

        After a failure of a recipe, the same one is tried once on fewer rows if time or memory ran
        out; any other failure ends here, since the program is tested and the data are at fault.

        Raises:
            NoRecipeError: the question has no table, is not about one, or does not say enough.
            DataFileError: the data file cannot be read.
        """
        rows = rows_after(failure, route.language)
        asked, choice = choose(request, route)
        sentence = wording.explain(choice, asked.language, asked.alternatives(choice.parameters))
        code = _program_text(asked, choice, sentence, rows)
        yield sentence + "\n"
        yield Program(
            code, origin=ORIGIN + choice.recipe, tier=TIER, parameters=dict(choice.parameters)
        )


def choose(request: Request, route: Route) -> tuple[Asked, Choice]:
    """Choose recipe and parameters for a request.

    Raises:
        NoRecipeError, DataFileError: as `RecipeWriter.write`.
    """
    chooser = CHOOSERS.get(route.task)
    if chooser is None:
        raise NoRecipeError(wording.not_about_data(route.language))
    asked = read_question(request, route.language)
    if asked is None:
        raise NoRecipeError(wording.no_table(route.language, [f.name for f in request.files]))
    if not asked.columns and route.task not in WITHOUT_COLUMNS:
        raise NoRecipeError(wording.unknown_columns(route.language, asked.file.name))
    return asked, chooser(asked)


def filters(asked: Asked, choice: Choice) -> list[Condition]:
    """The conditions of the question on rows, without those that the choice itself makes."""
    found = conditions(asked, frozenset((choice.grouping,) if choice.grouping else ()))
    return [*found, *flag_conditions(asked, used_columns(choice))]


def rows_after(failure: Failure | None, language: str) -> int | None:
    """How many rows to read after a failure; None: all.

    Raises:
        NoRecipeError: a recipe failed in a way that reading less does not mend.
    """
    if failure is None or not failure.program.origin.startswith(ORIGIN):
        return None
    already = f"ROWS_READ = {ROWS_READ_AFTER_FAILURE}\n" in failure.program.code
    if failure.diagnosis.kind in _TOO_MUCH and not already:
        return ROWS_READ_AFTER_FAILURE
    error = failure.result.error if failure.result else None
    cause = error.value if error and error.name == "ValueError" else failure.diagnosis.cause
    raise NoRecipeError(wording.failed(language, failure.program.origin, cause))


def _program_text(asked: Asked, choice: Choice, sentence: str, rows: int | None) -> str:
    return assemble(
        choice.recipe,
        f"read_{asked.layout.format}",
        asked.language,
        {**_file_parameters(asked, choice, rows), **choice.parameters},
        sentence,
    )


def _file_parameters(asked: Asked, choice: Choice, rows: int | None) -> Mapping[str, object]:
    layout = asked.layout
    day_first = layout.day_first
    if day_first is None:
        day_first = layout.decimal_comma or asked.language == "es"
    return {
        "FILE": asked.file.path,
        "DELIMITER": layout.delimiter,
        "ENCODING": layout.encoding,
        "HEADER": layout.header,
        "DECIMAL_COMMA": layout.decimal_comma,
        "DAY_FIRST": day_first,
        "ROWS_READ": rows,
        "NUMBERS": [column.name for column in asked.columns if column.kind == "number"],
        "DATES": [column.name for column in asked.columns if column.kind == "date"],
        "FILTERS": filters(asked, choice),
    }
