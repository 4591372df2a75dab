"""The recipes as a ProgramWriter: the tier that costs nothing and asks no model."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from capibara6.codegen.recipes import wording
from capibara6.codegen.recipes.asked import Asked
from capibara6.codegen.recipes.assembly import assemble
from capibara6.codegen.recipes.choice import Choice, Chosen, used_columns
from capibara6.codegen.recipes.choices import choose
from capibara6.codegen.recipes.conditions import Condition, conditions, flag_conditions
from capibara6.domain.playbook import Advice
from capibara6.domain.programs import Failure, Program, Sampling
from capibara6.domain.requests import Request, Route
from capibara6.errors import NoRecipeError

TIER = "recipe"
ORIGIN = "recipe:"
ROWS_READ_AFTER_FAILURE = 50_000

_TOO_MUCH = frozenset(("timeout", "out_of_memory"))  # kinds of failure that fewer rows can mend


class Adviser(Protocol):
    """Chooses recipe and parameters by more than the rules."""

    async def choose(self, request: Request, route: Route) -> Chosen:
        """Choose; raises as `RecipeWriter.write`."""
        ...


class RecipeWriter:
    """Answers a question about a table with a tested program; the question sets its parameters.

    Args:
        adviser: chooses in place of the rules; None: the rules choose.
    """

    def __init__(self, adviser: Adviser | None = None) -> None:
        self._adviser = adviser

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
        if self._adviser:
            chosen = await self._adviser.choose(request, route)
        else:
            chosen = Chosen(*choose(request, route))
        sentence = _sentence(chosen)
        yield sentence + "\n"
        yield _program(chosen, _program_text(chosen.asked, chosen.choice, sentence, rows))


def _sentence(chosen: Chosen) -> str:
    asked, choice, picked = chosen.asked, chosen.choice, chosen.picked
    others = asked.alternatives(choice.parameters)
    told = wording.explain(choice, asked.language, others, picked.model if picked else None)
    return f"{told}\n{chosen.reason}" if chosen.reason else told


def _program(chosen: Chosen, code: str) -> Program:
    choice, picked = chosen.choice, chosen.picked
    return Program(
        code,
        origin=ORIGIN + choice.recipe,
        tier=TIER,
        parameters=dict(choice.parameters),
        prompt_tokens=picked.prompt_tokens if picked else 0,
        completion_tokens=picked.completion_tokens if picked else 0,
        cost_usd=picked.cost_usd if picked else 0.0,
    )


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
