"""Questions about tables, labelled with the recipe, columns and parameters that answer them.

A line holds {"question", "language", "data", "accept"}: `data` is a table beside the file, `accept`
a list of answers, each of them right. An answer names its "recipe" ("none": no recipe answers) and
the parameters that the question settles; {"any": […]} stands for values that are all right. What an
answer leaves out is free, but for FILTERS, the conditions on rows: without them there must be none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from capibara6.codegen.profiling import profile_file
from capibara6.domain.requests import DataFile, Request
from capibara6.errors import DataFileError
from capibara6.evaluation.records import LineError, read_lines, text_of

NONE: Final = "none"
# Parameters that name columns; their order and the case of a single one do not count.
COLUMN_PARAMETERS: Final = frozenset(
    ("COLUMNS", "COLUMN", "GROUP_BY", "GROUP", "VALUE", "TARGET", "FEATURES", "DATE")
)
_FILTERS: Final = "FILTERS"
_QUESTIONS_MAX: Final = 20_000

Answer = Mapping[str, Any]  # "recipe", and parameters


@dataclass(frozen=True, slots=True)
class RecipeQuestion:
    """A question about a table with the answers that are right."""

    question: str
    language: str
    data: DataFile
    accepted: tuple[Answer, ...]

    def request(self, number: int = 0) -> Request:
        """The question as the platform gets it."""
        return Request(f"{number:032x}", self.question, (self.data,))


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far an answer is right; each includes the one before."""

    recipe: bool
    columns: bool
    whole: bool


def read_recipe_questions(path: Path) -> list[RecipeQuestion]:
    """Read a file of questions and profile the tables beside it.

    Raises:
        DataFileError: a line is not like that, a table is missing, or they are too many.
    """
    tables: dict[str, DataFile] = {}

    def parse(value: Mapping[str, Any]) -> RecipeQuestion:
        name = text_of(value, "data")
        if name not in tables:
            tables[name] = _table(path.parent, name)
        accepted = _accepted(value.get("accept"), tables[name])
        return RecipeQuestion(
            text_of(value, "question"), text_of(value, "language"), tables[name], accepted
        )

    found = read_lines(path, parse)
    if len(found) > _QUESTIONS_MAX:
        raise DataFileError(str(path), f"holds {len(found)} questions", "Give at most 20,000.")
    return found


def judge(question: RecipeQuestion, answer: Answer) -> Verdict:
    """Compare an answer, FILTERS included, with those that are right."""
    same = [right for right in question.accepted if right["recipe"] == answer["recipe"]]
    columns = [right for right in same if _fits(right, answer, columns_only=True)]
    whole = [right for right in columns if _fits(right, answer, columns_only=False)]
    return Verdict(bool(same), bool(columns), bool(whole))


def _table(folder: Path, name: str) -> DataFile:
    if Path(name).name != name:
        raise LineError(f"'data' is {name!r}, not the name of a file beside this one")
    try:
        return profile_file(name, (folder / name).read_bytes())
    except OSError as cause:
        raise LineError(f"{name} cannot be read ({cause.strerror})") from None


def _accepted(value: object, table: DataFile) -> tuple[Answer, ...]:
    if not isinstance(value, list) or not value:
        raise LineError("'accept' is no list of answers")
    known = {column.name for column in table.columns}
    for answer in value:
        if not isinstance(answer, dict) or not isinstance(answer.get("recipe"), str):
            raise LineError("an answer of 'accept' names no 'recipe'")
        named = {n for key in COLUMN_PARAMETERS & set(answer) for n in _names(answer[key])}
        if unknown := sorted(named - known):
            raise LineError(f"{table.name} has no column {unknown[0]!r}")
    return tuple(value)


def _names(value: object) -> Sequence[str]:
    if isinstance(value, Mapping):
        return [name for option in value["any"] for name in _names(option)]
    return (
        [str(name) for name in value]
        if isinstance(value, list)
        else [str(value)] * (value is not None)
    )


def _fits(right: Answer, answer: Answer, *, columns_only: bool) -> bool:
    keys = set(right) - {"recipe", _FILTERS}
    if columns_only:
        return all(_equal(right[key], answer.get(key)) for key in keys & COLUMN_PARAMETERS)
    filters = _conditions(right.get(_FILTERS)) == _conditions(answer.get(_FILTERS))
    return filters and all(_equal(right[key], answer.get(key)) for key in keys)


def _equal(right: object, found: object) -> bool:
    if isinstance(right, Mapping):
        return any(_equal(option, found) for option in right["any"])
    if isinstance(right, list):
        return isinstance(found, list) and sorted(map(str, right)) == sorted(map(str, found))
    return right == found


def _conditions(value: object) -> list[tuple[str, ...]]:
    rows = value if isinstance(value, list) else []
    return sorted(tuple(map(str, row)) for row in rows)
