"""A recipe with its parameters, and what all choices share."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from capibara6.codegen.recipes.asked import Asked
from capibara6.domain.requests import Column
from capibara6.errors import NoRecipeError


@dataclass(frozen=True, slots=True)
class Choice:
    """A recipe with its parameters; `grouping` is the column whose values are no conditions."""

    recipe: str
    parameters: dict[str, object] = field(default_factory=dict)
    grouping: str | None = None


@dataclass(frozen=True, slots=True)
class Picked:
    """What a model chose, with its tokens; no choice: it says that no recipe answers."""

    choice: Choice | None
    model: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float


@dataclass(frozen=True, slots=True)
class Chosen:
    """A recipe for a question: by whom, and why by them."""

    asked: Asked
    choice: Choice
    picked: Picked | None = None  # None: by rules
    reason: str = ""  # a sentence for the user


def names(columns: Sequence[Column]) -> list[str]:
    """Return the columns' names."""
    return [column.name for column in columns]


def used_columns(choice: Choice) -> frozenset[str]:
    """All texts among the parameters, the columns' names among them."""
    values = choice.parameters.values()
    return frozenset(str(n) for v in values for n in (v if isinstance(v, list) else [v]))


def file_stem(asked: Asked) -> str:
    """Return the file's name without its ending."""
    return asked.file.name.rsplit(".", 1)[0]


def word(asked: Asked, english: str, spanish: str) -> str:
    """Choose a word by the question's language."""
    return spanish if asked.language == "es" else english


def needs(asked: Asked, kind: str, english: str, spanish: str) -> NoRecipeError:
    """Say what is missing and which columns could serve."""
    kinds = ("text", "boolean") if kind == "text" else (kind,)
    fitting = ", ".join(c.name for c in asked.columns[:200] if c.kind in kinds) or "-"
    if asked.language == "es":
        return NoRecipeError(
            f"La pregunta necesita {spanish}, y no la encuentro en {asked.file.name}. "
            f"Columnas que podrían servir: {fitting}. Nombre una en la pregunta."
        )
    return NoRecipeError(
        f"The question needs {english}, and I do not find it in {asked.file.name}. "
        f"Columns that could serve: {fitting}. Name one in the question."
    )
