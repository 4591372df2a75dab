"""The JSON schema that an answer must hold to: the recipes that a table allows, with its columns.

Names of columns stand in it as enumerations by kind, so that an endpoint which decodes under a
schema can name no column that is not there. Pure.
"""

from collections.abc import Sequence
from typing import Any, Final

from capibara6.codegen.recipes.asked import CATEGORIES_MAX, is_identifier, is_year
from capibara6.domain.requests import Column

NONE: Final = "none"
COLUMNS_MAX: Final = 60  # of a table; a grammar over more takes longer than it helps
LIST_MAX: Final = 6
STATISTICS: Final = ("mean", "median", "sum", "min", "max", "std", "count", "nunique")
AGGREGATES: Final = ("sum", "mean", "median", "min", "max", "std", "count", "nunique")
SERIES_AGGREGATES: Final = ("sum", "mean", "median", "min", "max")
FREQUENCIES: Final = ("D", "W", "M", "Q", "Y")
TOP_MAX, FORECAST_MAX, CLUSTERS_MAX = 1000, 120, 50

Schema = dict[str, Any]


def choice_schema(columns: Sequence[Column]) -> Schema:
    """What an answer about a table with these columns looks like: {"choice": {"recipe": …}}.

    Recipes that need a kind of column which the table lacks are left out. Every property is
    required and none else allowed, as OpenAI's strict mode wants it.
    """
    options = [_object(recipe, values) for recipe, values in _recipes(columns) if _possible(values)]
    return {
        "type": "object",
        "properties": {"choice": {"anyOf": options}},
        "required": ["choice"],
        "additionalProperties": False,
    }


def columns_of_kinds(columns: Sequence[Column]) -> dict[str, list[str]]:
    """Names by what a recipe can do with them: numbers, categories, dates, all."""
    kept = columns[:COLUMNS_MAX]
    return {
        "number": [c.name for c in kept if c.kind == "number" and not is_identifier(c)],
        "category": [c.name for c in kept if _is_category(c)],
        "date": [c.name for c in kept if c.kind == "date" or is_year(c)],
        "any": [c.name for c in kept if c.kind != "empty"],
    }


def _is_category(column: Column) -> bool:
    if column.kind in ("text", "boolean"):
        return True
    few = column.kind == "number" and column.distinct <= CATEGORIES_MAX
    return few and not is_identifier(column)


def _recipes(columns: Sequence[Column]) -> list[tuple[str, Schema]]:
    names = columns_of_kinds(columns)
    number, category, date, some = (names[kind] for kind in ("number", "category", "date", "any"))
    return [
        ("profile", {}),
        ("clean", {}),
        ("describe", {"COLUMNS": _list(some), "STATISTIC": _one(STATISTICS, null=True)}),
        (
            "group",
            {
                "GROUP_BY": _list(category, least=1, most=2),
                "VALUE": _one(number, null=True),
                "AGGREGATE": _one(AGGREGATES),
                "TOP": {"type": ["integer", "null"]},
                "ASCENDING": {"type": "boolean"},
            },
        ),
        ("correlate", {"COLUMNS": _list(number), "TARGET": _one(number, null=True)}),
        ("distribution", {"COLUMN": _one(some)}),
        (
            "time_series",
            {
                "DATE": _one(date),
                "VALUE": _one(number, null=True),
                "AGGREGATE": _one(SERIES_AGGREGATES),
                "FREQUENCY": _one(FREQUENCIES, null=True),
                "FORECAST": {"type": "integer"},
            },
        ),
        ("compare", {"VALUE": _one(number), "GROUP": _one(category)}),
        ("outliers", {"COLUMNS": _list(number)}),
        ("regression", {"TARGET": _one(number), "FEATURES": _list(some)}),
        ("classification", {"TARGET": _one(category), "FEATURES": _list(some)}),
        ("clustering", {"FEATURES": _list(number), "CLUSTERS": {"type": ["integer", "null"]}}),
        (NONE, {}),
    ]


def _object(recipe: str, values: Schema) -> Schema:
    properties = {"recipe": {"type": "string", "enum": [recipe]}, **values}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _possible(values: Schema) -> bool:
    """Whether the table has a column for each parameter: no enumeration is empty."""
    return all(value.get("items", value).get("enum") != [] for value in values.values())


def _one(names: Sequence[str], *, null: bool = False) -> Schema:
    if not null:
        return {"type": "string", "enum": list(names)}
    return {"enum": [*names, None]}


def _list(names: Sequence[str], least: int = 0, most: int = LIST_MAX) -> Schema:
    items = {"type": "string", "enum": list(names)}
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}
