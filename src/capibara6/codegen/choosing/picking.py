"""What a model's answer means: a recipe with all its parameters, or that none answers.

An endpoint may ignore the schema, so the answer is checked as if it had none. Conditions on rows
and the levels of a comparison stay what the rules read in the question. Pure.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from capibara6.codegen.choosing.schema import (
    AGGREGATES,
    CLUSTERS_MAX,
    FORECAST_MAX,
    FREQUENCIES,
    LIST_MAX,
    NONE,
    SERIES_AGGREGATES,
    STATISTICS,
    TOP_MAX,
    columns_of_kinds,
)
from capibara6.codegen.recipes import descriptive, learning
from capibara6.codegen.recipes.asked import Asked, default_aggregate
from capibara6.codegen.recipes.choice import Choice
from capibara6.domain.requests import Column

_EXCERPT_CHARS_MAX: Final = 120
_OF_WORDS: Final = (None, "count", "nunique")


class UnusableChoiceError(Exception):
    """An answer that names no choice, or one that the table does not allow."""


class _Values:
    """The parameters of an answer, each checked where it is taken."""

    def __init__(self, values: Mapping[str, Any], columns: Sequence[Column]) -> None:
        self._values = values
        self._names = columns_of_kinds(columns)
        self.columns = {column.name: column for column in columns}

    def name(self, key: str, kind: str) -> str:
        """A column's name."""
        found = self.one(key, self._names[kind])
        if found is None:
            raise UnusableChoiceError(f"{key} is null")
        return found

    def name_or_none(self, key: str, kind: str) -> str | None:
        return self.one(key, self._names[kind])

    def names(self, key: str, kind: str, least: int = 0, most: int = LIST_MAX) -> list[str]:
        found = self._values.get(key)
        if not isinstance(found, list) or not all(name in self._names[kind] for name in found):
            raise UnusableChoiceError(f"{key} is {_excerpt(found)}")
        different = list(dict.fromkeys(found))
        if not least <= len(different) <= most:
            raise UnusableChoiceError(f"{key} names {len(different)} columns")
        return different

    def one(self, key: str, allowed: Sequence[str]) -> str | None:
        found = self._values.get(key)
        if found is not None and found not in allowed:
            raise UnusableChoiceError(f"{key} is {_excerpt(found)}")
        return found

    def number(self, key: str, low: int, high: int) -> int | None:
        """A whole number; outside its bounds it is as good as none."""
        found = self._values.get(key)
        if not isinstance(found, int) or isinstance(found, bool):
            return None
        return found if low <= found <= high else None

    def is_true(self, key: str) -> bool:
        return self._values.get(key) is True


def picked(text: str, asked: Asked) -> Choice | None:
    """The choice that an answer means; None when it says that no recipe answers.

    Raises:
        UnusableChoiceError: it is no answer to the schema.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise UnusableChoiceError(f"the answer is no JSON: {_excerpt(text)}") from None
    choice = document.get("choice") if isinstance(document, dict) else None
    recipe = choice.get("recipe") if isinstance(choice, dict) else None
    if recipe == NONE:
        return None
    if not isinstance(choice, dict) or not isinstance(recipe, str) or recipe not in _PICKERS:
        raise UnusableChoiceError(f"the answer names no recipe: {_excerpt(text)}")
    return _PICKERS[recipe](asked, _Values(choice, asked.columns))


def _excerpt(value: object) -> str:
    return repr(value)[:_EXCERPT_CHARS_MAX]


def _describe(asked: Asked, values: _Values) -> Choice:
    statistic = values.one("STATISTIC", STATISTICS)
    columns = values.names("COLUMNS", "any")
    kinds = {values.columns[name].kind for name in columns}
    if statistic not in _OF_WORDS and kinds - {"number"}:
        raise UnusableChoiceError(f"there is no {statistic} of words")
    if statistic == "count":
        columns = []
    return Choice("describe", {"COLUMNS": columns, "STATISTIC": statistic})


def _group(asked: Asked, values: _Values) -> Choice:
    groups = values.names("GROUP_BY", "category", least=1, most=2)
    value = values.name_or_none("VALUE", "number")
    aggregate = values.one("AGGREGATE", AGGREGATES)
    if value is None or value in groups:
        value, aggregate = None, "count"
    elif aggregate in (None, "count"):
        aggregate = default_aggregate(values.columns[value])
    return Choice(
        "group",
        {
            "GROUP_BY": groups,
            "VALUE": value,
            "AGGREGATE": aggregate,
            "TOP": values.number("TOP", 1, TOP_MAX),
            "ASCENDING": values.is_true("ASCENDING"),
        },
    )


def _correlate(asked: Asked, values: _Values) -> Choice:
    columns, target = values.names("COLUMNS", "number"), values.name_or_none("TARGET", "number")
    if len(columns) == 1:
        columns, target = [], columns[0]
    return Choice("correlate", {"COLUMNS": columns, "TARGET": None if columns else target})


def _distribution(asked: Asked, values: _Values) -> Choice:
    return Choice("distribution", {"COLUMN": values.name("COLUMN", "any"), "BINS": None, "TOP": 15})


def _time_series(asked: Asked, values: _Values) -> Choice:
    day, value = values.name("DATE", "date"), values.name_or_none("VALUE", "number")
    of_years = values.columns[day].kind == "number"
    frequency = values.one("FREQUENCY", FREQUENCIES)
    return Choice(
        "time_series",
        {
            "DATE": day,
            "VALUE": value,
            "AGGREGATE": (values.one("AGGREGATE", SERIES_AGGREGATES) if value else None) or "sum",
            "FREQUENCY": None if of_years else frequency,
            "FORECAST": values.number("FORECAST", 0, FORECAST_MAX) or 0,
        },
    )


def _compare(asked: Asked, values: _Values) -> Choice:
    return descriptive.comparison(
        asked, values.name("VALUE", "number"), values.name("GROUP", "category")
    )


def _outliers(asked: Asked, values: _Values) -> Choice:
    return Choice("outliers", {"COLUMNS": values.names("COLUMNS", "number"), "TOP": 10})


def _regression(asked: Asked, values: _Values) -> Choice:
    target = values.name("TARGET", "number")
    return learning.regression(asked, target, _features(values, target))


def _classification(asked: Asked, values: _Values) -> Choice:
    target = values.name("TARGET", "category")
    return learning.classification(asked, target, _features(values, target))


def _features(values: _Values, target: str) -> list[str]:
    return [name for name in values.names("FEATURES", "any") if name != target]


def _clustering(asked: Asked, values: _Values) -> Choice:
    clusters = values.number("CLUSTERS", 2, CLUSTERS_MAX)
    return learning.clustering(asked, values.names("FEATURES", "number"), clusters)


_PICKERS: Final[dict[str, Callable[[Asked, _Values], Choice]]] = {
    "profile": lambda asked, _: descriptive.choose_profile(asked),
    "clean": lambda asked, _: descriptive.choose_clean(asked),
    "describe": _describe,
    "group": _group,
    "correlate": _correlate,
    "distribution": _distribution,
    "time_series": _time_series,
    "compare": _compare,
    "outliers": _outliers,
    "regression": _regression,
    "classification": _classification,
    "clustering": _clustering,
}
