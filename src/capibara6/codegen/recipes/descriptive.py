"""Parameters of the recipes that describe: from a profile to outliers."""

import re

from capibara6.codegen.recipes import phrases
from capibara6.codegen.recipes.asked import (
    CATEGORIES_MAX,
    Asked,
    default_aggregate,
    is_identifier,
    is_year,
)
from capibara6.codegen.recipes.choice import Choice, file_stem, names, needs, word
from capibara6.codegen.recipes.conditions import flag_conditions
from capibara6.domain.requests import Column


def choose_profile(asked: Asked) -> Choice:
    """No parameters."""
    return Choice("profile")


def choose_clean(asked: Asked) -> Choice:
    """Name the cleaned file after the data."""
    return Choice(
        "clean", {"OUTPUT": f"/home/user/{file_stem(asked)}_{word(asked, 'clean', 'limpio')}.csv"}
    )


def choose_describe(asked: Asked) -> Choice:
    """One statistic of the named columns, or a summary."""
    statistic = phrases.aggregate(asked.text)
    measures, categories = asked.measures(), asked.categories()
    if statistic is None and measures:
        statistic = phrases.extreme(asked.text)
    if statistic in ("count", "nunique"):
        flags = {column for column, _, _ in flag_conditions(asked)}
        categories = [column for column in categories if column.name not in flags]
        things = categories or measures if statistic == "nunique" else categories
        if things:
            return Choice("describe", {"COLUMNS": names(things), "STATISTIC": "nunique"})
        return Choice("describe", {"COLUMNS": [], "STATISTIC": "count"})
    named = measures or ([] if statistic else categories)
    if statistic and not named and asked.columns:
        measure = asked.main_measure()
        named = [measure] if measure else []
    if (
        len(
            set(
                re.findall(
                    r"\b(mean|median|media|mediana|desviacion|deviation|rango)\b", asked.text
                )
            )
        )
        > 1
    ):
        statistic = None
    return Choice("describe", {"COLUMNS": names(named), "STATISTIC": statistic})


def choose_group(asked: Asked) -> Choice:
    """Groups, the value in them, how it is aggregated, and how many groups to show."""
    by = [m for m in asked.mentions if asked.after_by(m) or asked.after_which(m)]
    groups = _groups(asked) or [m.columns[0] for m in by if _makes_groups(m.columns[0])]
    measures = [column for column in asked.measures() if column not in groups]
    statistic = phrases.aggregate(asked.text)
    if not groups and (any(m.best("date").kind == "date" for m in by) or _by_time(asked)):
        return choose_time_series(asked)
    if not groups and (label := asked.label_column()):
        groups = [label]
    if not groups:
        raise needs(asked, "text", "a column to group by", "una columna por la que agrupar")
    value = measures[0] if measures and statistic != "count" else None
    if statistic == "nunique" and len(groups) > 1:
        value, groups = groups[0], groups[1:]
    if value is None:
        statistic = "count"
    elif statistic in (None, "count"):
        statistic = default_aggregate(value)
    return Choice(
        "group",
        {
            "GROUP_BY": names(groups[:2]),
            "VALUE": value.name if value else None,
            "AGGREGATE": statistic,
            "TOP": _top(asked),
            "ASCENDING": phrases.extreme(asked.text) == "min",
        },
    )


def choose_correlate(asked: Asked) -> Choice:
    """The named pair, all pairs with the one that is named, or all pairs."""
    measures, categories = asked.measures(), asked.categories()
    if len(measures) == 1 and categories:
        return choose_compare(asked)
    if asked.columns and sum(column.kind == "number" for column in asked.columns) < 2:
        raise needs(asked, "number", "two columns of numbers", "dos columnas de números")
    return Choice(
        "correlate",
        {
            "COLUMNS": names(measures) if len(measures) > 1 else [],
            "TARGET": measures[0].name if len(measures) == 1 else None,
        },
    )


def choose_distribution(asked: Asked) -> Choice:
    """One column: the first that is named."""
    named = [m.best("number", "text") for m in asked.mentions if not asked.after_by(m)]
    named = [column for column in named if not is_identifier(column)]
    column = next(iter(named or asked.categories()), None) or asked.main_measure()
    if column is None:
        raise needs(asked, "number", "the column to look at", "la columna que mirar")
    return Choice("distribution", {"COLUMN": column.name, "BINS": None, "TOP": 15})


def choose_time_series(asked: Asked) -> Choice:
    """The date, what is followed, by which periods, how far ahead."""
    dates = asked.dates()
    if not dates:
        raise needs(asked, "date", "a column of dates or years", "una columna de fechas o años")
    measures = [c for c in asked.measures() if c != dates[0] and not is_year(c)]
    statistic = phrases.aggregate(asked.text)
    value = measures[0] if measures and statistic != "count" else None
    if value is not None and statistic not in ("sum", "mean", "median", "min", "max"):
        statistic = default_aggregate(value)
    unit = phrases.frequency(asked.text)
    if dates[0].kind == "number":
        unit = None
    return Choice(
        "time_series",
        {
            "DATE": dates[0].name,
            "VALUE": value.name if value else None,
            "AGGREGATE": statistic if value else "sum",
            "FREQUENCY": unit,
            "FORECAST": phrases.horizon(asked.text),
        },
    )


def choose_compare(asked: Asked) -> Choice:
    """A value between the groups of a column, or between the groups that are named."""
    by_column: dict[str, list[str]] = {}
    for mention in asked.values:
        by_column.setdefault(mention.column, []).append(mention.value)
    named = max(by_column, key=lambda name: len(by_column[name]), default=None)
    levels = list(dict.fromkeys(by_column[named])) if named else []
    categories = names(asked.categories())
    group = named if len(levels) > 1 else next(iter(categories), named)
    measures = [column for column in asked.measures() if not is_year(column)]
    if group is None and len(measures) > 1:
        return choose_correlate(asked)
    group = group or _small_category(asked)
    if group is None:
        raise needs(asked, "text", "a column of groups to compare", "una columna de grupos")
    value = measures[0] if measures else asked.main_measure()
    if value is None:
        raise needs(asked, "number", "a column of numbers to compare", "una columna de números")
    return comparison(asked, value.name, group)


def comparison(asked: Asked, value: str, group: str) -> Choice:
    """A value between the groups of a column, or those of them that the question names."""
    named = (mention.value for mention in asked.values if mention.column == group)
    levels = list(dict.fromkeys(named))
    return Choice(
        "compare",
        {
            "VALUE": value,
            "GROUP": group,
            "LEVELS": levels if len(levels) > 1 else [],
            "GROUPS_MAX": 8,
        },
        grouping=group,
    )


def choose_outliers(asked: Asked) -> Choice:
    """The named columns of numbers, or all of them."""
    if asked.columns and not any(column.kind == "number" for column in asked.columns):
        raise needs(asked, "number", "a column of numbers", "una columna de números")
    return Choice(
        "outliers", {"COLUMNS": names(asked.measures()), "TOP": phrases.top(asked.text) or 10}
    )


def _makes_groups(column: Column) -> bool:
    """Years and numbers with few different values group rows; measurements do not."""
    return column.kind == "number" and (is_year(column) or column.distinct <= CATEGORIES_MAX)


def _groups(asked: Asked) -> list[Column]:
    """The categories named, without the label of the rows where they are counted in groups."""
    found, label = asked.categories(), asked.label_column()
    others = [column for column in found if column != label]
    return others if others and phrases.aggregate(asked.text) in (None, "count") else found


def _by_time(asked: Asked) -> bool:
    return phrases.frequency(asked.text) is not None and bool(asked.dates())


def _top(asked: Asked) -> int | None:
    wanted = phrases.top(asked.text)
    return wanted or (None if phrases.wants_all(asked.text) else 10)


def _small_category(asked: Asked) -> str | None:
    small = [
        c
        for c in asked.columns
        if c.kind in ("text", "boolean") and 2 <= c.distinct <= CATEGORIES_MAX
    ]
    return min(small, key=lambda column: column.distinct).name if small else None
